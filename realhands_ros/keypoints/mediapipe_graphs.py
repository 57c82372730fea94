"""The two hand models as graphs of MediaPipe's own, for machines without OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.palm_decoding import PALM_INPUT_SIZE

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
