"""The start from MediaPipe's landmark network, held to what OpenVINO computes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from realhands_ros.errors import WeightsError
from realhands_ros.handnet.config import LIGHT, TINY
from realhands_ros.handnet.network import HandNet, example_input
from realhands_ros.openvino_runtime import has_openvino, load_openvino
from realhands_ros.training.pretrained import start_from_landmark_network

mediapipe = pytest.importorskip('mediapipe')
pytestmark = pytest.mark.skipif(not has_openvino(), reason='needs openvino')


@pytest.fixture(scope='module')
def network():
    network = HandNet(LIGHT).eval()
    start_from_landmark_network(network)
    return network


def test_features_read_off_the_same_keypoints_as_the_landmark_network(network):
    openvino = load_openvino()
    path = Path(mediapipe.__file__).parent / 'modules/hand_landmark/hand_landmark_full.tflite'
    model = openvino.Core().read_model(path)
    image = np.random.default_rng(0).random((1, 224, 224, 3), dtype=np.float32)
    compiled = openvino.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    expected = [np.array(value).ravel() for value in compiled(image).values()]
    with torch.no_grad():
        features = network.image_head(torch.from_numpy(image).permute(0, 3, 1, 2))
        pooled = network.tail(features.down3).pooled.numpy().ravel()
    # The largest matrices behind the features: keypoints in pixels, world landmarks in metres.
    readers = [
        (matrix, bias)
        for matrix, bias in _linear_layers(model)
        if matrix.shape == (63, pooled.size)
    ]
    assert len(readers) == 2
    for matrix, bias in readers:
        read = matrix @ pooled + bias
        off = min(np.abs(read - value).max() for value in expected if value.size == 63)
        assert off < 1e-3


def _linear_layers(model):
    from realhands_ros.training.pretrained import _constant

    for operation in model.get_ordered_ops():
        if operation.get_type_name() == 'MatMul':
            matrix = _constant(operation.input_value(1).get_node())
            (following,) = operation.output(0).get_target_inputs()
            bias = _constant(following.get_node().input_value(1).get_node()).ravel()
            yield (matrix if len(matrix) == len(bias) else matrix.T), bias


def test_keypoints_change_nothing_before_the_fusion_has_learnt(network):
    inputs = example_input(LIGHT, 1)
    heatmaps = torch.rand_like(inputs.heatmaps)
    with torch.no_grad():
        both = network(inputs._replace(heatmaps=heatmaps)).regression.base
        features = network.image_head(inputs.image)
        pooled = network.tail(features.down3).pooled
        image_alone = network.regressor(pooled, inputs.landmarks).base
    torch.testing.assert_close(both, image_alone, atol=1e-4, rtol=0)


def test_other_plans_cannot_start_from_it():
    with pytest.raises(WeightsError, match='basic blocks'):
        start_from_landmark_network(HandNet(TINY))
