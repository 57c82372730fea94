"""The command writes its page and plot, and names what it cannot use."""

import pytest

from realhands_ros.cli.eval_tables import named_weights
from realhands_ros.cli.main import main
from realhands_ros.errors import ConfigError


def test_weights_are_named_after_their_files_unless_told_otherwise(tmp_path):
    named = named_weights([f'multi={tmp_path}/a.st', str(tmp_path / 'b.st')])
    assert named == {'multi': tmp_path / 'a.st', 'b': tmp_path / 'b.st'}
    with pytest.raises(ConfigError, match="named 'a'"):
        named_weights(['x/a.st', 'y/a.st'])


def test_what_is_missing_is_named(tmp_path, capsys):
    command = ['eval', 'tables', '--dataset', str(tmp_path)]
    assert main([*command, '--weights', str(tmp_path / 'none.safetensors')]) == 1
    assert 'there are no network weights' in capsys.readouterr().err
