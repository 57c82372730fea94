"""Replay: the pipeline and the baselines over frames, one after the other, none dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import Handedness
from realhands_ros.data.truth import TrackedTruth
from realhands_ros.evaluation.baselines.inverse_kinematics import InverseKinematics
from realhands_ros.evaluation.baselines.simple import (
    ImageAlone,
    MeanShape,
    Triangulation,
    WorldLandmarks,
)
from realhands_ros.evaluation.evaluator import Columns, FrameEvaluator, Outcome
from realhands_ros.evaluation.methods import Method, Reconstruction, RefinementVariant
from realhands_ros.hand.model_file import HandModelData, default_model_folder, load_hand_model_data
from realhands_ros.handnet.stage import HandNetStage
from realhands_ros.pipeline import FrameResult, HandPipeline, PipelineConfig
from realhands_ros.refinement.stage import RefinementStage

# The baselines that an evaluation measures beside the pipeline, by their keys.

BASELINE_TITLES = {
    'mean_shape': 'mean shape and pose',
    'world_landmarks': "MediaPipe's world landmarks",
    'triangulation': 'MediaPipe, triangulated',
    'inverse_kinematics': 'inverse kinematics',
    'image_alone': 'network, image alone',
}


def make_baselines(
    models: dict[Handedness, HandModelData],
    handnet: HandNetStage,
    keys: Iterable[str] = tuple(BASELINE_TITLES),
) -> dict[str, Method]:
    """Return methods by their keys, some of BASELINE_TITLES (default: all)."""
    makers: dict[str, Callable[[], Method]] = {
        'mean_shape': lambda: MeanShape(models),
        'world_landmarks': WorldLandmarks,
        'triangulation': Triangulation,
        'inverse_kinematics': lambda: InverseKinematics(models),
        'image_alone': lambda: ImageAlone(handnet),
    }
    return {key: makers[key]() for key in keys}


# Replay: the pipeline over frames, one after the other, none dropped, and their scores.

REGRESSED, REFINED = 'regressed', 'refined'
_TITLES = {REGRESSED: 'regressed', REFINED: 'refined'}


@dataclass(frozen=True)
class ReplayConfig:
    """
    The pipeline that is replayed, and the methods that are evaluated beside it.

    ``variants``: further refinements of the same regressed meshes, for the ablation table; they
    do not influence the pipeline's later frames. ``baselines``: keys of BASELINE_TITLES, methods
    that are evaluated on the same observations where there is truth. ``independent_frames``: no
    state is carried from frame to frame, as for photographs.
    """

    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    variants: tuple[RefinementVariant, ...] = ()
    baselines: tuple[str, ...] = ()
    independent_frames: bool = False


@dataclass(frozen=True, eq=False)
class AnnotatedFrame:
    """A frame and its ground truth; None for a frame that is not annotated."""

    frame: StereoFrame
    truth: Sequence[TrackedTruth] | None


class Replay:
    """Runs frames through a pipeline and the variants; a context manager."""

    def __init__(self, config: ReplayConfig) -> None:
        """Build the stages; raises what they raise."""
        self._config = config
        self._pipeline = HandPipeline(config.pipeline)
        folder = config.pipeline.handnet.model_folder or default_model_folder()
        sides: tuple[Handedness, ...] = ('left', 'right')
        models = {side: load_hand_model_data(folder, side) for side in sides}
        self._variants = {
            variant.name: RefinementStage(models['right'], variant.config)
            for variant in config.variants
            if variant.config is not None
        }
        self._baselines = make_baselines(models, self._pipeline.handnet, config.baselines)
        self._last: dict[str, dict[str, HandMesh]] = {name: {} for name in self._variants}
        self.titles = self._titles()
        self.timing = Columns()
        self.rejected = 0
        self.evaluator = FrameEvaluator(
            tuple(self.titles),
            {side: data.faces for side, data in models.items()},
            tuple(self._baselines),
        )

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipeline.close()

    def run(self, frames: Iterator[AnnotatedFrame]) -> Iterator[FrameResult]:
        """Evaluate frames; yields the pipeline's result of each."""
        for seen in frames:
            if self._config.independent_frames:
                self._pipeline.reset()
            result = self._pipeline(seen.frame)
            self.timing.add(result.latency_ms)
            self.rejected += len(result.rejected)
            meshes = self._meshes(result, seen.frame)
            coverage = [{'coverage': texture.coverage} for texture in result.textures]
            found = None if seen.truth is None else self._reconstructions(result, seen.frame)
            self.evaluator.add(seen.frame, meshes, seen.truth, coverage, found)
            yield result

    def outcome(self) -> Outcome:
        """Return the scores so far; baselines are in them only if there was truth."""
        compared = self._baselines if self.evaluator.has_truth else ()
        titles = {key: BASELINE_TITLES[key] for key in compared} | self.titles
        return Outcome(self.evaluator, titles, self.timing, self.rejected)

    def _titles(self) -> dict[str, str]:
        """Return the stages in the order of the table, the pipeline's own last."""
        titles = {REGRESSED: _TITLES[REGRESSED]}
        titles |= {v.name: v.title for v in self._config.variants if v.config is not None}
        if self._config.pipeline.refinement is not None:
            titles[REFINED] = _TITLES[REFINED]
        return titles

    def _reconstructions(
        self, result: FrameResult, frame: StereoFrame
    ) -> dict[str, list[Reconstruction | None]]:
        """Return each baseline's reconstruction of the observations that have a mesh."""
        observations = {observation.id: observation for observation in result.observations}
        return {
            key: [method(observations[mesh.id], frame.cameras) for mesh in result.regressed]
            for key, method in self._baselines.items()
        }

    def _meshes(self, result: FrameResult, frame: StereoFrame) -> Mapping[str, Sequence[HandMesh]]:
        meshes: dict[str, Sequence[HandMesh]] = {REGRESSED: result.regressed}
        for name, stage in self._variants.items():
            last = self._last[name]
            refined = [stage(mesh, frame.cameras, last.get(mesh.id)) for mesh in result.regressed]
            self._last[name] = (
                {} if self._config.independent_frames else {mesh.id: mesh for mesh in refined}
            )
            meshes[name] = refined
        if self._config.pipeline.refinement is not None:
            meshes[REFINED] = result.refined
        return meshes
