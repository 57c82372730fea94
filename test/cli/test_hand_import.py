from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data


@pytest.fixture
def pickles(tmp_path: Path) -> list[str]:
    """Write a right and a left hand as pickles of plain arrays."""
    paths = []
    for side in ('RIGHT', 'LEFT'):
        with np.load(default_model_folder() / f'MANO_{side}.npz') as archive:
            arrays = dict(archive)
        path = tmp_path / f'MANO_{side}.pkl'
        path.write_bytes(pickle.dumps(arrays, protocol=2))
        paths.append(str(path))
    return paths


def test_writes_both_twins_beside_the_pickles(pickles, tmp_path: Path, capsys) -> None:
    assert main(['hand', 'import', *pickles]) == 0
    assert 'MANO_LEFT.npz' in capsys.readouterr().out
    expected = load_hand_model_data(default_model_folder())
    np.testing.assert_array_equal(load_hand_model_data(tmp_path).posedirs, expected.posedirs)
    assert load_hand_model_data(tmp_path, 'left').handedness == 'left'


def test_out_names_another_folder(pickles, tmp_path: Path) -> None:
    assert main(['hand', 'import', pickles[0], '--out', str(tmp_path / 'mano')]) == 0
    assert [path.name for path in (tmp_path / 'mano').iterdir()] == ['MANO_RIGHT.npz']


def test_existing_files_are_replaced_only_by_force(pickles, tmp_path: Path, capsys) -> None:
    target = tmp_path / 'MANO_LEFT.npz'
    target.write_bytes(b'precious')
    assert main(['hand', 'import', *pickles]) == 1
    assert 'exists; choose another --out' in capsys.readouterr().err
    assert target.read_bytes() == b'precious'
    assert not (tmp_path / 'MANO_RIGHT.npz').exists()
    assert main(['hand', 'import', *pickles, '--force']) == 0
    assert load_hand_model_data(tmp_path, 'left').handedness == 'left'


def test_a_refused_file_stops_the_whole_import(pickles, tmp_path: Path, capsys) -> None:
    Path(pickles[1]).write_bytes(pickle.dumps(print))
    assert main(['hand', 'import', *pickles]) == 1
    assert 'asks for builtins.print' in capsys.readouterr().err
    assert not (tmp_path / 'MANO_RIGHT.npz').exists()
