"""Open a network by its file: compiled ahead for OpenVINO, or weights that PyTorch prepares."""

from __future__ import annotations

from pathlib import Path

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.compiled_network import (
    COMPILED_SUFFIX,
    CompiledNetwork,
    read_compiled_info,
)
from realhands_ros.handnet.prediction import Backend, Predictor
from realhands_ros.handnet.weights_info import WeightsInfo
from realhands_ros.openvino_runtime import has_openvino
from realhands_ros.resources import resource_path

SHIPPED_WEIGHTS = 'handnet_light.safetensors'
SHIPPED_COMPILED = 'handnet_light_int8.xml'


def default_weights_path(backend: Backend = 'auto', device: str = 'cpu') -> Path:
    """Return the shipped network for a backend: 8-bit for OpenVINO, else the weights."""
    runs_openvino = backend in ('auto', 'openvino') and device == 'cpu' and has_openvino()
    return resource_path('models') / (SHIPPED_COMPILED if runs_openvino else SHIPPED_WEIGHTS)


def load_predictor(
    path: Path, *, backend: Backend, device: str, threads: int | None
) -> tuple[Predictor, WeightsInfo]:
    """
    Make the network of a file ready to run.

    ``backend``, ``device`` and ``threads`` as TrainedNetwork has them; a compiled file takes
    OpenVINO on a CPU only. Raises WeightsError or ConfigError when that cannot be.
    """
    if path.suffix == COMPILED_SUFFIX:
        if backend not in ('auto', 'openvino') or device != 'cpu':
            message = (
                f'{path} is compiled for OpenVINO on a CPU, and the backend is {backend!r} on '
                f'{device!r}: use weights that end with .safetensors'
            )
            raise ConfigError(message)
        network = CompiledNetwork(path, threads=threads)
        return network, network.info
    # A node that is started anew must be back soon, and PyTorch alone takes more than a second.
    from realhands_ros.handnet.inference import TrainedNetwork
    from realhands_ros.handnet.weights import load_weights

    weights, info = load_weights(path)
    return TrainedNetwork(weights, backend=backend, device=device, threads=threads), info


def read_weights_info(path: Path) -> WeightsInfo:
    """Return what a file of weights, compiled or not, says about itself; WeightsError if none."""
    if path.suffix == COMPILED_SUFFIX:
        return read_compiled_info(path)
    from realhands_ros.handnet.weights import load_weights

    return load_weights(path)[1]
