"""`realhands profile` and `realhands export rig`, from the command line."""

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.hand.model_file import default_model_folder, load_uv_atlas
from realhands_ros.texture.profile import (
    HandProfile,
    ProfileHand,
    ShapeEstimate,
    load_profile,
    profile_in_use_path,
    save_profile,
)


def saved(path, topology=None, sides=('right', 'left')):
    picture = np.full((64, 64, 3), (200, 150, 120), np.uint8)
    shape = ShapeEstimate(np.linspace(-1, 1, 10), np.zeros((778, 3)), 50)
    hand = ProfileHand(picture, picture[..., 0], picture, 0.4, shape)
    key = topology or load_uv_atlas(default_model_folder()).key
    save_profile(HandProfile(key, dict.fromkeys(sides, hand)), path)
    return path


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))


def test_load_uses_it_and_save_keeps_it(tmp_path, capsys) -> None:
    mine = saved(tmp_path / 'me.npz')
    assert main(['profile', 'load', str(mine)]) == 0
    assert profile_in_use_path().is_file()
    assert main(['profile', 'save', str(tmp_path / 'copy.npz')]) == 0
    assert load_profile(tmp_path / 'copy.npz').hands.keys() == {'right', 'left'}
    assert main(['profile', 'show']) == 0
    assert '40% of it seen' in capsys.readouterr().out


def test_show_draws_the_hands(tmp_path) -> None:
    picture = tmp_path / 'me.png'
    mine = saved(tmp_path / 'me.npz')
    assert main(['profile', 'show', str(mine), '--picture', str(picture)]) == 0
    assert cv2.imread(str(picture)).shape == (640, 1280, 3)
    assert main(['profile', 'show', str(mine), '--picture', str(tmp_path / 'me.jpg')]) == 1


def test_what_is_missing_or_foreign_is_said(tmp_path, capsys) -> None:
    assert main(['profile', 'show']) == 1
    assert main(['profile', 'save', str(tmp_path / 'copy.npz')]) == 1
    assert 'no profile is in use' in capsys.readouterr().err
    (tmp_path / 'letter.npz').write_text('dear diary')
    assert main(['profile', 'load', str(tmp_path / 'letter.npz')]) == 1
    assert 'cannot be read' in capsys.readouterr().err
    bag = ['--bag', str(tmp_path / 'nothing')]
    assert main(['profile', 'save', str(tmp_path / 'copy.npz'), *bag]) == 1


@pytest.mark.parametrize('name', ['me.glb', 'me.obj', 'me.urdf'])
def test_rigs_are_written(tmp_path, name) -> None:
    mine = saved(tmp_path / 'me.npz')
    out = tmp_path / 'out'
    out.mkdir()
    assert main(['export', 'rig', str(mine), str(out / name)]) == 0
    stem, suffix = name.split('.')
    expected = [name] if suffix == 'glb' else [f'{stem}_right.{suffix}', f'{stem}_left.{suffix}']
    assert set(expected) <= {path.name for path in out.iterdir()}
    assert main(['export', 'rig', str(mine), str(out / f'left.{suffix}'), '--hand', 'left']) == 0
    assert (out / f'left.{suffix}').is_file()


def test_rigs_that_cannot_be_are_refused(tmp_path, capsys) -> None:
    mine = saved(tmp_path / 'me.npz', sides=('right',))
    for arguments, complaint in (
        ([str(mine), str(tmp_path / 'me.fbx')], '.glb, .obj and .urdf'),
        ([str(mine), str(tmp_path / 'me.glb'), '--hand', 'left'], 'no left hand'),
        ([str(mine), str(tmp_path / 'no' / 'me.glb')], 'cannot be written'),
        ([str(mine), str(tmp_path / 'me.glb'), '--animate', str(tmp_path / 'bag')], 'not exist'),
        ([str(saved(tmp_path / 'x.npz', 'other')), str(tmp_path / 'me.glb')], 'belongs to'),
    ):
        assert main(['export', 'rig', *arguments]) == 1
        assert complaint in capsys.readouterr().err
