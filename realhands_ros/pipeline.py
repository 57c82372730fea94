"""
The stages in a row, without ROS: images in; observations, regressed and refined meshes out.

The nodes run the same four objects, one each; replay, evaluation and the command line run them
here, so that offline figures and the live system cannot drift apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TypeVar

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandObservation, HandTexture
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

    ``refinement`` None leaves the refinement out, ``texture`` None the texture. The crops' size
    and margin of ``keypoints`` are superseded by what the network's weights expect, and the
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


class HandPipeline:
    """From the images of one camera to meshes, frame by frame; a context manager."""

    def __init__(self, config: PipelineConfig | None = None) -> None:
        """Build the stages; raises what they raise when models or weights cannot be used."""
        self.config = config or PipelineConfig()
        self.handnet = HandNetStage(self.config.handnet)
        self.keypoints = KeypointStage(
            replace(
                self.config.keypoints,
                crop_size=self.handnet.input_size,
                crop_margin=self.handnet.crop_margin,
            )
        )
        folder = self.config.handnet.model_folder or default_model_folder()
        self.refinement: RefinementStage | None = None
        if self.config.refinement is not None:
            data = load_hand_model_data(folder, 'right')
            self.refinement = RefinementStage(data, self.config.refinement)
        self.texture: TextureStage | None = None
        if self.config.texture is not None:
            self.texture = TextureStage(replace(self.config.texture, model_folder=folder))
        self._last: dict[str, HandMesh] = {}

    def __call__(self, frame: StereoFrame) -> FrameResult:
        """Run all stages on one frame."""
        clock = _StageClock()
        observations = clock.run('keypoints', lambda: self.keypoints(frame))
        found = clock.run('handnet', lambda: self.handnet(observations, frame.cameras))
        refined: tuple[HandMesh, ...] = ()
        if self.refinement is not None:
            refined = clock.run('refinement', lambda: self._refine(found.meshes, frame))
        meshes = refined or found.meshes
        textures: tuple[HandTexture, ...] = ()
        if (stage := self.texture) is not None:
            textures = clock.run('texture', lambda: stage(meshes, frame.cameras))
        self._last = {mesh.id: mesh for mesh in meshes}
        self.keypoints.remember(meshes, frame.stamp_ns)
        self.keypoints.look_ahead()
        return FrameResult(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            observations=observations,
            regressed=found.meshes,
            refined=refined,
            rejected=found.rejected,
            latency_ms=clock.latency_ms,
            textures=textures,
        )

    def reset(self) -> None:
        """Forget all hands, though not their skin: for another film or a jump in time."""
        self._last = {}
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

    def _refine(self, meshes: tuple[HandMesh, ...], frame: StereoFrame) -> tuple[HandMesh, ...]:
        assert self.refinement is not None
        return tuple(
            self.refinement(mesh, frame.cameras, self._last.get(mesh.id)) for mesh in meshes
        )


class _StageClock:
    """Measures how long each stage takes."""

    def __init__(self) -> None:
        self.latency_ms: dict[str, float] = {}

    def run(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.latency_ms[stage] = 1e3 * (time.perf_counter() - start)
        return result
