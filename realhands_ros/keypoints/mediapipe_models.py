"""
MediaPipe's two hand models out of its wheel, each as a function of one small picture.

MediaPipe's own hand graph hides which hand it follows where. Here only the models run; which
regions of the image they look at is decided outside (regions.py, mediapipe_detector.py), so a
region may come from the other camera, or from the mesh of the last frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from google.protobuf import text_format  # type: ignore[import-untyped]
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.hand.topology import NUM_KEYPOINTS
from realhands_ros.openvino_runtime import infer_request, load_openvino

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
LandmarkBackend = Literal['auto', 'mediapipe', 'openvino']
# The landmark model's four outputs for a picture, flat and in the model's order.
_Run = Callable[[Image], tuple[NDArray[np.floating[Any]], ...]]

PALM_INPUT_SIZE = 192
LANDMARK_INPUT_SIZE = 224

_VARIANTS = {0: 'lite', 1: 'full'}
_UNUSABLE = (
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

    def __init__(self, complexity: int = 1, backend: LandmarkBackend = 'auto') -> None:
        """
        Load it; ConfigError when the wheel has no such model.

        'auto' computes it with OpenVINO where that is installed: the same numbers, sooner.
        """
        model = f'hand_landmark/hand_landmark_{_variant(complexity)}'
        if backend == 'auto':
            backend = 'openvino' if util.find_spec('openvino') else 'mediapipe'
        self._graph: _Graph | None = None
        if backend == 'mediapipe':
            self._graph = _Graph(_landmark_graph(model))
        self._run = _openvino_runner(model) if self._graph is None else _graph_runner(self._graph)

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


_LANDMARK_OUTPUTS = ('points', 'presence', 'left_in_mirror', 'world')


def _landmark_graph(model: str) -> str:
    streams = ' '.join(f'output_stream: "{name}_tensor"' for name in _LANDMARK_OUTPUTS)
    ranges = ' '.join(f'ranges {{ begin: {i} end: {i + 1} }}' for i in range(4))
    split = (
        f'node {{ calculator: "SplitTensorVectorCalculator" input_stream: "tensors" {streams} '
        f'options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }} }}'
    )
    floats = [_FLOATS.format(name=name) for name in _LANDMARK_OUTPUTS]
    head = _INPUT.format(size=LANDMARK_INPUT_SIZE, model=model, resolver='')
    return '\n'.join([head, split, *floats])


def _graph_runner(graph: _Graph) -> _Run:
    def run(picture: Image) -> tuple[NDArray[np.floating[Any]], ...]:
        found = graph(picture)
        return tuple(np.array(found[name]) for name in _LANDMARK_OUTPUTS)

    return run


def _openvino_runner(model: str) -> _Run:
    try:
        network = load_openvino().Core().read_model(str(_model_file(model)))
        # Half precision moves the points of doubtful hands by pixels.
        request = infer_request(network, threads=1, precision='f32')
    except RuntimeError as error:
        raise ConfigError(_UNUSABLE.format(error=error)) from error

    def run(picture: Image) -> tuple[NDArray[np.floating[Any]], ...]:
        request.infer([picture[None] / np.float32(255)])
        outputs = range(len(_LANDMARK_OUTPUTS))
        return tuple(request.get_output_tensor(i).data.ravel().copy() for i in outputs)

    return run


def _model_file(model: str) -> Path:
    """Return the path of a model in MediaPipe's wheel; ConfigError when there is none."""
    found = util.find_spec('mediapipe')
    folders = [] if found is None else [Path(f) for f in found.submodule_search_locations or ()]
    for folder in folders:
        if (path := folder / 'modules' / f'{model}.tflite').is_file():
            return path
    raise ConfigError(_UNUSABLE.format(error=f'there is no {model}.tflite'))


class Palm(NamedTuple):
    """A palm: ``box`` (2, 2) corners and ``keypoints`` (7, 2), relative to the picture's side."""

    box: FloatArray
    keypoints: FloatArray
    score: float


class PalmModel:
    """Finds palms anywhere in a picture."""

    def __init__(self, complexity: int = 1, least_score: float = 0.5) -> None:
        """Load it; ConfigError when the wheel has no such model."""
        model = f'palm_detection/palm_detection_{_variant(complexity)}'
        self._least_score = least_score
        resolver = 'input_side_packet: "OP_RESOLVER:resolver"'
        head = _INPUT.format(size=PALM_INPUT_SIZE, model=model, resolver=resolver)
        self._graph = _Graph('\n'.join([_RESOLVER, head, _palm_decoding(least_score)]))

    def __call__(self, picture: Image) -> list[Palm]:
        """Return the palms in a picture (192, 192, 3) uint8 RGB, the most certain first."""
        palms = [_palm(detection) for detection in self._graph(picture).get('palms') or ()]
        return sorted(palms, key=lambda palm: -palm.score)

    def close(self) -> None:
        """Free the model."""
        self._graph.close()


class _Graph:
    """A MediaPipe graph from an ``image`` to its output streams."""

    def __init__(self, text: str) -> None:
        try:
            from mediapipe.framework import calculator_pb2
            from mediapipe.python.solution_base import SolutionBase

            config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
            self._solution = SolutionBase(graph_config=config)
        except (ImportError, RuntimeError, ValueError, FileNotFoundError) as error:
            raise ConfigError(_UNUSABLE.format(error=error)) from error
        self._outputs = tuple(config.output_stream)

    def __call__(self, picture: Image) -> Mapping[str, Any]:
        result = self._solution.process({'image': np.ascontiguousarray(picture)})
        return {name: getattr(result, name) for name in self._outputs}

    def close(self) -> None:
        self._solution.close()


def _variant(complexity: int) -> str:
    if complexity not in _VARIANTS:
        message = f'model_complexity is {complexity}; use 0 (lite) or 1 (full)'
        raise ConfigError(message)
    return _VARIANTS[complexity]


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


def _palm(detection: Any) -> Palm:
    place = detection.location_data
    box = place.relative_bounding_box
    low = np.array([box.xmin, box.ymin])
    return Palm(
        box=np.stack([low, low + [box.width, box.height]]),
        keypoints=np.array([[point.x, point.y] for point in place.relative_keypoints]),
        score=float(detection.score[0]),
    )
