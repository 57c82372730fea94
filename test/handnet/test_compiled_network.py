"""Networks compiled ahead: the same numbers, and clear errors for what is wrong with files."""

import importlib.util
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.errors import ConfigError, WeightsError
from realhands_ros.handnet.compiled_network import CompiledNetwork, write_compiled
from realhands_ros.handnet.inference import TrainedNetwork
from realhands_ros.handnet.loading import (
    default_weights_path,
    load_predictor,
    read_weights_info,
)
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.openvino_export import export_openvino
from realhands_ros.handnet.weights_info import WeightsInfo
from realhands_ros.resources import resource_path
from realhands_ros.training.batch import TrainingBatch

pytest.importorskip('openvino', reason='openvino is not installed')


def arguments(batch: int, size: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, size, (batch, 21, 2)).astype(np.float32)
    world = rng.normal(0, 0.05, (batch, 21, 3)).astype(np.float32)
    image = rng.integers(0, 255, (batch, size, size, 3), dtype=np.uint8)
    return image, keypoints, world, np.full(batch, 0.3, np.float32)


@pytest.fixture(scope='module')
def network(tiny_config):
    torch.manual_seed(0)
    return HandNet(tiny_config).eval()


@pytest.fixture(scope='module')
def info(tiny_config):
    return WeightsInfo(tiny_config, 'a basis', {'hands_seen': 7})


@pytest.fixture
def compiled(network, info, tmp_path):
    path = tmp_path / 'folder' / 'tiny.xml'
    export_openvino(network, info, path)
    return path


def test_it_says_what_the_weights_say(network, info, compiled):
    predictor, found = load_predictor(compiled, backend='auto', device='cpu', threads=1)
    assert found == info == read_weights_info(compiled)
    assert predictor.config == info.config
    expected = TrainedNetwork(network, backend='openvino', threads=1)
    for batch in (2, 1, 3):
        given = arguments(batch, info.config.input_size)
        ours, wanted = predictor(*given), expected(*given)
        # Single logits of an untrained decoder differ in bfloat16.
        assert np.abs(ours.silhouette - wanted.silhouette).mean() < 0.02
        for name in set(ours._fields) - {'silhouette'}:
            difference = np.abs(getattr(ours, name) - getattr(wanted, name)).max()
            assert difference < 0.05, name


@pytest.mark.skipif(not importlib.util.find_spec('nncf'), reason='nncf is not installed')
def test_calibrated_convolutions_compute_in_integers(network, info, tmp_path):
    path = tmp_path / 'tiny.xml'
    crops = [arguments(2, info.config.input_size, seed) for seed in range(4)]
    batches = [_batch(*map(torch.tensor, given)) for given in crops]
    export_openvino(network, info, path, batches)
    assert 'FakeQuantize' in path.read_text()
    found, expected = CompiledNetwork(path)(*crops[0]), TrainedNetwork(network)(*crops[0])
    assert np.abs(found.fingers_aa - expected.fingers_aa).mean() < 0.05


def _batch(image, keypoints_px, world, half_angle) -> TrainingBatch:
    given = {
        'image': image, 'keypoints_px': keypoints_px, 'world': world, 'half_angle': half_angle
    }  # fmt: skip
    return TrainingBatch(*(given.get(name, torch.zeros(0)) for name in TrainingBatch._fields))


def test_files_that_are_missing_are_named(tmp_path, compiled):
    with pytest.raises(WeightsError, match='no compiled network at .*nowhere.xml'):
        CompiledNetwork(tmp_path / 'nowhere.xml')
    compiled.with_suffix('.bin').unlink()
    with pytest.raises(WeightsError, match='no compiled network at .*tiny.bin'):
        CompiledNetwork(compiled)


def test_altered_numbers_are_noticed(compiled):
    numbers = compiled.with_suffix('.bin')
    data = bytearray(numbers.read_bytes())
    data[1000] ^= 1
    numbers.write_bytes(data)
    with pytest.raises(WeightsError, match='checksum of .*tiny.bin is wrong'):
        CompiledNetwork(compiled)


@pytest.mark.parametrize('damage', ['cut off', 'empty', 'no model'])
def test_a_damaged_description_is_no_network(compiled, damage):
    text = compiled.read_text()
    compiled.write_text(
        {'cut off': text[: len(text) // 2], 'empty': '', 'no model': '<a/>'}[damage]
    )
    with pytest.raises(WeightsError, match='cannot be read by OpenVINO'):
        CompiledNetwork(compiled)


def test_a_model_of_something_else_is_no_network(tmp_path):
    import openvino
    from openvino import opset13

    given = opset13.parameter([1], np.float32)
    path = tmp_path / 'other.xml'
    openvino.save_model(openvino.Model([opset13.relu(given)], [given], 'other'), path)
    with pytest.raises(WeightsError, match='it holds no network of this package'):
        CompiledNetwork(path)


def test_it_runs_on_openvino_only(compiled):
    for backend, device in (('torch', 'cpu'), ('auto', 'cuda')):
        with pytest.raises(ConfigError, match='compiled for OpenVINO on a CPU'):
            load_predictor(compiled, backend=backend, device=device, threads=None)


def test_places_that_cannot_be_written_are_named(network, info, tmp_path):
    with pytest.raises(ConfigError, match=r'must end with .xml'):
        write_compiled(None, info, tmp_path / 'network.onnx')
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match='cannot be written'):
        export_openvino(network, info, tmp_path / 'file' / 'network.xml')


def test_the_shipped_one_is_that_of_the_shipped_weights():
    compiled, weights = (default_weights_path(backend) for backend in ('openvino', 'torch'))
    assert compiled.suffix == '.xml' and weights.suffix == '.safetensors'
    assert read_weights_info(compiled) == read_weights_info(weights)
    assert compiled.with_suffix('.bin').stat().st_size < 25e6
    assert compiled.parent == resource_path('models')


@pytest.mark.parametrize('with_keypoints', [True, False])
def test_the_shipped_one_sees_hands_as_the_shipped_weights_do(hand_film, with_keypoints):
    """In 8 bits and in float, with keypoints and without: finger joints within 2 degrees."""
    compiled, weights = (default_weights_path(backend) for backend in ('openvino', 'torch'))
    networks = [
        load_predictor(path, backend='auto', device='cpu', threads=1)[0]
        for path in (compiled, weights)
    ]
    size = networks[0].config.input_size
    rng = np.random.default_rng(0)
    frames = [hand_film.images(number)[0][..., 2::-1] for number in (0, 4, 8, 12)]
    crops = np.stack([cv2.resize(frame[:, 148:524], (size, size)) for frame in frames])
    keypoints = rng.uniform(0.3, 0.7, (4, 21, 2)).astype(np.float32) * size
    world = rng.normal(0, 0.04, (4, 21, 3)).astype(np.float32)
    if not with_keypoints:
        keypoints[:], world[:] = np.nan, np.nan
    angles = np.full(4, 0.3, np.float32)
    one, other = (network(crops, keypoints, world, angles) for network in networks)
    assert np.isfinite(one.fingers_aa).all()
    assert np.rad2deg(np.abs(one.fingers_aa - other.fingers_aa)).mean() < 2.0
    assert np.abs(one.root - other.root).mean() < 0.1


def test_a_node_that_runs_it_starts_without_pytorch():
    program = (
        'import sys\n'
        'from realhands_ros.handnet.stage import HandNetStage\n'
        'HandNetStage()\n'
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, '-c', program], check=True)
