"""`realhands view`, from the command line."""

import pytest

from realhands_ros.cli.main import main
from realhands_ros.errors import ConfigError
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.viewing.rerun_scene import load_rerun

try:
    load_rerun()
    PROBLEM = ''
except ConfigError as error:
    PROBLEM = str(error)


@pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)
def test_a_bag_becomes_a_file(tmp_path, capsys) -> None:
    record_bag(tmp_path / 'bag', FilmSettings(seconds=0.1), wrappers=('5.1',), processes=1)
    out = tmp_path / 'v.rrd'
    command = ['view', str(tmp_path / 'bag'), '--save', str(out), '--frames', '2']
    assert main(command) == 0
    assert '2 frames with' in capsys.readouterr().out
    # So begins a Rerun recording.
    assert out.read_bytes()[:3] == b'RRF'
    assert main(command) == 1
    assert '--overwrite' in capsys.readouterr().err
    missing = [str(tmp_path / 'nothing'), '--save', str(tmp_path / 'w.rrd')]
    assert main(['view', *missing]) == 1
    assert 'does not exist' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        ([], 'name a bag'),
        (['bag', '--live'], 'name a bag'),
        (['bag', '--jpeg-quality', '0'], '--jpeg-quality 0'),
    ],
)
def test_what_cannot_be_is_said(options, complaint, capsys) -> None:
    assert main(['view', *options]) == 1
    assert complaint in capsys.readouterr().err
