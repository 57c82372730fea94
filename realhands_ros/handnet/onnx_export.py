"""The network as an ONNX file, for other runtimes."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import torch

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.inference import InferenceGraph, example_arguments
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.prediction import INPUT_NAMES, Prediction

_OPSET = 18


def export_onnx(network: HandNet, path: Path | str) -> None:
    """
    Write InferenceGraph (its arguments, and the fields of Prediction) with any batch size.

    The file holds the weights in float32. Raises ConfigError when the onnx packages are missing or
    the file cannot be written.
    """
    missing = [name for name in ('onnx', 'onnxscript') if importlib.util.find_spec(name) is None]
    if missing:
        message = f'to export ONNX install what is missing: `pip install {" ".join(missing)}`'
        raise ConfigError(message)
    graph = InferenceGraph(network).eval()
    batch = torch.export.Dim('batch')
    with warnings.catch_warnings():
        # The exporter warns about its own use of torch.
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            graph,
            example_arguments(graph, 2),
            input_names=list(INPUT_NAMES),
            output_names=list(Prediction._fields),
            dynamic_shapes=tuple({0: batch} for _ in INPUT_NAMES),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    try:
        program.save(path, external_data=False)
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror or error}): choose another place'
        raise ConfigError(message) from error
