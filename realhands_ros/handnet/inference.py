"""
The network made ready to run: one graph from crops and keypoints to plain arrays.

Three backends compute the same graph; benchmarks/handnet.py measures them. ``torch`` always works;
``compile`` needs a C++ compiler and a minute at the start; ``openvino`` is the fastest on CPUs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.compiled_network import openvino_runner
from realhands_ros.handnet.inputs import network_input
from realhands_ros.handnet.network import HandNet, HandNetInput
from realhands_ros.handnet.prediction import Backend, FloatArray, Prediction, Predictor
from realhands_ros.openvino_runtime import has_openvino, load_openvino


class InferenceGraph(nn.Module):
    """The network with its input stage in front, as one traceable module."""

    def __init__(self, network: HandNet, dtype: torch.dtype = torch.float32) -> None:
        """
        Copy a network and fold its batch normalisation into the convolutions before it.

        ``dtype`` is that of the convolutions; what makes rotations of them stays in float32.
        """
        super().__init__()
        self.network = fold_batch_norm(network).to(dtype)
        self.network.regressor.float()
        self.network.stereo.float()
        self._dtype = dtype

    def forward(
        self,
        image: torch.Tensor,
        keypoints_px: torch.Tensor,
        world: torch.Tensor,
        half_angle: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """
        Return the fields of Prediction.

        ``image`` (B, S, S, 3): RGB, 0..255, any type. ``keypoints_px`` (B, 21, 2) float32: pixels
        of the crop, NaN where unknown. ``world`` (B, 21, 3), ``half_angle`` (B,): see
        inputs.network_input.
        """
        chw = image.to(torch.float32).permute(0, 3, 1, 2) / 255.0
        inputs = network_input(self.network.config, chw, keypoints_px, world, half_angle)
        regression, logits = self.network(HandNetInput(*(x.to(self._dtype) for x in inputs)))
        assert logits is not None
        return (
            regression.rotations.root,
            regression.rotations.fingers_aa,
            regression.shape,
            regression.camera.scale,
            regression.camera.centre,
            self.network.stereo.logits(regression.base.float()),
            torch.sigmoid(logits[:, 0].float()),
        )


class TrainedNetwork(Predictor):
    """A predictor of a network's weights."""

    def __init__(
        self,
        network: HandNet,
        *,
        backend: Backend = 'auto',
        device: str = 'cpu',
        threads: int | None = None,
    ) -> None:
        """
        Prepare a network; ``auto`` is openvino on a CPU where it is installed, else torch.

        ``threads`` limits the backend's threads (None: all cores); torch's are those of the whole
        process. Raises ConfigError for a backend that is not there.
        """
        self.backend = _choose(backend, device)
        if self.backend == 'openvino':
            model = openvino_model(InferenceGraph(network).eval())
            run = openvino_runner(model, threads)
        else:
            dtype = torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
            graph = InferenceGraph(network, dtype).eval()
            if threads is not None:
                torch.set_num_threads(threads)
            run = _torch_runner(graph, device, compiled=self.backend == 'compile')
        super().__init__(network.config, run)


def fold_batch_norm(network: HandNet) -> HandNet:
    """Return a copy in evaluation mode whose convolutions contain their batch normalisation."""
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for i in range(len(module) - 1):
            first, second = module[i], module[i + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return folded


def example_arguments(graph: InferenceGraph, batch: int) -> tuple[torch.Tensor, ...]:
    """Return arguments of the right shapes for tracing."""
    size = graph.network.config.input_size
    keypoints = torch.rand(batch, 21, 2) * size
    return (
        torch.zeros(batch, size, size, 3, dtype=torch.uint8),
        keypoints,
        0.1 * torch.rand(batch, 21, 3),
        torch.full((batch,), 0.3),
    )


_Runner = Callable[[NDArray[np.uint8], FloatArray, FloatArray, FloatArray], Prediction]


def _choose(backend: Backend, device: str) -> Backend:
    if backend == 'auto':
        return 'openvino' if has_openvino() and device == 'cpu' else 'torch'
    if backend == 'openvino' and not has_openvino():
        message = "OpenVINO is not installed: `pip install openvino`, or use the backend 'torch'"
        raise ConfigError(message)
    if backend not in ('torch', 'compile', 'openvino'):
        message = f'unknown backend {backend!r}; use auto, torch, compile or openvino'
        raise ConfigError(message)
    return backend


def _torch_runner(graph: InferenceGraph, device: str, *, compiled: bool) -> _Runner:
    graph = graph.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run: Callable[..., tuple[torch.Tensor, ...]] = torch.compile(graph) if compiled else graph

    @torch.inference_mode()
    def predict(*arrays: NDArray[Any]) -> Prediction:
        arguments = [torch.as_tensor(array, device=device) for array in arrays]
        return Prediction(*(output.cpu().numpy() for output in run(*arguments)))

    return predict


def openvino_model(graph: InferenceGraph) -> Any:
    """Return the graph as an openvino.Model for any number of crops."""
    example = example_arguments(graph, 2)
    # OpenVINO would trace by itself, and then once more to compare: a test does that here.
    traced = torch.jit.trace(graph, example, check_trace=False)  # type: ignore[no-untyped-call]
    model = load_openvino().convert_model(traced, example_input=example)
    size = graph.network.config.input_size
    shapes = ([-1, size, size, 3], [-1, 21, 2], [-1, 21, 3], [-1])
    model.reshape({model.input(i): shape for i, shape in enumerate(shapes)})
    return model


def has_fast_bfloat16(device: str) -> bool:
    """Return whether a device multiplies bfloat16 faster than float32."""
    if torch.device(device).type == 'cuda':
        return bool(torch.cuda.is_bf16_supported())
    try:
        flags = Path('/proc/cpuinfo').read_text()
    except OSError:
        return False
    return 'avx512_bf16' in flags or 'amx_bf16' in flags
