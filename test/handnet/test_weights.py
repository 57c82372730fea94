import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from realhands_ros.errors import WeightsError
from realhands_ros.hand.model_file import (
    default_model_folder,
    load_hand_model_data,
    mirrored_hand_model_data,
)
from realhands_ros.handnet.network import HandNet, example_input
from realhands_ros.handnet.weights import average_weights, load_weights, save_weights
from realhands_ros.handnet.weights_info import WeightsInfo, shape_basis_key


@pytest.fixture
def saved(tmp_path, tiny_config):
    torch.manual_seed(0)
    network = HandNet(tiny_config).eval()
    path = tmp_path / 'weights.safetensors'
    save_weights(path, network, WeightsInfo(tiny_config, 'abc', {'hands_seen': 12}))
    return path, network


def test_saved_weights_come_back(saved, tiny_config):
    path, network = saved
    loaded, info = load_weights(path, config=tiny_config)
    assert info == WeightsInfo(tiny_config, 'abc', {'hands_seen': 12})
    assert not loaded.training
    image = example_input(tiny_config, 1)._replace(image=torch.randn(1, 3, 64, 64))
    with torch.no_grad():
        expected, found = network(image), loaded(image)
    # Kernels are stored as float16.
    torch.testing.assert_close(
        found.regression.pose_code, expected.regression.pose_code, atol=5e-3, rtol=0
    )
    # A second generation loses nothing more.
    save_weights(path, loaded, info)
    again, _ = load_weights(path)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not list(path.parent.glob('*.partial'))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r'no network weights at .*nowhere'):
        load_weights(tmp_path / 'nowhere.safetensors')


@pytest.mark.parametrize('kept', [0.0, 0.01, 0.5, 0.999])
def test_truncated_file_is_refused(saved, kept):
    path, _ = saved
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(WeightsError, match='damaged'):
        load_weights(path)


def test_altered_weights_are_refused(saved):
    path, _ = saved
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match='checksum'):
        load_weights(path)


def test_weights_of_another_size_are_explained(saved, tiny_config):
    path, _ = saved
    wanted = dataclasses.replace(tiny_config, name='other', input_size=96)
    with pytest.raises(WeightsError, match=r"name='tiny' \(wanted 'other'\), input_size=64"):
        load_weights(path, config=wanted)


def test_foreign_safetensors_are_refused(tmp_path):
    path = tmp_path / 'other.safetensors'
    save_file({'a': torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match='holds no weights of this network'):
        load_weights(path)


def test_nan_in_weights_is_found(tmp_path, tiny_config):
    network = HandNet(tiny_config)
    network.regressor.base.weight.data[0, 0] = torch.nan
    path = tmp_path / 'weights.safetensors'
    save_weights(path, network, WeightsInfo(tiny_config, 'abc'))
    with pytest.raises(WeightsError, match='NaN or infinity in regressor.base.weight'):
        load_weights(path)


def test_key_of_the_shape_basis_is_that_of_the_model_not_of_the_hand():
    right = load_hand_model_data(default_model_folder(), 'right')
    left = mirrored_hand_model_data(right)
    assert shape_basis_key(right) == shape_basis_key(left)
    other = dataclasses.replace(right, shapedirs=right.shapedirs[..., ::-1])
    assert shape_basis_key(other) != shape_basis_key(right)


def test_the_mean_of_two_networks_lies_between_them(tiny_config):
    torch.manual_seed(0)
    first, second = HandNet(tiny_config), HandNet(tiny_config)
    mean = average_weights(first, second)
    torch.testing.assert_close(
        mean.regressor.pose.weight,
        0.5 * (first.regressor.pose.weight + second.regressor.pose.weight),
    )
    other = HandNet(dataclasses.replace(tiny_config, base_channels=(32, 16)))
    with pytest.raises(WeightsError, match='base_channels'):
        average_weights(first, other)
