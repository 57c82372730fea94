"""
Start a network from MediaPipe's hand landmark network, which has seen real hands.

The installed wheel's ``hand_landmark_full.tflite`` (Apache-2.0, 2.7 M parameters) is an
EfficientNet-Lite0 at 224 pixels. Its convolutions, in their order, are those of the image head and
the tail of a network of the block kind ``inverted``; behind them it reads keypoints and world
landmarks off the averaged features by one matrix each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from realhands_ros.errors import WeightsError
from realhands_ros.handnet.network import HandNet
from realhands_ros.openvino_runtime import load_openvino

FloatArray = NDArray[np.float32]

_LANDMARK_MODEL = Path('modules') / 'hand_landmark' / 'hand_landmark_full.tflite'
_CONVOLUTIONS = ('Convolution', 'GroupConvolution')


class _Layer(NamedTuple):
    weight: FloatArray
    bias: FloatArray


def start_from_landmark_network(network: HandNet) -> None:
    """
    Copy MediaPipe's weights into image head and tail.

    Raises WeightsError when the network is of another plan, or the installed MediaPipe has no such
    model.
    """
    if network.config.block != 'inverted':
        message = (
            f'the network {network.config.name!r} has {network.config.block} blocks; only the '
            'plan `inverted` (size light) can start from the landmark network'
        )
        raise WeightsError(message)
    path = _landmark_model()
    layers = _layers(load_openvino().Core().read_model(path))
    own = [
        module
        for part in (network.image_head, network.tail)
        for module in part.modules()
        if isinstance(module, nn.Conv2d)
    ]
    fits = [module.weight.shape == layer.weight.shape for module, layer in zip(own, layers)]  # noqa: B905
    if len(own) != len(layers) or not all(fits):
        message = f'{path} has another plan than EfficientNet-Lite0: install mediapipe==0.10.21'
        raise WeightsError(message)
    with torch.no_grad():
        for module, layer in zip(own, layers, strict=True):
            module.weight.copy_(torch.from_numpy(layer.weight))
            assert module.bias is not None
            module.bias.copy_(torch.from_numpy(layer.bias))


PRETRAINED: dict[str, Callable[[HandNet], None]] = {'landmark': start_from_landmark_network}


def _landmark_model() -> Path:
    import mediapipe

    path = Path(mediapipe.__file__).parent / _LANDMARK_MODEL
    if not path.is_file():
        message = f'there is no {path}: install mediapipe==0.10.21, whose wheel has the model'
        raise WeightsError(message)
    return path


def _layers(model: Any) -> list[_Layer]:
    """Return the convolutions of an openvino.Model in their order of running."""
    layers = []
    for operation in model.get_ordered_ops():
        if operation.get_type_name() not in _CONVOLUTIONS:
            continue
        weight = _constant(operation.input_value(1).get_node())
        if operation.get_type_name() == 'GroupConvolution':
            # (groups, out of a group, in of a group, H, W) to PyTorch's (out, in of a group, H, W)
            weight = weight.reshape(-1, *weight.shape[2:])
        (following,) = operation.output(0).get_target_inputs()
        bias = _constant(following.get_node().input_value(1).get_node())
        layers.append(_Layer(np.ascontiguousarray(weight), bias.ravel()))
    return layers


def _constant(node: Any) -> FloatArray:
    """Return the value of a node that depends on constants only."""
    kind = node.get_type_name()
    if kind == 'Constant':
        # A copy: the model's own memory goes with it.
        return np.array(node.get_data(), copy=True)
    inputs = [_constant(node.input_value(i).get_node()) for i in range(node.get_input_size())]
    if kind == 'Convert':
        return inputs[0].astype(np.float32)
    if kind == 'Transpose':
        return np.transpose(inputs[0], inputs[1])
    if kind == 'Unsqueeze':
        return np.expand_dims(inputs[0], tuple(np.atleast_1d(inputs[1]).tolist()))
    if kind == 'Reshape':
        shape = [inputs[0].shape[i] if n == 0 else int(n) for i, n in enumerate(inputs[1])]
        return inputs[0].reshape(shape)
    message = f'the landmark network has a {kind} where a constant was expected'
    raise WeightsError(message)
