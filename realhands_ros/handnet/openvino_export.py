"""The network compiled ahead for OpenVINO, with 8-bit convolutions where it is calibrated."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.compiled_network import write_compiled
from realhands_ros.handnet.inference import InferenceGraph, openvino_model
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.weights_info import WeightsInfo
from realhands_ros.openvino_runtime import has_openvino
from realhands_ros.training.batch import TrainingBatch

# Rotations and metres need more digits than 8 bits have, and so do the keypoints' coordinates,
# which may be NaN besides: what prepares the inputs lies outside of the network's modules and has
# names of its own.
_IN_FLOAT = ['.*regressor.*', '.*stereo.*', '^aten::.*', '^Multiply_.*']


def export_openvino(
    network: HandNet,
    info: WeightsInfo,
    path: Path,
    calibration: Iterable[TrainingBatch] = (),
) -> None:
    """
    Write InferenceGraph to ``path`` (.xml and .bin), for any number of crops.

    With ``calibration``, crops as the running system sees them, the convolutions compute in 8-bit
    integers whose ranges are those that occur there (post-training quantisation by NNCF). Raises
    ConfigError when OpenVINO or NNCF is missing or the files cannot be written.
    """
    batches = [_arguments(batch) for batch in calibration]
    _require(quantises=bool(batches))
    model = openvino_model(InferenceGraph(network).eval())
    write_compiled(_quantised(model, batches) if batches else model, info, path)


def _require(*, quantises: bool) -> None:
    missing = [] if has_openvino() else ['openvino']
    if quantises and importlib.util.find_spec('nncf') is None:
        missing.append('nncf')
    if missing:
        message = f'to compile the network: `pip install {" ".join(missing)}`'
        raise ConfigError(message)


def _arguments(batch: TrainingBatch) -> tuple[np.ndarray[Any, Any], ...]:
    tensors = batch.image, batch.keypoints_px, batch.world, batch.half_angle
    return tuple(tensor.numpy() for tensor in tensors)


def _quantised(model: Any, batches: list[tuple[np.ndarray[Any, Any], ...]]) -> Any:
    import nncf

    return nncf.quantize(
        model,
        nncf.Dataset(batches),
        subset_size=len(batches),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(patterns=_IN_FLOAT, validate=False),
    )
