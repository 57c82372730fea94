import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from realhands_ros.errors import ConfigError
from realhands_ros.handnet import inference
from realhands_ros.handnet.inference import TrainedNetwork, fold_batch_norm
from realhands_ros.handnet.network import HandNet, example_input
from realhands_ros.handnet.onnx_export import export_onnx
from realhands_ros.handnet.prediction import INPUT_NAMES, Prediction


@pytest.fixture(scope='module')
def network(tiny_config):
    torch.manual_seed(0)
    made = HandNet(tiny_config)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
    return made.eval()


def arguments(batch, seed=0):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 64, (batch, 21, 2)).astype(np.float32)
    keypoints[0, 5] = np.nan
    world = rng.normal(0, 0.05, (batch, 21, 3)).astype(np.float32)
    world[-1] = np.nan
    image = rng.integers(0, 255, (batch, 64, 64, 3), dtype=np.uint8)
    return image, keypoints, world, np.full(batch, 0.3, np.float32)


def largest_difference(first, second):
    return {
        name: float(np.abs(a - b).max())
        for name, a, b in zip(first._fields, first, second, strict=True)
    }


def test_folding_batch_norm_changes_nothing(network, tiny_config):
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    inputs = example_input(tiny_config, 2)._replace(image=torch.randn(2, 3, 64, 64))
    with torch.no_grad():
        expected, found = network(inputs), folded(inputs)
    torch.testing.assert_close(
        found.silhouette_logits, expected.silhouette_logits, atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(found.regression.pose_code, expected.regression.pose_code)


def test_each_crop_is_judged_alone(network):
    predictor = TrainedNetwork(network, backend='torch')
    image, keypoints, world, half_angle = arguments(3)
    together = predictor(image, keypoints, world, half_angle)
    for i in range(3):
        row = slice(i, i + 1)
        alone = predictor(image[row], keypoints[row], world[row], half_angle[row])
        for name, whole, part in zip(together._fields, together, alone, strict=True):
            np.testing.assert_allclose(whole[row], part, atol=0.03, err_msg=name)


@pytest.mark.skipif(not importlib.util.find_spec('openvino'), reason='OpenVINO is not installed')
def test_openvino_agrees_with_torch(network):
    expected = TrainedNetwork(network, backend='torch')
    predictor = TrainedNetwork(network, backend='openvino', threads=1)
    assert predictor.backend == 'openvino'
    for batch in (2, 1, 3):
        given = arguments(batch)
        found, wanted = predictor(*given), expected(*given)
        # Both may compute in bfloat16, in which single logits of an untrained decoder differ.
        differences = largest_difference(found, wanted)
        assert np.abs(found.silhouette - wanted.silhouette).mean() < 0.02
        del differences['silhouette']
        assert max(differences.values()) < 0.05, differences


@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA device')
def test_a_gpu_agrees_with_the_cpu(network):
    expected = TrainedNetwork(network, backend='torch')
    predictor = TrainedNetwork(network, backend='torch', device='cuda')
    # The second call of a size replays what the first recorded.
    for seed, batch in enumerate((2, 1, 2, 3, 1)):
        given = arguments(batch, seed)
        found, wanted = predictor(*given), expected(*given)
        # In bfloat16 single logits of an untrained decoder differ.
        differences = largest_difference(found, wanted)
        assert np.abs(found.silhouette - wanted.silhouette).mean() < 0.02
        del differences['silhouette']
        assert max(differences.values()) < 0.05, differences


@pytest.mark.skipif(not importlib.util.find_spec('onnxruntime'), reason='needs onnxruntime')
@pytest.mark.skipif(not importlib.util.find_spec('onnxscript'), reason='needs onnxscript')
def test_onnx_file_agrees_with_torch_for_any_batch(network, tmp_path):
    import onnxruntime

    path = tmp_path / 'network.onnx'
    export_onnx(network, path)
    assert [file.name for file in tmp_path.iterdir()] == ['network.onnx']
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    graph = inference.InferenceGraph(network).eval()
    names = [given.name for given in session.get_inputs()]
    assert tuple(names) == INPUT_NAMES
    assert tuple(out.name for out in session.get_outputs()) == Prediction._fields
    for batch in (1, 4):
        given = arguments(batch)
        with torch.no_grad():
            expected = graph(*(torch.tensor(array) for array in given))
        found = session.run(None, dict(zip(names, given, strict=True)))
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(a.numpy(), b, atol=1e-4, rtol=1e-4)


def test_backends_that_are_not_there_are_named(network, monkeypatch):
    with pytest.raises(ConfigError, match="unknown backend 'tensorrt'"):
        TrainedNetwork(network, backend='tensorrt')
    find_spec = importlib.util.find_spec

    def without_openvino(name, *rest):
        return None if name == 'openvino' else find_spec(name, *rest)

    monkeypatch.setattr(importlib.util, 'find_spec', without_openvino)
    assert TrainedNetwork(network).backend == 'torch'
    with pytest.raises(ConfigError, match='pip install openvino'):
        TrainedNetwork(network, backend='openvino')


def test_machines_without_cpuinfo_use_float32(monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError

    monkeypatch.setattr(inference.Path, 'read_text', refuse)
    assert inference.has_fast_bfloat16('cpu') is False
