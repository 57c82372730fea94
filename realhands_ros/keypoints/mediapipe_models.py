"""
MediaPipe's two hand models out of its wheel, each as a function of one small picture.

MediaPipe's own hand graph hides which hand it follows where. Here only the models run; which
regions of the image they look at is decided outside (keypoints/mediapipe_detector.py), so a
region may come from the other camera, or from the mesh of the last frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import ConfigError
from realhands_ros.openvino_runtime import has_openvino, infer_request

# From the palm model's numbers to palms: anchors, and suppression of what overlaps.
#
# The same as MediaPipe's SsdAnchorsCalculator, TensorsToDetectionsCalculator and
# NonMaxSuppressionCalculator with the options of its palm detector; a test holds them together.


PALM_INPUT_SIZE = 192

# Cells of the model's two grids along the picture's side, and its anchors in each cell.
_GRIDS = ((24, 2), (12, 6))
_MOST_OVERLAP = 0.3


class Palm(NamedTuple):
    """A palm: ``box`` (2, 2) corners and ``keypoints`` (7, 2), relative to the picture's side."""

    box: FloatArray
    keypoints: FloatArray
    score: float


def decode_palms(
    boxes: NDArray[np.float32], logits: NDArray[np.float32], least_score: float
) -> list[Palm]:
    """
    Return the palms of the model's outputs, the most certain first.

    ``boxes`` (2016, 18): centre, size and keypoints in pixels of the picture, relative to the
    anchors; ``logits`` (2016,) of their scores.
    """
    chosen = np.flatnonzero(logits >= logit(least_score))
    chosen = chosen[np.argsort(-logits[chosen], kind='stable')]
    scores = expit(logits[chosen].astype(np.float64))
    points = boxes[chosen].astype(np.float64).reshape(-1, 9, 2) / PALM_INPUT_SIZE
    half_size = points[:, 1] / 2
    points = points + _anchors()[chosen, None]
    corners = np.stack([points[:, 0] - half_size, points[:, 0] + half_size], axis=1)
    return _suppressed(np.concatenate([corners, points[:, 2:]], axis=1), scores)


@lru_cache(maxsize=1)
def _anchors() -> FloatArray:
    """Return the anchors' places (2016, 2), relative to the picture's side."""
    layers = []
    for cells, anchors in _GRIDS:
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing='ij')
        layers.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(anchors, axis=0))
    return np.concatenate(layers)


def _suppressed(points: FloatArray, scores: FloatArray) -> list[Palm]:
    """
    Merge detections (N, 9, 2), corners and keypoints, that overlap; the best of them come first.

    The merged one is their mean, weighted by the scores.
    """
    palms = []
    while len(points):
        overlapping = _overlap(points[0, :2], points[:, :2]) > _MOST_OVERLAP
        overlapping[0] = True
        merged = np.average(points[overlapping], axis=0, weights=scores[overlapping])
        palms.append(Palm(merged[:2], merged[2:], float(scores[0])))
        points, scores = points[~overlapping], scores[~overlapping]
    return palms


