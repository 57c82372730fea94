"""The command line lists its subcommands and reports the package's own errors in one line."""

import pytest

from realhands_ros.cli.main import COMMANDS, main


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['--help'])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert name in printed
        assert command.summary.split()[0] in printed


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_its_own_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    assert ended.value.code == 0
    assert f'realhands {name}' in capsys.readouterr().out


def test_no_command_prints_help_and_fails(capsys):
    assert main([]) == 2
    assert 'usage: realhands' in capsys.readouterr().out


def test_package_errors_are_one_line_on_stderr(capsys):
    assert main(['demo', '--rate', '-1']) == 1
    error = capsys.readouterr().err
    assert error.startswith('realhands demo: --rate -1')
    assert error.count('\n') == 1
