from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from realhands_ros.data.topology import KEYPOINT_NAMES, NUM_VERTICES, TIP_VERTEX_IDS
from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    default_model_folder,
    mirrored_hand_model_data,
    save_hand_model_data,
)


def _parameters(batch: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    pose = torch.randn(batch, 48, generator=generator, dtype=dtype)
    shape = 2 * torch.randn(batch, 10, generator=generator, dtype=dtype)
    translation = torch.randn(batch, 3, generator=generator, dtype=dtype)
    return pose, shape, translation


@pytest.fixture(params=['random', 'dense', 'left', 'open hand', 'open left hand'])
def data(request, random_model_data):
    if request.param == 'random':
        return random_model_data(0)
    if request.param == 'dense':
        return random_model_data(1, joints_per_vertex=16)
    if request.param == 'left':
        return mirrored_hand_model_data(random_model_data(2))
    handedness = 'left' if 'left' in request.param else 'right'
    return HandModel.load(handedness=handedness).data


@pytest.mark.parametrize('relative_to', ['flat', 'mean'])
def test_agrees_with_smplx_over_256_random_hands(data, relative_to: str) -> None:
    pytest.importorskip('smplx')
    pose, shape, translation = _parameters(256)
    ours = HandModel(data)(pose, shape, translation, relative_to=relative_to)
    oracle = HandModel(data, backend='smplx')(pose, shape, translation, relative_to=relative_to)
    for name in ours._fields:
        difference = getattr(ours, name) - getattr(oracle, name)
        assert difference.abs().max() < 1e-5, name


def test_mean_pose_is_that_of_smplx_without_flat_hand_mean(random_model_data, tmp_path) -> None:
    smplx = pytest.importorskip('smplx')
    data = random_model_data()
    save_hand_model_data(data, tmp_path / 'mano')
    oracle = smplx.create(
        str(tmp_path), 'mano', ext='npz', is_rhand=True, use_pca=False, flat_hand_mean=False
    )
    pose, shape, translation = _parameters(1)
    expected = oracle(
        betas=shape, global_orient=pose[:, :3], hand_pose=pose[:, 3:], transl=translation
    )
    result = HandModel(data)(pose, shape, translation, relative_to='mean')
    torch.testing.assert_close(result.vertices, expected.vertices, rtol=0, atol=1e-5)
    torch.testing.assert_close(result.joints, expected.joints, rtol=0, atol=1e-5)


def test_smplx_loads_the_open_hand() -> None:
    smplx = pytest.importorskip('smplx')
    model = smplx.create(
        str(default_model_folder().parent),
        'mano',
        ext='npz',
        is_rhand=True,
        use_pca=False,
        flat_hand_mean=True,
    )
    assert model().vertices.shape == (1, NUM_VERTICES, 3)


def test_gradients_reach_every_input(random_model_data) -> None:
    model = HandModel(random_model_data(), dtype=torch.float64)
    # A step through a few outputs keeps the finite differences of gradcheck cheap.
    pick = torch.randperm(778, generator=torch.Generator().manual_seed(0))[:5]
    offsets = torch.zeros(1, 778, 3, dtype=torch.float64, requires_grad=True)
    inputs = [value.requires_grad_() for value in _parameters(1, torch.float64)]

    def outputs(pose, shape, translation):
        result = model(pose, shape, translation, offsets)
        return result.vertices[:, pick], result.keypoints

    assert torch.autograd.gradcheck(outputs, inputs)
    model(*inputs, offsets).vertices.sum().backward()
    torch.testing.assert_close(offsets.grad, torch.ones_like(offsets))


def test_gradient_is_finite_at_the_flat_hand(random_model_data) -> None:
    pose = torch.zeros(1, 48, requires_grad=True)
    output = HandModel(random_model_data())(pose, torch.zeros(1, 10))
    (output.vertices**2).sum().backward()
    assert pose.grad.isfinite().all()
    assert pose.grad.abs().max() > 0


def test_flat_hand_is_the_template(random_model_data) -> None:
    data = random_model_data()
    output = HandModel(data)(torch.zeros(2, 48), torch.zeros(2, 10))
    np.testing.assert_allclose(output.vertices[1], data.v_template, atol=1e-7)
    np.testing.assert_allclose(output.joints[0], data.joint_regressor @ data.v_template, atol=1e-7)


def test_root_turns_about_the_wrist_and_translation_is_added_last(random_model_data) -> None:
    model = HandModel(random_model_data())
    pose, shape, translation = _parameters(4)
    resting = model(torch.zeros(4, 48), shape)
    posed = model(pose, shape, translation)
    torch.testing.assert_close(posed.joints[:, 0], resting.joints[:, 0] + translation)


def test_keypoints_are_joints_and_tips_in_mediapipe_order(random_model_data) -> None:
    output = HandModel(random_model_data())(*_parameters(2))
    index = KEYPOINT_NAMES.index
    for finger, vertex in TIP_VERTEX_IDS.items():
        torch.testing.assert_close(
            output.keypoints[:, index(f'{finger}_tip')], output.vertices[:, vertex]
        )
    for name, joint in {'wrist': 0, 'index_mcp': 1, 'little_dip': 9, 'thumb_cmc': 13}.items():
        torch.testing.assert_close(output.keypoints[:, index(name)], output.joints[:, joint])


def test_offsets_move_vertices_and_tips_but_no_joint(random_model_data) -> None:
    model = HandModel(random_model_data())
    pose, shape, translation = _parameters(2)
    offsets = torch.randn(2, NUM_VERTICES, 3, generator=torch.Generator().manual_seed(1))
    plain = model(pose, shape, translation)
    moved = model(pose, shape, translation, offsets)
    torch.testing.assert_close(moved.vertices, plain.vertices + offsets)
    torch.testing.assert_close(moved.joints, plain.joints)
    torch.testing.assert_close(moved.keypoints[:, 8], moved.vertices[:, 320])


def test_checkpoints_do_not_carry_the_hand_model(random_model_data) -> None:
    assert not HandModel(random_model_data()).state_dict()


def test_there_is_nothing_to_train(random_model_data) -> None:
    pytest.importorskip('smplx')
    for backend in ('realhands', 'smplx'):
        assert not list(HandModel(random_model_data(), backend=backend).parameters())


def test_loads_a_users_folder(random_model_data, tmp_path: Path) -> None:
    save_hand_model_data(mirrored_hand_model_data(random_model_data()), tmp_path)
    assert HandModel.load(tmp_path, handedness='left').handedness == 'left'
    with pytest.raises(ModelFileError, match='MANO_RIGHT'):
        HandModel.load(tmp_path)


def test_unknown_options_are_refused(random_model_data) -> None:
    data = random_model_data()
    with pytest.raises(ConfigError, match="unknown backend 'manopth'"):
        HandModel(data, backend='manopth')
    with pytest.raises(ConfigError, match="relative_to is 'pca'"):
        HandModel(data)(*_parameters(1), relative_to='pca')


def test_missing_smplx_says_so(random_model_data, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, 'smplx', None)
    with pytest.raises(ModelFileError, match='non-commercial'):
        HandModel(random_model_data(), backend='smplx')
