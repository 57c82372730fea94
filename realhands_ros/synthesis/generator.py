"""From a seed to a scene: draws everything, in one order, from one random generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_SHAPE, Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.synthesis.arm_builder import Arm, ArmBuilder, sample_clothing
from realhands_ros.synthesis.backdrop import World, person, photo_backdrop, room, table
from realhands_ros.synthesis.camera_effects import sample_effects
from realhands_ros.synthesis.config import SynthesisConfig, ViewMix
from realhands_ros.synthesis.lighting import sample_lighting
from realhands_ros.synthesis.objects import held_object, object_before
from realhands_ros.synthesis.photographs import PhotoLibrary
from realhands_ros.synthesis.placement import beside, sample_placement, sample_up
from realhands_ros.synthesis.rigs import sample_rig
from realhands_ros.synthesis.scene import Lighting, Scene, SceneMesh
from realhands_ros.synthesis.skin import SkinLook, sample_skin

FloatArray = NDArray[np.float64]

# The paper draws shapes uniformly; two standard deviations either way are all people but a few.
SHAPE_RANGE = 2.0

_PHOTO_SHARE = 0.55
# How often there is a table, and how much of that is left before a photograph.
_TABLE_SHARE: dict[ViewMix, float] = {'tabletop': 0.9, 'egocentric': 0.5, 'frontal': 0.0}
_TABLE_BEFORE_PHOTO = 0.4
# How much of a drawn finger pose is kept; who shows a hand to a camera opens it.
_CURL: dict[ViewMix, tuple[float, float]] = {
    'egocentric': (1.0, 1.0),
    'tabletop': (1.0, 1.0),
    'frontal': (0.2, 0.9),
}
# Side of the square crop relative to the larger side of the keypoints' box.
_CROP_MARGIN = (1.3, 2.0)
# About how much of the scene a crop shows, at the hand's distance.
_CROP_WIDTH_M = 0.28
# Longer side of a photograph behind full images.
_PHOTO_SIDE = 1024


class SceneGenerator:
    """Draws scenes of a configuration; scene ``index`` of a seed is always the same."""

    def __init__(self, config: SynthesisConfig, seed: int) -> None:
        """Read hand models and list backgrounds; ModelFileError or DatasetError if they lack."""
        self._config = config
        self._seed = seed
        self._arms = ArmBuilder(config.model_folder)
        self._photos = None
        if config.backgrounds is not None:
            side = 2 * config.crop_size if config.crop_size else _PHOTO_SIDE
            self._photos = PhotoLibrary(config.backgrounds, side)
        mixes = [mix for mix, share in config.mix.items() if share > 0]
        shares = np.array([config.mix[mix] for mix in mixes], dtype=np.float64)
        self._mixes, self._shares = mixes, shares / shares.sum()

    def scene(self, index: int) -> Scene:
        """Return scene ``index``."""
        rng = np.random.default_rng([self._seed, index])
        mix = self._mixes[rng.choice(len(self._mixes), p=self._shares)]
        camera = str(rng.choice(self._config.cameras))
        rig = sample_rig(rng, camera, str(rng.choice(self._config.resolutions)))
        handedness: Handedness = 'left' if rng.random() < self._config.left_hand_share else 'right'
        up = sample_up(rng, mix)
        skin = sample_skin(rng)
        arms = self._sample_arms(rng, mix, handedness, rig, up, skin)
        hand = arms[0].truth
        focal = rig.left.intrinsics[0, 0]
        if self._config.crop_size is not None:
            rig = _crop_rig(rng, rig, hand.keypoints, self._config.crop_size)
        meshes = [mesh for arm in arms for mesh in arm.meshes]
        if rng.random() < self._config.occluder_share and mix != 'frontal':
            is_held = rng.random() < 0.65
            meshes.append(held_object(rng, hand) if is_held else object_before(rng, hand))
        lighting = sample_lighting(rng, up)
        meshes += self._sample_backdrop(rng, mix, rig, up, lighting, arms, skin)
        effects = sample_effects(rng, lighting, focal)
        return Scene(rig, tuple(meshes), lighting, effects, hand, mix)

    def _sample_arms(
        self,
        rng: np.random.Generator,
        mix: ViewMix,
        handedness: Handedness,
        rig: StereoRig,
        up: FloatArray,
        skin: SkinLook,
    ) -> list[Arm]:
        """Return the arm the sample is about and perhaps the same person's other one."""
        shape = rng.uniform(-SHAPE_RANGE, SHAPE_RANGE, NUM_SHAPE)
        clothing = sample_clothing(rng)
        girth = rng.uniform(0.88, 1.2)
        placement = sample_placement(rng, mix, handedness, rig, up, self._config.distance_m)
        pixel = placement.wrist[2] / rig.left.intrinsics[0, 0]
        if self._config.crop_size is not None:
            pixel = _CROP_WIDTH_M / self._config.crop_size
        placements = [(placement, handedness)]
        if rng.random() < self._config.second_hand_share:
            other: Handedness = 'left' if handedness == 'right' else 'right'
            placements.append((beside(rng, placement, mix, handedness), other))
        return [
            self._arms.build(
                place,
                side,
                self._arms.sample_finger_pose(rng, side) * rng.uniform(*_CURL[mix]),
                shape,
                skin,
                clothing,
                girth=girth,
                pixel_m=pixel,
                is_main=number == 0,
            )
            for number, (place, side) in enumerate(placements)
        ]

    def _sample_backdrop(
        self,
        rng: np.random.Generator,
        mix: ViewMix,
        rig: StereoRig,
        up: FloatArray,
        lighting: Lighting,
        arms: list[Arm],
        skin: SkinLook,
    ) -> list[SceneMesh]:
        world = World.with_up(up)
        hand = arms[0].truth
        table_share = _TABLE_SHARE[mix]
        if self._photos is not None and rng.random() < _PHOTO_SHARE:
            meshes = photo_backdrop(rng, self._photos, rig, lighting)
            table_share *= _TABLE_BEFORE_PHOTO
        else:
            meshes = room(rng, world)
        if rng.random() < table_share:
            below = rng.uniform(0.0, 0.02) if rng.random() < 0.4 else rng.uniform(0.02, 0.35)
            meshes += table(rng, world, _lowest(arms, world) - below, hand)
        if arms[0].shoulder is not None:
            meshes += person(rng, world, arms[0].shoulder, hand.handedness, skin)
        return meshes


