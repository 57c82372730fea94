"""
MediaPipe's two hand models out of its wheel, each as a function of one small picture.

MediaPipe's own hand graph hides which hand it follows where. Here only the models run; which
regions of the image they look at is decided outside (regions.py, mediapipe_detector.py), so a
region may come from the other camera, or from the mesh of the last frame.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.hand.topology import NUM_KEYPOINTS
from realhands_ros.keypoints.mediapipe_graphs import (
    LANDMARK_OUTPUTS,
    UNUSABLE,
    MediaPipeGraph,
    landmark_graph,
    palm_graph,
)
from realhands_ros.keypoints.palm_decoding import Palm, decode_palms
from realhands_ros.openvino_runtime import has_openvino, infer_request

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
# 'auto' computes a model with OpenVINO where that is installed: sooner, and nearly the same.
ModelBackend = Literal['auto', 'mediapipe', 'openvino']
# A model's outputs for a picture, in its order.
_Run = Callable[[Image], tuple[NDArray[np.floating[Any]], ...]]

_VARIANTS = {0: 'lite', 1: 'full'}


class HandReading(NamedTuple):
    """
    What the landmark model reads in one picture of 224 pixels.

    ``points`` (21, 2): pixels of the picture as MediaPipe counts them; ``world`` (21, 3): metres,
    in the axes of the picture; ``presence``: probability of a hand; ``right``: probability that it
    is a right one, the picture not being mirrored.
    """

    points: FloatArray
    world: FloatArray
    presence: float
    right: float


class LandmarkModel:
    """Reads the 21 keypoints of the one hand that fills the middle of a picture."""

    def __init__(self, complexity: int = 1, backend: ModelBackend = 'auto') -> None:
        """Load it; ConfigError when the wheel has no such model."""
        model = f'hand_landmark/hand_landmark_{_variant(complexity)}'
        self._graph: MediaPipeGraph | None = None
        if _chosen(backend) == 'openvino':
            self._run = _openvino_runner(model, len(LANDMARK_OUTPUTS))
        else:
            self._graph = MediaPipeGraph(landmark_graph(model))
            self._run = _landmark_runner(self._graph)

    def __call__(self, picture: Image) -> HandReading:
        """Return what the model reads in a picture (224, 224, 3) uint8 RGB."""
        points, presence, left_in_mirror, world = self._run(picture)
        return HandReading(
            points=np.array(points, np.float64).reshape(NUM_KEYPOINTS, 3)[:, :2],
            world=np.array(world, np.float64).reshape(NUM_KEYPOINTS, 3),
            presence=float(presence[0]),
            # MediaPipe means the hand in a mirror image; our images are not mirrored.
            right=float(left_in_mirror[0]),
        )

    def close(self) -> None:
        """Free the model."""
        if self._graph is not None:
            self._graph.close()


class PalmModel:
    """Finds palms anywhere in a picture."""

    def __init__(
        self, complexity: int = 1, least_score: float = 0.5, backend: ModelBackend = 'auto'
    ) -> None:
        """Load it; ConfigError when the wheel has no such model."""
        model = f'palm_detection/palm_detection_{_variant(complexity)}'
        self._least_score = least_score
        self._graph: MediaPipeGraph | None = None
        if _chosen(backend) == 'openvino':
            self._run = _openvino_runner(model, 2)
        else:
            self._graph = MediaPipeGraph(palm_graph(model, least_score))

    def __call__(self, picture: Image) -> list[Palm]:
        """Return the palms in a picture (192, 192, 3) uint8 RGB, the most certain first."""
        if self._graph is None:
            boxes, logits = self._run(picture)
            return decode_palms(boxes.reshape(len(logits), -1), logits, self._least_score)
        palms = [_palm(detection) for detection in self._graph(picture).get('palms') or ()]
        return sorted(palms, key=lambda palm: -palm.score)

    def close(self) -> None:
        """Free the model."""
        if self._graph is not None:
            self._graph.close()


def _variant(complexity: int) -> str:
    if complexity not in _VARIANTS:
        message = f'model_complexity is {complexity}; use 0 (lite) or 1 (full)'
        raise ConfigError(message)
    return _VARIANTS[complexity]


def _chosen(backend: ModelBackend) -> ModelBackend:
    if backend == 'auto':
        return 'openvino' if has_openvino() else 'mediapipe'
    return backend


def _landmark_runner(graph: MediaPipeGraph) -> _Run:
    def run(picture: Image) -> tuple[NDArray[np.floating[Any]], ...]:
        found = graph(picture)
        return tuple(np.array(found[name]) for name in LANDMARK_OUTPUTS)

    return run


def _openvino_runner(model: str, outputs: int) -> _Run:
    try:
        # Half precision, where the processor has it, takes two thirds of the time; it moves the
        # points of doubtful hands by pixels, less than the detector is wrong about them.
        request = infer_request(_model_file(model), threads=1)
    except RuntimeError as error:
        raise ConfigError(UNUSABLE.format(error=error)) from error

    # Written where the network reads it, a picture is not copied.
    shares = request.get_input_tensor(0).data[0]

    def run(picture: Image) -> tuple[NDArray[np.floating[Any]], ...]:
        np.divide(picture, np.float32(255), out=shares)
        request.infer(share_outputs=True)
        return tuple(request.get_output_tensor(i).data.ravel().copy() for i in range(outputs))

    return run


def _model_file(model: str) -> Path:
    """Return the path of a model in MediaPipe's wheel; ConfigError when there is none."""
    found = util.find_spec('mediapipe')
    folders = [] if found is None else [Path(f) for f in found.submodule_search_locations or ()]
    for folder in folders:
        if (path := folder / 'modules' / f'{model}.tflite').is_file():
            return path
    raise ConfigError(UNUSABLE.format(error=f'there is no {model}.tflite'))


def _palm(detection: Any) -> Palm:
    place = detection.location_data
    box = place.relative_bounding_box
    low = np.array([box.xmin, box.ymin])
    return Palm(
        box=np.stack([low, low + [box.width, box.height]]),
        keypoints=np.array([[point.x, point.y] for point in place.relative_keypoints]),
        score=float(detection.score[0]),
    )
