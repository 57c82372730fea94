"""Table 1 of the supplement, row by row, and what each route uses."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.config import CONFIGS, LIGHT, PAPER, HandNetConfig
from realhands_ros.handnet.landmarks import landmark_vector
from realhands_ros.handnet.network import HandNet, HandNetInput, example_input
from realhands_ros.handnet.pose_representation import POSE_CODES, HandRotations

# Module, output size, input and output channels. The table prints 3 input channels for KpHead,
# whose input has 21 (section 3.1 and Fig. 1 of the supplement).
TABLE_1 = [
    ('image_head.down1', 112, 3, 64),
    ('image_head.down2', 56, 64, 256),
    ('image_head.down3', 28, 256, 512),
    ('keypoint_head.down1', 112, 21, 64),
    ('keypoint_head.down2', 56, 64, 256),
    ('keypoint_head.down3', 28, 256, 512),
    ('fusion.squeeze', 28, 1024, 128),
    ('fusion.weigh', 28, 128, 1024),
    ('fusion.join', 28, 1024, 512),
    ('tail.down4', 14, 512, 1024),
    ('tail.down5', 7, 1024, 2048),
    ('decoder.ups.0', 14, 2048, 1024),
    ('decoder.ups.1', 28, 1024, 512),
    ('decoder.ups.2', 56, 512, 256),
    ('decoder.ups.3', 112, 256, 128),
    ('decoder.ups.4', 224, 128, 64),
    ('decoder.classify', 224, 64, 1),
    ('regressor.base', None, 2048, 512),
    ('regressor.pose', None, 512, 48),
    ('regressor.shape', None, 512, 10),
    ('regressor.camera', None, 512, 3),
    ('stereo.weights', None, 1024, 48),
]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope='module')
def seen():
    """Return input and output of every module of the paper's network in one pass."""
    network = HandNet(PAPER).eval()
    shapes = {}

    def remember(name):
        def hook(_module, inputs, output):
            if isinstance(output, torch.Tensor):
                shapes[name] = (inputs[0].shape, output.shape)

        return hook

    for name, module in network.named_modules():
        module.register_forward_hook(remember(name))
    with torch.no_grad():
        output = network(example_input(PAPER, 1))
        network.stereo(output.regression.base, output.regression.base)
    return network, shapes


@pytest.mark.parametrize(('name', 'size', 'channels_in', 'channels_out'), TABLE_1)
def test_row_of_table_1(seen, name, size, channels_in, channels_out):
    _, shapes = seen
    inputs, outputs = shapes[name]
    assert inputs[1] == channels_in
    assert outputs[1] == channels_out
    assert outputs[2:] == (() if size is None else (size, size))


def test_hidden_layer_of_the_regressor_is_2048_wide(seen):
    _, shapes = seen
    assert shapes['regressor.hidden'] == ((1, 2048), (1, 2048))


def test_image_head_and_tail_are_a_resnet_50(seen):
    # 25 557 032 parameters of ResNet-50 less its classifier's 2048 * 1000 + 1000.
    network, _ = seen
    assert parameters(network.image_head) + parameters(network.tail) == 23_508_032
    # The other head differs by its first layer alone.
    difference = parameters(network.keypoint_head) - parameters(network.image_head)
    assert difference == 7 * 7 * 64 * (21 - 3)


def test_parameter_counts():
    assert parameters(HandNet(PAPER)) == 86_200_558
    # At two bytes each the shipped file stays below 25 MB.
    assert 5_000_000 < parameters(HandNet(LIGHT)) < 8_000_000


@pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS.keys())
def test_network_starts_as_a_flat_hand_and_a_finite_silhouette(config):
    network = HandNet(config).eval()
    with torch.no_grad():
        regression, logits = network(example_input(config, 1))
    assert logits.shape == (1, 1, config.input_size, config.input_size)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(regression.rotations.root, torch.eye(3)[None], atol=0.2, rtol=0)
    assert regression.rotations.fingers_aa.abs().max() < 0.2
    assert regression.camera.scale.item() == pytest.approx(8, rel=0.2)


