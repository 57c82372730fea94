"""docs/design.md names the rooms that there are, in the order that the import contracts check."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = 'realhands_ros'
PAGE = (ROOT / 'docs' / 'design.md').read_text()


def layers():
    """Return the rooms of the picture, line by line from the top."""
    picture = PAGE.split('```text\n')[1].split('```')[0].splitlines()[1:]
    words = [re.match(r'\w+( \| \w+)*', line) for line in picture]
    return [set(match[0].split(' | ')) for match in words]


def test_every_room_is_in_the_picture_once():
    folder = ROOT / PACKAGE
    packages = {path.parent.name for path in folder.glob('*/__init__.py')}
    modules = {path.stem for path in folder.glob('*.py')} - {'__init__'}
    named = [room for layer in layers() for room in layer]
    assert sorted(named) == sorted(packages | modules)


def test_the_layers_are_those_of_the_import_contracts():
    if sys.version_info < (3, 11):
        pytest.skip('tomllib came with Python 3.11')
    import tomllib

    settings = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']
    contracts = settings.get('importlinter', {}).get('contracts', [])
    contracted = [c['layers'] for c in contracts if c['type'] == 'layers']
    if not contracted:
        pytest.skip('pyproject.toml has no contract of layers')
    found = [
        {room.strip(' ()').removeprefix(f'{PACKAGE}.') for room in re.split('[|:]', layer)}
        for layer in contracted[0]
    ]
    assert layers() == found


def test_files_that_the_page_names_exist():
    # Between backquotes: a path from the package's or the repository's root.
    for name in re.findall(r'`((?:\w+/)+[\w.]*|\w+\.(?:py|toml|txt))`', PAGE):
        assert (ROOT / name).exists() or (ROOT / PACKAGE / name).exists(), name
