"""Numbers on the command line."""

import argparse

import pytest

from realhands_ros.cli.main import main
from realhands_ros.cli.numbers import at_least_one, not_negative


def test_numbers_that_can_be():
    assert at_least_one('1') == 1
    assert not_negative('0') == 0


@pytest.mark.parametrize('text', ['0', '-3', '1.5', 'many', ''])
def test_numbers_that_cannot_be(text):
    with pytest.raises(argparse.ArgumentTypeError, match='a whole number, 1 or more'):
        at_least_one(text)


@pytest.mark.parametrize(
    'words', [['--samples', '0'], ['--columns', '0'], ['--seed', '-1'], ['--samples', 'x']]
)
def test_a_sheet_of_nothing_is_refused(words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['synth', 'sheet', str(tmp_path / 'sheet.png'), *words])
    assert 'it must be a whole number' in capsys.readouterr().err
