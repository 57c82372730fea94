"""Help and argument errors come at once: they import nothing that takes long."""

import json
import subprocess
import sys
from typing import get_args

import pytest

from realhands_ros.cli.main import COMMANDS, Group, parser_for

HEAVY = {
    'cv2', 'matplotlib', 'mediapipe', 'numba', 'numpy', 'openvino', 'pandas', 'rclpy', 'rerun',
    'rosbags', 'scipy', 'torch', 'trimesh',
}  # fmt: skip

# Prints the exit code, the output and the imported top-level modules of each command line.
SCRIPT = """
import contextlib, io, json, sys
from realhands_ros.cli.main import main

for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    modules = sorted({name.partition('.')[0] for name in sys.modules})
    print(json.dumps([code, out.getvalue(), modules]))
"""


def names(commands, outer=()):
    """Return the words that name each command and each group."""
    for name, command in commands.items():
        yield (*outer, name)
        if isinstance(command, Group):
            yield from names(command.commands, (*outer, name))


NAMES = list(names(COMMANDS))
WRONG = [
    (['nothing'], 'invalid choice'),
    (['eval'], 'ACTION'),
    (['eval', 'nothing'], 'invalid choice'),
    (['eval', 'bag'], 'required: bag'),
    (['eval', 'bag', 'b', '--frames', '0'], 'a whole number, 1 or more'),
    (['run'], 'SYSTEM'),
    (['synth'], 'COMMAND'),
    (['train', 'run', 'out', '--loss', 'none'], 'invalid choice'),
    (['hand', 'show'], 'required: OUT.png'),
]


@pytest.fixture(scope='module')
def started():
    """Run each command's help, then the wrong command lines, in one process."""
    lines = [[*words, '--help'] for words in [(), *NAMES]] + [words for words, _ in WRONG]
    process = subprocess.run(
        [sys.executable, '-c', SCRIPT, json.dumps(lines)], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_help_and_errors_import_nothing_heavy(started):
    for words, (_, _, modules) in zip([(), *NAMES, *WRONG], started, strict=True):
        assert not HEAVY & set(modules), words


def test_every_command_has_its_help(started):
    for words, (code, printed, _) in zip([(), *NAMES], started, strict=False):
        assert code == 0
        assert printed.startswith(' '.join(('usage: realhands', *words)))


def test_wrong_arguments_are_told(started):
    for (_, complaint), (code, printed, _) in zip(WRONG, started[-len(WRONG) :], strict=True):
        assert code == 2
        assert complaint in printed


def offered(words, option):
    """Return the values that an option of a command takes."""
    parser = parser_for(words)
    for word in words:
        (subparsers,) = (action for action in parser._actions if action.dest in LEVELS)
        parser = subparsers.choices[word]
    return tuple(parser._option_string_actions[option].choices)


LEVELS = ('command', 'action')


def test_options_offer_what_the_tables_have():
    from realhands_ros.datasets.freihand import FreiHandPart, FreiHandSet
    from realhands_ros.evaluation.methods import refinement_variants
    from realhands_ros.hand.sheets import SHEETS
    from realhands_ros.handnet.prediction import Backend
    from realhands_ros.handnet.stereo import POSE_BLENDS
    from realhands_ros.texture.profile import SIDES
    from realhands_ros.training.losses import LOSSES
    from realhands_ros.training.stages import RECIPES
    from realhands_ros.viewing.mesh_overlay import LOOKS

    refinements = ('none', *(v.name for v in refinement_variants() if v.config is not None))
    assert offered(['hand', 'show'], '--what') == tuple(SHEETS)
    assert offered(['run', 'mono'], '--draw') == LOOKS
    assert offered(['train', 'run'], '--loss') == tuple(LOSSES)
    assert offered(['train', 'run'], '--recipe') == tuple(RECIPES)
    assert offered(['train', 'run'], '--pose-blend') == tuple(POSE_BLENDS)
    assert offered(['eval', 'bag'], '--refinement') == refinements
    assert offered(['eval', 'bag'], '--backend') == get_args(Backend)
    assert offered(['eval', 'freihand'], '--set') == get_args(FreiHandSet)
    assert offered(['eval', 'freihand'], '--part') == get_args(FreiHandPart)
    assert offered(['export', 'rig'], '--hand') == (*SIDES, 'both')
