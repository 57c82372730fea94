"""Scripts that import modules by their former names go on working, and are told the new ones."""

from __future__ import annotations

import importlib
import sys

import pytest

from realhands_ros.former_names import FORMER_NAMES


@pytest.mark.parametrize('former', sorted(FORMER_NAMES))
def test_a_former_name_is_the_new_module(former):
    sys.modules.pop(former, None)
    new = FORMER_NAMES[former]
    with pytest.warns(DeprecationWarning, match=f'{former} is {new} now'):
        module = importlib.import_module(former)
    assert module is importlib.import_module(new)
    assert module.__spec__.name == module.__name__ == new


def test_other_names_are_missing_as_ever():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('realhands_ros.keypoints.no_such_module')
