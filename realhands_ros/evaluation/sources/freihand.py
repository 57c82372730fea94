"""
Evaluation on FreiHAND, image by image, and the file that its challenge takes.

All hands of FreiHAND are right ones and fill their images: the hand nearest to the middle is
meant, and where MediaPipe finds none the network sees the whole image without keypoints.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandObservation
from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.data.truth import AnnotatedView, TrackedTruth, TrueHand
from realhands_ros.datasets.freihand import FreiHand, FreiHandPart, FreiHandSample, FreiHandSet
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.evaluation.baselines.simple import mean_hand
from realhands_ros.evaluation.evaluator import Columns, FrameEvaluator, Outcome, make_result
from realhands_ros.evaluation.replay import REFINED, REGRESSED
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.model_file import HandModelData, load_hand_model_data
from realhands_ros.keypoints.detection import ViewImage
from realhands_ros.keypoints.mediapipe_detector import MediaPipeDetector
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.pipeline import HandReconstruction, PipelineConfig
from realhands_ros.training.hand_source import Detection, ViewSample
from realhands_ros.training.observation import observe_views

# The file that FreiHAND's challenge takes.
#
# A zip file with ``pred.json`` in it: a list of two lists, the joints (21, 3) and the vertices
# (778, 3) of every image in the order of the set, metres in the camera's frame. Their fingertips
# are vertices 744, 320, 443, 555 and 672, of which the last two differ from ours.

# FreiHAND's fingertip vertices.
_TIPS = {'thumb': 744, 'index': 320, 'middle': 443, 'ring': 555, 'little': 672}
_TIP_KEYPOINTS = [KEYPOINT_NAMES.index(f'{finger}_tip') for finger in _TIPS]
_NAME = 'pred.json'
# Micrometres are enough, and make the file a third smaller.
_DIGITS = 6


class FreiHandExport:
    """Collects predictions; an image without one gets the mean hand."""

    def __init__(self, data: HandModelData) -> None:
        """Take the mean hand from a right hand model."""
        mean = mean_hand(data)
        assert mean.vertices is not None
        self._mean = mean.keypoints.astype(np.float32), mean.vertices.astype(np.float32)
        self._joints: list[NDArray[np.float32]] = []
        self._vertices: list[NDArray[np.float32]] = []

    def add(self, mesh: HandMesh | None) -> None:
        """Add the next image's mesh, or None."""
        keypoints, vertices = self._mean
        if mesh is not None:
            keypoints = np.asarray(mesh.keypoints_cam, np.float32)
            vertices = np.asarray(mesh.vertices_cam, np.float32)
        joints = keypoints.copy()
        joints[_TIP_KEYPOINTS] = vertices[list(_TIPS.values())]
        self._joints.append(joints)
        self._vertices.append(vertices)

    def write(self, path: Path) -> None:
        """Write the zip file; DatasetError when that is not possible."""
        content = [_rounded(self._joints), _rounded(self._vertices)]
        try:
            with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(_NAME, json.dumps(content))
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror or error})'
            raise DatasetError(message) from error


def _rounded(arrays: list[NDArray[np.float32]]) -> list[list[list[float]]]:
    # Rounded as float64: float32 would be printed with all the digits of its double.
    return [np.round(array.astype(np.float64), _DIGITS).tolist() for array in arrays]


_DETECTION_CONFIDENCE = 0.3


@dataclass(frozen=True)
class FreiHandSource:
    """
    Which images are evaluated.

    ``name`` and ``part`` as FreiHand has them; of the training set only the images before the
    first background are taken. ``samples``: at most so many.
    """

    root: Path
    name: FreiHandSet = 'evaluation'
    part: FreiHandPart = 'all'
    samples: int | None = None


