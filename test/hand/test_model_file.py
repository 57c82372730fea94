from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    FILE_KEYS,
    default_model_folder,
    hand_model_data_from_arrays,
    load_hand_model_data,
    mirrored_hand_model_data,
    save_hand_model_data,
)


def test_round_trip_through_a_folder(random_model_data, tmp_path: Path) -> None:
    data = random_model_data()
    path = save_hand_model_data(data, tmp_path / 'new')
    assert path == tmp_path / 'new' / 'MANO_RIGHT.npz'
    loaded = load_hand_model_data(tmp_path / 'new')
    for name, value in vars(data).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)


def test_default_folder_is_the_source_tree() -> None:
    assert default_model_folder() == Path(__file__).parents[2] / 'models' / 'mano'


def test_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r'MANO_LEFT\.npz does not exist.*hand import'):
        load_hand_model_data(tmp_path, 'left')


@pytest.mark.parametrize('keep', [0, 10, 5000])
def test_truncated_file(random_model_data, tmp_path: Path, keep: int) -> None:
    path = save_hand_model_data(random_model_data(), tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match='cannot be read'):
        load_hand_model_data(tmp_path)


def test_flipped_bytes_are_noticed(random_model_data, tmp_path: Path) -> None:
    path = save_hand_model_data(random_model_data(), tmp_path)
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match='cannot be read'):
        load_hand_model_data(tmp_path)


def test_pickled_objects_are_refused(random_model_arrays, tmp_path: Path) -> None:
    arrays = random_model_arrays()
    arrays['J_regressor'] = np.array({'an': 'object'}, dtype=object)
    np.savez(tmp_path / 'MANO_RIGHT.npz', **arrays)
    with pytest.raises(ModelFileError, match='hand import'):
        load_hand_model_data(tmp_path)


@pytest.mark.parametrize('key', FILE_KEYS)
def test_missing_key_is_named(random_model_arrays, key: str) -> None:
    arrays = random_model_arrays()
    del arrays[key]
    with pytest.raises(ModelFileError, match=f'this file lacks {key}'):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


@pytest.mark.parametrize('key', FILE_KEYS)
def test_wrong_shape_is_named(random_model_arrays, key: str) -> None:
    arrays = random_model_arrays()
    arrays[key] = arrays[key][:-1]
    with pytest.raises(ModelFileError, match=f'{key} of this file has shape'):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


def _set(key: str, index: tuple[int, ...], value: float):
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[key] = arrays[key].astype(np.float64)
        arrays[key][index] = value

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_set('v_template', (3, 1), np.nan), 'v_template of this file holds NaN'),
        (_set('f', (0, 0), 778), r'faces .* name vertices 0\.\.778'),
        (_set('weights', (5, 2), 2.0), 'skin weights .* must sum to 1'),
        (_set('kintree_table', (0, 4), 3), 'kintree_table .* has parents'),
        (lambda arrays: arrays.update(f=np.array(['a'])), 'f of this file has type'),
    ],
)
def test_bad_values_are_named(random_model_arrays, change, message: str) -> None:
    arrays = random_model_arrays()
    change(arrays)
    with pytest.raises(ModelFileError, match=message):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


def test_official_conventions_are_accepted(random_model_arrays) -> None:
    arrays = random_model_arrays()
    arrays['kintree_table'] = arrays['kintree_table'].astype(np.uint32)  # -1 wraps around
    extra = np.ones((778, 3, 10))
    expected = arrays['shapedirs']
    arrays['shapedirs'] = np.concatenate([expected, extra], axis=2)
    data = hand_model_data_from_arrays(arrays, 'right', source='this file')
    assert data.parents[0] == -1
    np.testing.assert_array_equal(data.shapedirs, expected)


def test_mirrored_model_gives_the_mirror_image(random_model_data) -> None:
    right = random_model_data()
    left = mirrored_hand_model_data(right)
    assert (right.handedness, left.handedness) == ('right', 'left')
    generator = torch.Generator().manual_seed(0)
    pose = 0.5 * torch.randn(8, 48, generator=generator, dtype=torch.float64)
    shape = torch.randn(8, 10, generator=generator, dtype=torch.float64)
    mirrored_pose = pose * torch.tensor([1.0, -1.0, -1.0]).repeat(16)
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    for relative_to in ('flat', 'mean'):
        expected = HandModel(right, dtype=torch.float64)(pose, shape, relative_to=relative_to)
        result = HandModel(left, dtype=torch.float64)(
            mirrored_pose, shape, relative_to=relative_to
        )
        for ours, theirs in zip(result, expected, strict=True):
            torch.testing.assert_close(ours, theirs * mirror, rtol=0, atol=1e-12)


def test_mirroring_twice_is_the_identity(random_model_data) -> None:
    data = random_model_data()
    twice = mirrored_hand_model_data(mirrored_hand_model_data(data))
    for name, value in vars(data).items():
        np.testing.assert_array_equal(getattr(twice, name), value)