def _overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return the intersection over union of one box (2, 2) with others (N, 2, 2)."""
    low, high = np.maximum(box[0], boxes[:, 0]), np.minimum(box[1], boxes[:, 1])
    common = np.maximum(high - low, 0.0).prod(axis=1)
    union = (box[1] - box[0]).prod() + (boxes[:, 1] - boxes[:, 0]).prod(axis=1) - common
    return np.where(union > 0, common / np.where(union > 0, union, 1.0), 0.0)


# The two hand models as graphs of MediaPipe's own, for machines without OpenVINO.

LANDMARK_INPUT_SIZE = 224
# The landmark model's outputs in their order.
LANDMARK_OUTPUTS = ('points', 'presence', 'left_in_mirror', 'world')

UNUSABLE = (
    'the hand models of mediapipe cannot be used ({error}): install mediapipe==0.10.21, the last '
    'one that carries them, or give a task_file'
)

_INPUT = """
input_stream: "image"
node {{
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  output_stream: "TENSORS:picture"
  options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
    output_tensor_width: {size} output_tensor_height: {size}
    output_tensor_float_range {{ min: 0 max: 1 }}
  }} }}
}}
node {{
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:picture"
  output_stream: "TENSORS:tensors"
  {resolver}
  options {{ [mediapipe.InferenceCalculatorOptions.ext] {{
    model_path: "mediapipe/modules/{model}.tflite"
    delegate {{ xnnpack {{ num_threads: 1 }} }}
  }} }}
}}
"""

_FLOATS = """
output_stream: "{name}"
node {{
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:{name}_tensor"
  output_stream: "FLOATS:{name}"
}}
"""

_RESOLVER = """
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:resolver" }
"""


class MediaPipeGraph:
    """A graph from an ``image`` to its output streams."""

    def __init__(self, text: str) -> None:
        """Start it; ConfigError when it cannot be."""
        try:
            from google.protobuf import text_format  # type: ignore[import-untyped]
            from mediapipe.framework import calculator_pb2
            from mediapipe.python.solution_base import SolutionBase

            config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
            self._solution = SolutionBase(graph_config=config)
        except (ImportError, RuntimeError, ValueError, FileNotFoundError) as error:
            raise ConfigError(UNUSABLE.format(error=error)) from error
        self._outputs = tuple(config.output_stream)

    def __call__(self, picture: NDArray[np.uint8]) -> Mapping[str, Any]:
        """Return what comes out of it, by the names of its streams, for a picture in RGB."""
        result = self._solution.process({'image': np.ascontiguousarray(picture)})
        return {name: getattr(result, name) for name in self._outputs}

    def close(self) -> None:
        """End it."""
        self._solution.close()


def landmark_graph(model: str) -> str:
    """Return the graph of a landmark model (its path below modules, without ending)."""
    streams = ' '.join(f'output_stream: "{name}_tensor"' for name in LANDMARK_OUTPUTS)
    ranges = ' '.join(f'ranges {{ begin: {i} end: {i + 1} }}' for i in range(4))
    split = (
        f'node {{ calculator: "SplitTensorVectorCalculator" input_stream: "tensors" {streams} '
        f'options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }} }}'
    )
    floats = [_FLOATS.format(name=name) for name in LANDMARK_OUTPUTS]
    head = _INPUT.format(size=LANDMARK_INPUT_SIZE, model=model, resolver='')
    return '\n'.join([head, split, *floats])


def palm_graph(model: str, least_score: float) -> str:
    """Return the graph of a palm model; its stream ``palms`` are detections."""
    resolver = 'input_side_packet: "OP_RESOLVER:resolver"'
    head = _INPUT.format(size=PALM_INPUT_SIZE, model=model, resolver=resolver)
    return '\n'.join([_RESOLVER, head, _palm_decoding(least_score)])


def _palm_decoding(least_score: float) -> str:
    """Return the nodes that decode the palm model's anchors; the numbers are the model's own."""
    return f"""
output_stream: "palms"
node {{
  calculator: "SsdAnchorsCalculator"
  output_side_packet: "anchors"
  options {{ [mediapipe.SsdAnchorsCalculatorOptions.ext] {{
    input_size_width: {PALM_INPUT_SIZE} input_size_height: {PALM_INPUT_SIZE}
    num_layers: 4 strides: [8, 16, 16, 16] aspect_ratios: 1.0 fixed_anchor_size: true
    min_scale: 0.1484375 max_scale: 0.75 anchor_offset_x: 0.5 anchor_offset_y: 0.5
  }} }}
}}
node {{
  calculator: "TensorsToDetectionsCalculator"
  input_stream: "TENSORS:tensors"
  input_side_packet: "ANCHORS:anchors"
  output_stream: "DETECTIONS:candidates"
  options {{ [mediapipe.TensorsToDetectionsCalculatorOptions.ext] {{
    num_classes: 1 num_boxes: 2016 num_coords: 18 keypoint_coord_offset: 4
    num_keypoints: 7 num_values_per_keypoint: 2 reverse_output_order: true
    x_scale: {PALM_INPUT_SIZE} y_scale: {PALM_INPUT_SIZE}
    w_scale: {PALM_INPUT_SIZE} h_scale: {PALM_INPUT_SIZE}
    sigmoid_score: true score_clipping_thresh: 100.0 min_score_thresh: {least_score}
  }} }}
}}
node {{
  calculator: "NonMaxSuppressionCalculator"
  input_stream: "candidates"
  output_stream: "palms"
  options {{ [mediapipe.NonMaxSuppressionCalculatorOptions.ext] {{
    min_suppression_threshold: 0.3 overlap_type: INTERSECTION_OVER_UNION algorithm: WEIGHTED
  }} }}
}}
"""


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
