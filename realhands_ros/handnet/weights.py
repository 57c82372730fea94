"""
Weight files: safetensors with the network's configuration, its making and a checksum inside.

Matrices and kernels are stored as float16, vectors (biases, batch statistics) as float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from realhands_ros.errors import WeightsError
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.weights_info import REMEDY, WeightsInfo

_FORMAT = 'realhands handnet 1'


def save_weights(path: Path | str, network: HandNet, info: WeightsInfo) -> None:
    """Write a network's weights; the file appears whole or not at all."""
    tensors = {
        name: _stored(tensor.detach().cpu())
        for name, tensor in network.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    metadata = {
        'format': _FORMAT,
        'checksum': _checksum(tensors),
        **info.as_metadata(),
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    save_file(tensors, partial, metadata)
    partial.replace(path)


def load_weights(
    path: Path | str, *, config: HandNetConfig | None = None
) -> tuple[HandNet, WeightsInfo]:
    """
    Read a weight file and build its network, in evaluation mode.

    With ``config`` the file must hold weights of just that network. Raises WeightsError when it is
    missing, damaged, of another kind or of another size.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    info = _read_info(path, metadata)
    if config is not None and config != info.config:
        message = (
            f'{path} holds weights of the network {_difference(info.config, config)}; name '
            'weights of the size you want, or leave the size to the file'
        )
        raise WeightsError(message)
    if _checksum(tensors) != metadata.get('checksum'):
        message = f'the checksum of {path} is wrong: its weights were altered; {REMEDY}'
        raise WeightsError(message)
    network = HandNet(info.config)
    _fill(network, tensors, path)
    return network.eval(), info


def average_weights(first: HandNet, second: HandNet) -> HandNet:
    """
    Return a network half-way between two, one of which was trained on from the other.

    What was learnt last is halved with what it cost of the past: on hands unlike those of the last
    training the mean is better than either (Wortsman et al., "Robust fine-tuning of zero-shot
    models", 2022). Raises WeightsError for networks of different sizes.
    """
    if first.config != second.config:
        message = (
            'the networks differ in '
            f'{_difference(first.config, second.config)}; give two of one size'
        )
        raise WeightsError(message)
    mean = HandNet(first.config)
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    mean.load_state_dict({
        name: torch.lerp(a, b, 0.5) if a.is_floating_point() else a for (name, a), b in pairs
    })  # fmt: skip
    return mean.eval()


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.float16 if tensor.ndim >= 2 else torch.float32).contiguous()


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        message = f'there are no network weights at {path}; {REMEDY}'
        raise WeightsError(message)
    try:
        with safe_open(path, framework='pt') as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        message = f'{path} cannot be read as safetensors ({error}): it is damaged; {REMEDY}'
        raise WeightsError(message) from error


def _read_info(path: Path, metadata: Mapping[str, str]) -> WeightsInfo:
    if metadata.get('format') != _FORMAT:
        message = (
            f'{path} has the format {metadata.get("format")!r}, not {_FORMAT!r}: it holds no '
            'weights of this network; export it again with `realhands train`'
        )
        raise WeightsError(message)
    return WeightsInfo.from_metadata(path, metadata)


def _fill(network: HandNet, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    state = network.state_dict()
    expected = {n: t.shape for n, t in state.items() if not n.endswith('num_batches_tracked')}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = sorted(
        name for name in expected.keys() | found if expected.get(name) != found.get(name)
    )
    if wrong:
        name = wrong[0]
        message = (
            f'{path} does not fit its own configuration: {len(wrong)} tensors differ, the first '
            f'is {name}, expected {_size(expected.get(name))}, found {_size(found.get(name))}; '
            f'{REMEDY}'
        )
        raise WeightsError(message)
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        message = f'{path} holds NaN or infinity in {broken[0]}: the training diverged; {REMEDY}'
        raise WeightsError(message)
    network.load_state_dict({**state, **{n: t.float() for n, t in tensors.items()}})


def _size(shape: torch.Size | None) -> str:
    return 'none' if shape is None else str(tuple(shape))


def _difference(found: HandNetConfig, wanted: HandNetConfig) -> str:
    wanted_values = wanted.as_dict()
    parts = [
        f'{name}={value!r} (wanted {wanted_values[name]!r})'
        for name, value in found.as_dict().items()
        if value != wanted_values[name]
    ]
    return ', '.join(parts)
