"""
A network written ahead in OpenVINO's format: `realhands export openvino` makes it.

It starts without PyTorch, and its convolutions may compute in 8-bit integers. Two files: NAME.xml,
which also says what the network is, and NAME.bin, its numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, WeightsError
from realhands_ros.handnet.prediction import Prediction, Predictor
from realhands_ros.handnet.weights_info import REMEDY, WeightsInfo
from realhands_ros.openvino_runtime import has_openvino, infer_request, load_openvino

COMPILED_SUFFIX = '.xml'

_FORMAT = 'realhands handnet openvino 1'
_SECTION = 'realhands'


def write_compiled(model: Any, info: WeightsInfo, path: Path) -> None:
    """
    Write an openvino.Model of InferenceGraph, and what it is, to ``path`` and its .bin.

    Raises ConfigError when they cannot be written.
    """
    if path.suffix != COMPILED_SUFFIX:
        message = f'{path} must end with {COMPILED_SUFFIX}'
        raise ConfigError(message)
    openvino = load_openvino()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The numbers first: their checksum belongs into the other file.
        openvino.save_model(model, path)
        facts = {'format': _FORMAT, 'checksum': _checksum(path), **info.as_metadata()}
        for name, text in facts.items():
            model.set_rt_info(text, [_SECTION, name])
        openvino.save_model(model, path)
    except (OSError, RuntimeError) as error:
        message = f'{path} cannot be written ({error}): choose another place'
        raise ConfigError(message) from error


class CompiledNetwork(Predictor):
    """A predictor of the files that ``write_compiled`` wrote."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """
        Read and compile it; ``threads`` None is all cores.

        Raises WeightsError when the files are missing, damaged or of another kind, ConfigError
        without OpenVINO.
        """
        if not has_openvino():
            message = (
                f'{path} needs OpenVINO: `pip install openvino`, or use weights that end with '
                '.safetensors'
            )
            raise ConfigError(message)
        self.info = read_compiled_info(path)
        super().__init__(self.info.config, openvino_runner(path, threads))


def openvino_runner(model: Any, threads: int | None) -> Callable[..., Prediction]:
    """
    Return a function from the network's arguments to its Prediction.

    ``model`` is an openvino.Model, or the path of one.
    """
    request = infer_request(model, threads=threads)
    outputs = range(len(Prediction._fields))

    def predict(*arrays: NDArray[Any]) -> Prediction:
        # The arrays are read where they are; what it says is copied below.
        request.infer(arrays, share_inputs=True, share_outputs=True)
        return Prediction(*(request.get_output_tensor(i).data.copy() for i in outputs))

    return predict


def read_compiled_info(path: Path) -> WeightsInfo:
    """Return what a compiled network says about itself; raises as CompiledNetwork does."""
    for file in (path, path.with_suffix('.bin')):
        if not file.is_file():
            message = f'there is no compiled network at {file}; {REMEDY}'
            raise WeightsError(message)
    try:
        model = load_openvino().Core().read_model(path)
        facts = {name: str(value) for name, value in _facts(model).items()}
    except RuntimeError as error:
        message = f'{path} cannot be read by OpenVINO ({error}): it is damaged; {REMEDY}'
        raise WeightsError(message) from error
    if facts.get('format') != _FORMAT:
        message = (
            f'{path} has the format {facts.get("format")!r}, not {_FORMAT!r}: it holds no network '
            'of this package; write it with `realhands export openvino`'
        )
        raise WeightsError(message)
    if facts.get('checksum') != _checksum(path):
        message = f'the checksum of {path.with_suffix(".bin")} is wrong: it was altered; {REMEDY}'
        raise WeightsError(message)
    return WeightsInfo.from_metadata(path, facts)


def _facts(model: Any) -> dict[str, Any]:
    return dict(model.get_rt_info(_SECTION).value) if model.has_rt_info(_SECTION) else {}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.with_suffix('.bin').read_bytes()).hexdigest()
