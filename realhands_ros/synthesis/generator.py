"""From a seed to a scene: draws everything, in one order, from one random generator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_SHAPE, Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.rasterizer import NO_FACE, rasterize
from realhands_ros.hand.grasps import Held
from realhands_ros.synthesis.arm_builder import Arm, ArmBuilder, Clothing, sample_clothing
from realhands_ros.synthesis.backdrop import World, person, photo_backdrop, room, table
from realhands_ros.synthesis.camera_effects import grey, infrared, sample_effects
from realhands_ros.synthesis.config import SynthesisConfig, ViewMix
from realhands_ros.synthesis.contact import slide_to_contact, turned_to_touch
from realhands_ros.synthesis.gloves import sample_glove
from realhands_ros.synthesis.held_objects import fitted_object
from realhands_ros.synthesis.interiors import InteriorLights
from realhands_ros.synthesis.jewellery import ring_on_finger
from realhands_ros.synthesis.lighting import sample_lighting
from realhands_ros.synthesis.objects import held_object, object_before
from realhands_ros.synthesis.photographs import PhotoLibrary
from realhands_ros.synthesis.placement import beside, sample_placement, sample_up
from realhands_ros.synthesis.rigs import sample_rig
from realhands_ros.synthesis.scene import HandTruth, Label, Lighting, Scene, SceneMesh
from realhands_ros.synthesis.skin import SkinLook, sample_skin

FloatArray = NDArray[np.float64]

# The paper draws shapes uniformly; two standard deviations either way are all people but a few.
SHAPE_RANGE = 2.0

_PHOTO_SHARE = 0.55
# How often there is a table, and how much of that is left before a photograph.
_TABLE_SHARE: dict[ViewMix, float] = {'tabletop': 0.9, 'egocentric': 0.5, 'frontal': 0.0}
_TABLE_BEFORE_PHOTO = 0.4
# How much of mixed gestures is kept; who shows a hand to a camera opens it. Grasps are kept whole.
_CURL: dict[ViewMix, tuple[float, float]] = {
    'egocentric': (1.0, 1.0),
    'tabletop': (1.0, 1.0),
    'frontal': (0.3, 1.0),
}
# Side of the square crop relative to the larger side of the keypoints' box.
_CROP_MARGIN = (1.3, 2.0)
# A hand of which less shows is drawn again, this many times at most; seen on a side of so many
# pixels.
_MIN_SHOWN, _MAX_DRAWS, _LOOK_SIZE = 0.4, 6, 48
# About how much of the scene a crop shows, at the hand's distance.
_CROP_WIDTH_M = 0.28
_INFRARED_TONE = 0.4
# Longer side of a photograph behind full images.
_PHOTO_SIDE = 1024


class SceneGenerator:
    """Draws scenes of a configuration; scene ``index`` of a seed is always the same."""

    def __init__(self, config: SynthesisConfig, seed: int) -> None:
        """Read hand models and list backgrounds; ModelFileError or DatasetError if they lack."""
        self._config = config
        self._seed = seed
        self._lights = None if config.lights is None else InteriorLights(config.lights)
        self._arms = ArmBuilder(config.model_folder, config.skins)
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
        skin = self._sample_skin(rng)
        is_grey = rng.random() < self._config.grey_share
        is_infrared = rng.random() < self._config.infrared_share
        if is_infrared:
            # Melanin hardly absorbs infrared light.
            skin = replace(skin, tone=_INFRARED_TONE * skin.tone)
        for _ in range(_MAX_DRAWS):
            arms, things = self._sample_foreground(rng, mix, handedness, rig, up, skin)
            meshes = [mesh for arm in arms for mesh in arm.meshes] + things
            if shown_share(arms[0].truth, meshes, rig) >= _MIN_SHOWN:
                break
        hand = arms[0].truth
        focal = rig.left.intrinsics[0, 0]
        if self._config.crop_size is not None:
            rig = _crop_rig(rng, rig, hand.keypoints, self._config.crop_size)
        lighting = sample_lighting(rng, up)
        if self._lights is not None and rng.random() < self._config.interior_light_share:
            lighting = self._lights.sample(rng, up)
        effects = sample_effects(rng, lighting, focal)
        if is_infrared:
            distance = float(hand.keypoints[:, 2].mean())
            effects, lighting = infrared(rng, effects, distance)
        elif is_grey:
            effects = grey(effects)
        meshes += self._sample_backdrop(rng, mix, rig, up, lighting, arms, skin)
        return Scene(rig, tuple(meshes), lighting, effects, hand, mix)

    def _sample_skin(self, rng: np.random.Generator) -> SkinLook:
        skin = sample_skin(rng)
        if self._arms.num_skins and rng.random() < self._config.real_skin_share:
            skin = replace(skin, texture=int(rng.integers(self._arms.num_skins)))
        return skin

    def _sample_foreground(
        self,
        rng: np.random.Generator,
        mix: ViewMix,
        handedness: Handedness,
        rig: StereoRig,
        up: FloatArray,
        skin: SkinLook,
    ) -> tuple[list[Arm], list[SceneMesh]]:
        """Return the arms, the sample's own first, and what is in that hand or before it."""
        clothing = sample_clothing(rng)
        if rng.random() < self._config.glove_share:
            clothing = replace(clothing, glove=sample_glove(rng))
        arms, held = self._sample_arms(rng, mix, handedness, rig, up, skin, clothing)
        hand = arms[0].truth
        things = []
        if clothing.glove is None and rng.random() < self._config.ring_share:
            things.append(ring_on_finger(rng, hand, Label.HAND))
        if held is not Held.NOTHING and rng.random() < self._config.held_object_share:
            return arms, things + fitted_object(rng, hand, held)
        if rng.random() < self._config.occluder_share and mix != 'frontal':
            is_held = held is Held.NOTHING and rng.random() < 0.5
            things.append(held_object(rng, hand) if is_held else object_before(rng, hand))
        return arms, things

    def _sample_arms(
        self,
        rng: np.random.Generator,
        mix: ViewMix,
        handedness: Handedness,
        rig: StereoRig,
        up: FloatArray,
        skin: SkinLook,
        clothing: Clothing,
    ) -> tuple[list[Arm], Held]:
        """
        Return the arm the sample is about and perhaps the same person's other one.

        Also says where an object would lie in the first hand.
        """
        shape = rng.uniform(-SHAPE_RANGE, SHAPE_RANGE, NUM_SHAPE)
        girth = rng.uniform(0.88, 1.2)
        placement = sample_placement(rng, mix, handedness, rig, up, self._config.distance_m)
        pixel = placement.wrist[2] / rig.left.intrinsics[0, 0]
        if self._config.crop_size is not None:
            pixel = _CROP_WIDTH_M / self._config.crop_size
        build = partial(
            self._arms.build, shape=shape, skin=skin, clothing=clothing, girth=girth, pixel_m=pixel
        )
        held, fingers = self._sample_fingers(rng, mix, handedness)
        arms = [build(placement, handedness, fingers)]
        if rng.random() < self._config.second_hand_share:
            other: Handedness = 'left' if handedness == 'right' else 'right'
            place = beside(rng, placement, mix, handedness)
            _, fingers = self._sample_fingers(rng, mix, other)
            if rng.random() < self._config.touching_share:
                first = arms[0].truth
                posed = self._arms.pose_hand(place, other, fingers, shape)
                place = turned_to_touch(rng, place, first, posed)
                posed = self._arms.pose_hand(place, other, fingers, shape)
                place = replace(place, wrist=place.wrist + slide_to_contact(rng, first, posed))
            arms.append(build(place, other, fingers, is_main=False))
        return arms, held

    def _sample_fingers(
        self, rng: np.random.Generator, mix: ViewMix, handedness: Handedness
    ) -> tuple[Held, FloatArray]:
        """Draw a finger pose (45,), and where an object lies in it."""
        if rng.random() < self._config.grasp_share:
            return self._arms.sample_grasp(rng, handedness)
        pose = self._arms.sample_finger_pose(rng, handedness)
        return Held.NOTHING, pose * rng.uniform(*_CURL[mix])

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


