"""Reading the source hand: what is refused, and how."""

import subprocess

import pytest

from realhands_ros.errors import ModelFileError
from tools.open_hand import source


def test_missing_glb_is_one_clear_error(tmp_path) -> None:
    with pytest.raises(ModelFileError, match='right.glb'):
        source.read_rigged_hand(tmp_path / 'right.glb')


@pytest.mark.filterwarnings('ignore:pygltflib does not support')
def test_a_file_that_is_no_glb_is_refused(tmp_path) -> None:
    path = tmp_path / 'right.glb'
    path.write_bytes(b'glTF' + bytes(60))
    with pytest.raises(ModelFileError, match='not the generic right hand'):
        source.read_rigged_hand(path)


def test_failing_npm_says_what_to_do(tmp_path, monkeypatch) -> None:
    def fail(*_args, **_options):
        raise FileNotFoundError('npm')

    monkeypatch.setattr(subprocess, 'run', fail)
    with pytest.raises(ModelFileError, match='--glb'):
        source.download_glb(tmp_path)


def test_package_without_the_hand_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / 'assets.tgz').write_bytes(b'no archive')
    done = subprocess.CompletedProcess([], 0, stdout='assets.tgz\n', stderr='')
    monkeypatch.setattr(subprocess, 'run', lambda *_args, **_options: done)
    with pytest.raises(ModelFileError, match='does not hold'):
        source.download_glb(tmp_path)