def _lowest(arms: list[Arm], world: World) -> float:
    """Return the height of the lowest point of hands and wrists along the room's up axis."""
    heights = [
        (mesh.vertices[np.linalg.norm(mesh.vertices - arm.truth.joints[0], axis=1) < 0.3])
        @ world.axes[:, 1]
        for arm in arms
        for mesh in arm.meshes
    ]
    return float(min(height.min() for height in heights if len(height)))


def _crop_rig(
    rng: np.random.Generator, rig: StereoRig, keypoints: FloatArray, size: int
) -> StereoRig:
    """Return the cameras of square crops around the hand, as the tracker cuts them."""
    margin = rng.uniform(*_CROP_MARGIN)
    shift = rng.uniform(-0.08, 0.08, 2)

    def crop(camera: PinholeCamera) -> PinholeCamera:
        pixels = camera.project(keypoints)
        low, high = pixels.min(0), pixels.max(0)
        side = float((high - low).max()) * margin
        corner = (low + high) / 2 + shift * side - side / 2
        scale = size / side
        # The middle of the crop's first pixel shows what is half a crop pixel inside its edge.
        offset = -scale * corner - 0.5
        return camera.cropped([[scale, 0, offset[0]], [0, scale, offset[1]]], size, size)

    return StereoRig(crop(rig.left), crop(rig.right))