def evaluate_freihand(
    source: FreiHandSource,
    config: PipelineConfig,
    about: Mapping[str, Any],
    export: Path | None = None,
) -> EvaluationResult:
    """
    Reconstruct each image and return the result; with ``export`` write the challenge's zip file.

    Raises DatasetError when the dataset is missing or damaged, ConfigError for a number of samples
    below one, or for an export that would not be whole.
    """
    if source.samples is not None and (source.samples < 1 or export is not None):
        message = (
            f'samples is {source.samples}: give at least one, and leave it out for --export, '
            'which needs every image'
        )
        raise ConfigError(message)
    dataset = FreiHand(
        source.root, name=source.name, part=source.part, versions=(0,), with_vertices=True
    )
    count = min(len(dataset), source.samples or len(dataset))
    reader = _Reader(config)
    predictions = FreiHandExport(reader.data)
    start, stopped = time.perf_counter(), None
    try:
        for index in tqdm(range(count), unit='image', dynamic_ncols=True):
            predictions.add(reader.take(dataset[index]))
    except KeyboardInterrupt:
        stopped = 'it was interrupted'
    finally:
        reader.close()
    if export is not None and stopped is None:
        predictions.write(export)
    about = {
        **about,
        'source': f'{source.root}, {source.name}, {source.part}',
        'views': 'mono',
        'truth': 'yes' if reader.evaluator.has_truth else 'none',
        'not found by MediaPipe': reader.missed,
    }
    elapsed = time.perf_counter() - start
    return make_result(reader.outcome(), about, stopped, elapsed, skipped=0)


class _Reader:
    """The stages, and the scores of the images so far."""

    def __init__(self, config: PipelineConfig) -> None:
        self._hands = HandReconstruction(config.handnet, config.refinement)
        self._handnet = self._hands.handnet
        self._crop = CropConfig(
            self._handnet.input_size, self._handnet.crop_margin, self._handnet.crop_upright
        )
        folder = self._hands.model_folder
        self.data = load_hand_model_data(folder, 'right')
        self._titles = {REGRESSED: REGRESSED}
        if config.refinement is not None:
            self._titles[REFINED] = REFINED
        self._detector = MediaPipeDetector(
            detection_confidence=_DETECTION_CONFIDENCE, still_images=True
        )
        self.evaluator = FrameEvaluator(
            tuple(self._titles),
            {'right': self.data.faces, 'left': load_hand_model_data(folder, 'left').faces},
        )
        self._timing = Columns()
        self.missed = self._rejected = 0

    def take(self, sample: FreiHandSample) -> HandMesh | None:
        """Reconstruct and score one image; return the mesh, None if there is none."""
        height, width = sample.image.shape[:2]
        camera = PinholeCamera(sample.intrinsics, width, height)
        pixels = np.ascontiguousarray(sample.image[..., ::-1])
        frame = StereoFrame(sample.unique, 'camera', (pixels,), (camera,))
        start = time.perf_counter()
        observation = self._observe(sample, camera)
        latency_ms = {'keypoints': 1e3 * (time.perf_counter() - start)}
        self._hands.reset()
        found = self._hands.reconstruct([observation], (camera,))
        self._rejected += not found.regressed
        meshes: dict[str, Sequence[HandMesh]] = {REGRESSED: found.regressed}
        if REFINED in self._titles:
            meshes[REFINED] = found.refined
        self._timing.add(latency_ms | found.latency_ms)
        self.evaluator.add(frame, meshes, _truth(sample))
        final = meshes[list(self._titles)[-1]]
        return final[0] if final else None

    def outcome(self) -> Outcome:
        """Return the scores so far."""
        return Outcome(self.evaluator, self._titles, self._timing, self._rejected)

    def close(self) -> None:
        """Free the detector."""
        self._detector.close()

    def _observe(self, sample: FreiHandSample, camera: PinholeCamera) -> HandObservation:
        middle = np.array([camera.width - 1, camera.height - 1]) / 2
        hands = self._detector.detect(ViewImage(sample.image[..., ::-1]))
        nearest = min(
            hands,
            key=lambda hand: float(np.linalg.norm(hand.keypoints_px.mean(axis=0) - middle)),
            default=None,
        )
        self.missed += nearest is None
        detection = None if nearest is None else Detection(nearest.keypoints_px, nearest.world)
        view = ViewSample(sample.image, camera, detection=detection)
        observed = observe_views([view], 'right', self._crop, fills_image=True)
        # Each image has its own identity: the images are no sequence.
        return replace(observed, id=str(sample.unique))


def _truth(sample: FreiHandSample) -> tuple[TrackedTruth, ...] | None:
    if sample.keypoints is None:
        return None
    # The pose is left out: it belongs to MANO, and the hand model may be another one.
    hand = TrueHand('right', sample.keypoints, sample.vertices)
    annotations: tuple[AnnotatedView, ...] = ()
    if sample.mask is not None:
        height, width = sample.image.shape[:2]
        camera = PinholeCamera(sample.intrinsics, width, height)
        annotations = (AnnotatedView(camera.project(sample.keypoints), sample.mask),)
    return (TrackedTruth(str(sample.unique), 'right', hand, annotations),)