def shown_share(hand: HandTruth, meshes: list[SceneMesh], rig: StereoRig) -> float:
    """
    Return how much of a hand's outline shows before other things, 0..1, in the worse view.

    ``meshes`` are all that may hide it; the first is the hand itself.
    """
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)])
    shares = []
    for view in rig.views:
        camera = _crop(view, hand.keypoints, 1.3, np.zeros(2), _LOOK_SIZE)
        own = rasterize(camera.to_camera(hand.vertices), hand.faces, camera, num_threads=1)
        drawn = rasterize(camera.to_camera(vertices), faces, camera, num_threads=1)
        shown = (drawn.face_id != NO_FACE) & (drawn.face_id < len(hand.faces))
        shares.append(shown.sum() / max(int(own.mask.sum()), 1))
    return float(min(shares))


def _crop_rig(
    rng: np.random.Generator, rig: StereoRig, keypoints: FloatArray, size: int
) -> StereoRig:
    """Return the cameras of square crops around the hand, as the tracker cuts them."""
    margin = rng.uniform(*_CROP_MARGIN)
    shift = rng.uniform(-0.08, 0.08, 2)

    return StereoRig(*(_crop(view, keypoints, margin, shift, size) for view in rig.views))


def _crop(
    camera: PinholeCamera, keypoints: FloatArray, margin: float, shift: FloatArray, size: int
) -> PinholeCamera:
    """Return the camera of a square crop ``margin`` times as wide as the keypoints' box."""
    pixels = camera.project(keypoints)
    low, high = pixels.min(0), pixels.max(0)
    side = float((high - low).max()) * margin
    corner = (low + high) / 2 + shift * side - side / 2
    scale = size / side
    # The middle of the crop's first pixel shows what is half a crop pixel inside its edge.
    offset = -scale * corner - 0.5
    return camera.cropped([[scale, 0, offset[0]], [0, scale, offset[1]]], size, size)
