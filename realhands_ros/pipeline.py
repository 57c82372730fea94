"""
The stages in a row, without ROS: images in; observations, regressed and refined meshes out.

The nodes run the same four objects, one each; replay, evaluation and the command line run them
here, so that offline figures and the live system cannot drift apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TypeVar

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandObservation, HandTexture
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.handnet.stage import HandNetStage, HandNetStageConfig, RejectedHand
from realhands_ros.keypoints.stage import KeypointStage, KeypointStageConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage
from realhands_ros.texture.stage import TextureStage, TextureStageConfig

T = TypeVar('T')


@dataclass(frozen=True)
class PipelineConfig:
    """
    Which stages run, and how.

    ``refinement`` None leaves the refinement out, ``texture`` None the texture. The crops' size,
    margin and turn of ``keypoints`` are superseded by what the network's weights expect, and the
    texture's model folder by the network's.
    """

    keypoints: KeypointStageConfig = field(default_factory=KeypointStageConfig)
    handnet: HandNetStageConfig = field(default_factory=HandNetStageConfig)
    refinement: RefinementConfig | None = field(default_factory=RefinementConfig)
    texture: TextureStageConfig | None = None


@dataclass(frozen=True, eq=False)
class FrameResult:
    """
    Everything that one frame gave, stage by stage.

    ``latency_ms``: the time of each stage by its name, in the order of running. ``rejected``:
    observations that gave no mesh, and why. ``refined`` and ``textures``, one a mesh, are empty
    where these stages do not run.
    """

    stamp_ns: int
    frame_id: str
    observations: tuple[HandObservation, ...]
    regressed: tuple[HandMesh, ...]
    refined: tuple[HandMesh, ...]
    rejected: tuple[RejectedHand, ...]
    latency_ms: dict[str, float]
    textures: tuple[HandTexture, ...] = ()

    @property
    def meshes(self) -> tuple[HandMesh, ...]:
        """Return the best meshes there are: refined ones where the refinement runs."""
        return self.refined or self.regressed


@dataclass(frozen=True, eq=False)
class ReconstructedHands:
    """What network and refinement made of one frame's observations; see FrameResult."""

    regressed: tuple[HandMesh, ...]
    refined: tuple[HandMesh, ...]
    rejected: tuple[RejectedHand, ...]
    latency_ms: dict[str, float]

    @property
    def meshes(self) -> tuple[HandMesh, ...]:
        """Return the best meshes there are: refined ones where the refinement runs."""
        return self.refined or self.regressed


class HandReconstruction:
    """Network and refinement in a row: observations of hands to meshes, frame by frame."""

    def __init__(self, handnet: HandNetStageConfig, refinement: RefinementConfig | None) -> None:
        """Build the stages; raises what they raise when models or weights cannot be used."""
        self.handnet = HandNetStage(handnet)
        self.model_folder = handnet.model_folder or default_model_folder()
        self.refinement: RefinementStage | None = None
        if refinement is not None:
            data = load_hand_model_data(self.model_folder, 'right')
            self.refinement = RefinementStage(data, refinement)
        self._last: dict[str, HandMesh] = {}

    def reconstruct(
        self, observations: Sequence[HandObservation], cameras: Sequence[PinholeCamera]
    ) -> ReconstructedHands:
        """Run both stages on the hands of one frame; ``cameras`` are those of their views."""
        clock = _StageClock()
        found = clock.run('handnet', lambda: self.handnet(observations, cameras))
        refined: tuple[HandMesh, ...] = ()
        if (stage := self.refinement) is not None:
            refined = clock.run(
                'refinement',
                lambda: tuple(
                    stage(mesh, cameras, self._last.get(mesh.id)) for mesh in found.meshes
                ),
            )
        self._last = {mesh.id: mesh for mesh in refined or found.meshes}
        return ReconstructedHands(found.meshes, refined, found.rejected, clock.latency_ms)

    def reset(self) -> None:
        """Forget the hands of the last frame."""
        self._last = {}


class HandPipeline:
    """From the images of one camera to meshes, frame by frame; a context manager."""

    def __init__(self, config: PipelineConfig | None = None) -> None:
        """Build the stages; raises what they raise when models or weights cannot be used."""
        self.config = config or PipelineConfig()
        self._hands = HandReconstruction(self.config.handnet, self.config.refinement)
        self.keypoints = KeypointStage(
            replace(
                self.config.keypoints,
                crop_size=self._hands.handnet.input_size,
                crop_margin=self._hands.handnet.crop_margin,
                crop_upright=self._hands.handnet.crop_upright,
            )
        )
        self.texture: TextureStage | None = None
        if self.config.texture is not None:
            self.texture = TextureStage(
                replace(self.config.texture, model_folder=self._hands.model_folder)
            )

    @property
    def handnet(self) -> HandNetStage:
        """Return the network's stage."""
        return self._hands.handnet

    def __call__(self, frame: StereoFrame) -> FrameResult:
        """Run all stages on one frame."""
        clock = _StageClock()
        observations = clock.run('keypoints', lambda: self.keypoints(frame))
        found = self.reconstruct(observations, frame.cameras)
        clock.latency_ms |= found.latency_ms
        textures: tuple[HandTexture, ...] = ()
        if (stage := self.texture) is not None:
            textures = clock.run('texture', lambda: stage(found.meshes, frame.cameras))
        self.keypoints.remember(found.meshes, frame.stamp_ns)
        self.keypoints.look_ahead()
        return FrameResult(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            observations=observations,
            regressed=found.regressed,
            refined=found.refined,
            rejected=found.rejected,
            latency_ms=clock.latency_ms,
            textures=textures,
        )

    def reconstruct(
        self, observations: Sequence[HandObservation], cameras: Sequence[PinholeCamera]
    ) -> ReconstructedHands:
        """Run network and refinement on the hands of one frame, observed by whatever means."""
        return self._hands.reconstruct(observations, cameras)

    def reset(self) -> None:
        """Forget all hands, though not their skin: for another film or a jump in time."""
        self._hands.reset()
        self.keypoints.reset()

    def close(self) -> None:
        """Free models and threads."""
        self.keypoints.close()

    def __enter__(self) -> HandPipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _StageClock:
    """Measures how long each stage takes."""

    def __init__(self) -> None:
        self.latency_ms: dict[str, float] = {}

    def run(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.latency_ms[stage] = 1e3 * (time.perf_counter() - start)
        return result
