"""
A stereo film of one person's hands in motion: from settings and a seed to the scene of each frame.

The rig stands still in a room. Everything but the movement is drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_SHAPE, Handedness
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.synthesis.arm_builder import Arm, ArmBuilder, sample_clothing
from realhands_ros.synthesis.backdrop import World, room
from realhands_ros.synthesis.camera_effects import sample_effects
from realhands_ros.synthesis.choreography import Visit, choreograph
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.generator import SHAPE_RANGE
from realhands_ros.synthesis.held_objects import fitted_object
from realhands_ros.synthesis.lighting import sample_lighting
from realhands_ros.synthesis.motion import HandMotion, HandState
from realhands_ros.synthesis.placement import HandPlacement, sample_up
from realhands_ros.synthesis.rigs import sample_rig
from realhands_ros.synthesis.scene import CameraEffects, HandTruth, Scene, SceneMesh
from realhands_ros.synthesis.skin import sample_skin
from realhands_ros.synthesis.working_volume import DEPTH_RANGE_M

FloatArray = NDArray[np.float64]

_HANDS: dict[int, tuple[Handedness, ...]] = {1: ('right',), 2: ('right', 'left')}
_EXPOSURE_S = (0.004, 0.012)


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """The scene of one frame, and the truth of all its hands, seen or not."""

    scene: Scene
    hands: tuple[HandTruth, ...]


class Film:
    """The frames of a film; frame ``index`` of the same settings is always the same."""

    def __init__(self, settings: FilmSettings) -> None:
        """Draw person, room, light and movement; ModelFileError or ConfigError if they lack."""
        sides = _HANDS[settings.hands]
        # A stream of its own for each hand: the others do not depend on how long it moves.
        streams = np.random.SeedSequence(settings.seed).spawn(1 + len(sides))
        rng, *hand_rngs = (np.random.default_rng(stream) for stream in streams)
        self._settings = settings
        self.rig = sample_rig(rng, settings.camera, settings.resolution)
        self._arms = ArmBuilder(settings.model_folder)
        folder = settings.model_folder or default_model_folder()
        self._skeleton = HandSkeleton.from_model(load_hand_model_data(folder, 'right'))
        up = sample_up(rng, 'egocentric')
        self._lighting = sample_lighting(rng, up)
        self._room = room(rng, World.with_up(up))
        self._skin, self._clothing = sample_skin(rng), sample_clothing(rng)
        self._shape = rng.uniform(-SHAPE_RANGE, SHAPE_RANGE, NUM_SHAPE)
        self._girth = rng.uniform(0.88, 1.2)
        self._exposure_s = rng.uniform(*_EXPOSURE_S)
        effects = sample_effects(rng, self._lighting, self.rig.left.intrinsics[0, 0])
        # The camera stands still, and the wrapper delivers what the sensor saw.
        self._effects = replace(effects, shake_px=np.zeros(2), jpeg_quality=None)
        self.motions: dict[Handedness, HandMotion] = {}
        self._held: dict[Handedness, list[tuple[Visit, list[SceneMesh]]]] = {}
        for side, hand_rng in zip(sides, hand_rngs, strict=True):
            self.motions[side], visits = choreograph(
                hand_rng,
                self.rig,
                side,
                settings.seconds,
                has_company=len(sides) > 1,
                motion=settings.motion,
            )
            self._held[side] = [
                (visit, self._fit_object(hand_rng, side, visit)) for visit in visits
            ]

    def time(self, index: int) -> float:
        """Return the time of a frame in seconds after the first."""
        return index / self._settings.rate

    def frame(self, index: int) -> FilmFrame:
        """Return frame ``index``."""
        time = self.time(index)
        arms = [
            self._arm(side, motion.at(time), is_main=number == 0)
            for number, (side, motion) in enumerate(self.motions.items())
        ]
        meshes = [mesh for arm in arms for mesh in arm.meshes]
        for side, motion in self.motions.items():
            meshes += self._objects(side, motion.at(time).placement, time)
        meshes += self._room
        hands = tuple(arm.truth for arm in arms)
        effects = self._frame_effects(index)
        scene = Scene(self.rig, tuple(meshes), self._lighting, effects, hands[0], 'egocentric')
        return FilmFrame(scene, hands)

    def _fit_object(
        self, rng: np.random.Generator, side: Handedness, visit: Visit
    ) -> list[SceneMesh]:
        """Return the meshes of an object, in the frame of a hand whose wrist is the origin."""
        towards = np.array([1.0, 0.0, 0.0])
        place = HandPlacement(np.eye(3), np.zeros(3), towards, towards)
        hand = self._arms.pose_hand(
            place, side, self._finger_pose(side, visit.fingers), self._shape
        )
        return fitted_object(rng, hand, visit.held)

    def _objects(self, side: Handedness, placement: HandPlacement, time: float) -> list[SceneMesh]:
        """Return what a hand holds at a time, in the rig's frame."""
        return [
            replace(
                mesh,
                vertices=mesh.vertices @ placement.rotation.T + placement.wrist,
                normals=mesh.normals @ placement.rotation.T,
            )
            for visit, meshes in self._held[side]
            if visit.start <= time < visit.end
            for mesh in meshes
        ]

    def _finger_pose(self, side: Handedness, fingers: FloatArray) -> FloatArray:
        """Return the finger pose (45,) of joint angles (15, 3)."""
        pose = self._skeleton.pose_from_angles(fingers)
        return mirror_axis_angle(pose) if side == 'left' else pose

    def _arm(self, side: Handedness, state: HandState, *, is_main: bool) -> Arm:
        return self._arms.build(
            state.placement,
            side,
            self._finger_pose(side, state.fingers),
            self._shape,
            self._skin,
            self._clothing,
            girth=self._girth,
            pixel_m=DEPTH_RANGE_M[0] / self.rig.left.intrinsics[0, 0],
            is_main=is_main,
        )

    def _frame_effects(self, index: int) -> CameraEffects:
        rng = np.random.default_rng([self._settings.seed, index])
        paths = [self._path_px(motion, self.time(index)) for motion in self.motions.values()]
        # The film has one blur for all hands: that of the slowest, lest a still hand be blurred.
        path = min(paths, key=lambda motion: float(np.linalg.norm(motion)))
        return replace(self._effects, motion_px=path, seed=int(rng.integers(2**31)))

    def _path_px(self, motion: HandMotion, time: float) -> FloatArray:
        """Return how far the wrist moves in the left image while the shutter is open, (2,)."""
        half = self._exposure_s / 2
        start, stop = (motion.at(t).placement.wrist for t in (time - half, time + half))
        return np.asarray(self.rig.left.project(stop) - self.rig.left.project(start))