def gradients(network, **options):
    output = network(HandNetInput(
        torch.randn(2, 3, 64, 64), torch.rand(2, 21, 64, 64), torch.randn(2, 128)
    ), **options)  # fmt: skip
    loss = output.regression.pose_code.square().sum()
    if output.silhouette_logits is not None:
        loss = loss + output.silhouette_logits.sum()
    loss.backward()
    return {
        name.split('.')[0] + ('.landmarks' if 'landmarks' in name else '')
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


def test_routes_leave_modules_out(tiny_config):
    torch.manual_seed(0)
    image = gradients(HandNet(tiny_config), route='image', with_silhouette=False)
    assert image == {'image_head', 'tail', 'regressor', 'regressor.landmarks'}
    keypoints = gradients(HandNet(tiny_config), route='keypoints')
    assert keypoints == {'keypoint_head', 'tail', 'regressor', 'regressor.landmarks'}
    both = gradients(HandNet(tiny_config), route='both')
    assert both >= {'image_head', 'keypoint_head', 'fusion', 'tail', 'regressor', 'decoder'}


@pytest.mark.parametrize('route', ['image', 'keypoints'])
def test_one_modality_alone_does_not_see_the_landmarks(tiny_config, route):
    network = HandNet(tiny_config).eval()
    inputs = example_input(tiny_config, 1)
    with torch.no_grad():
        without = network(inputs, route=route).regression.pose_code
        given = inputs._replace(landmarks=torch.randn(1, 128))
        torch.testing.assert_close(network(given, route=route).regression.pose_code, without)
        assert not torch.allclose(network(given).regression.pose_code, without)


def test_fusion_follows_the_text_of_section_3_1(tiny_config):
    fusion = HandNet(tiny_config).eval().fusion
    image, keypoints = torch.randn(2, 1, 16, 8, 8)
    both = torch.cat([image, keypoints], dim=1)
    weights = torch.sigmoid(fusion.weigh(torch.relu(fusion.squeeze(both))))
    expected = torch.relu(fusion.join(weights * both))
    torch.testing.assert_close(fusion(image, keypoints), expected)


@pytest.mark.parametrize('name', POSE_CODES)
def test_pose_codes_are_inverse(name):
    code = POSE_CODES[name]
    root_aa = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.0, 0.0], [math.pi - 1e-3, 0.0, 0.0]])
    root = POSE_CODES['axis_angle'].decode(torch.cat([root_aa, torch.zeros(3, 45)], 1)).root
    rotations = HandRotations(root, torch.randn(3, 45))
    numbers = code.encode(rotations, root_aa)
    assert numbers.shape == (3, code.channels)
    decoded = code.decode(numbers)
    torch.testing.assert_close(decoded.root, root, atol=1e-5, rtol=0)
    torch.testing.assert_close(decoded.fingers_aa, rotations.fingers_aa)


def test_any_six_numbers_are_a_rotation():
    numbers = torch.randn(64, 51)
    numbers[0] = 0
    root = POSE_CODES['root_6d'].decode(numbers).root
    assert torch.isfinite(root).all()
    torch.testing.assert_close(
        root[1:] @ root[1:].transpose(1, 2), torch.eye(3).expand(63, 3, 3), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(root[1:]), torch.ones(63), atol=1e-5, rtol=0)


def test_unknown_landmarks_become_zeros_with_their_flags():
    keypoints = torch.full((1, 21, 2), 0.5)
    keypoints[0, 4] = math.nan
    vector = landmark_vector(keypoints, torch.full((1, 21, 3), math.nan), torch.tensor([0.3]))
    assert torch.isfinite(vector).all()
    assert vector[0, 8:10].tolist() == [0, 0]
    assert vector[0, 42:63].sum() == 20
    assert vector[0, 63:127].abs().max() == 0
    world = torch.randn(1, 21, 3)
    moved = landmark_vector(keypoints, world + 7.0, torch.tensor([0.3]))
    torch.testing.assert_close(
        moved, landmark_vector(keypoints, world, torch.tensor([0.3])), atol=1e-4, rtol=0
    )
    assert moved[0, 126] == 1


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'input_size': 100}, 'input_size is 100'),
        ({'block': 'dense'}, "block is 'dense'"),
        ({'pose_representation': 'euler'}, "pose_representation is 'euler'"),
        ({'stage_blocks': (2, 2, 0, 2)}, 'without channels or blocks'),
    ],
)
def test_impossible_configurations_are_named(change, named):
    with pytest.raises(ConfigError, match=named):
        replace(LIGHT, **change)


def test_configuration_survives_json():
    for config in CONFIGS.values():
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in config.as_dict().items()}
        assert HandNetConfig.from_dict(values) == config
    with pytest.raises(ConfigError, match='has the fields'):
        HandNetConfig.from_dict({'name': 'light'})
