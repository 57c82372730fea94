"""What `realhands run` makes of its options, and of those that cannot be."""

from __future__ import annotations

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from realhands_ros.cli import run_nodes
from realhands_ros.cli.main import parser_for
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.system.graph import GRAPH, player_command, recorder_command
from realhands_ros.system.preflight import check_wiring

NAMES = [spec.name for spec in GRAPH]


def parsed(*words):
    command = ['run', *map(str, words)]
    return parser_for(command).parse_args(command)


def wiring(*words):
    return run_nodes.wiring_of(parsed(*words))


def pairs_after(command, flag):
    return {command[i + 1] for i, word in enumerate(command) if word == flag}


@pytest.mark.parametrize(
    ('version', 'left'),
    [
        ('5.0', '/mycam/zed_node/left/image_rect_color'),
        ('5.1', '/mycam/zed_node/left/color/rect/image'),
    ],
)
def test_stereo_takes_the_topics_of_either_zed_generation(version, left):
    commands = wiring(
        'stereo', '--camera-name', 'mycam', '--zed-wrapper-version', version
    ).commands()
    assert list(commands) == NAMES
    for name, command in commands.items():
        assert name in command
        remaps = pairs_after(command, '-r')
        assert f'left/image:={left}' in remaps
        assert f'left/camera_info:={left.rpartition("/")[0]}/camera_info' in remaps
        assert 'stereo:=true' in pairs_after(command, '-p')


def test_mono_takes_one_camera():
    commands = wiring(
        'mono', '--image-topic', '/cam/image', '--camera-info-topic', '/cam/info'
    ).commands()
    for command in commands.values():
        assert pairs_after(command, '-r') == {
            'left/image:=/cam/image',
            'left/camera_info:=/cam/info',
        }
        assert 'stereo:=false' in pairs_after(command, '-p')


def test_composition_is_one_process_without_what_is_left_out(tmp_path):
    params = tmp_path / 'mine.yaml'
    params.write_text('{}')
    made = wiring(
        'stereo',
        '--composition',
        '--no-texture',
        '--namespace',
        '/cell/a/',
        '--use-sim-time',
        '--params-file',
        params,
        '--param',
        'budget=0.02',
        '--remap',
        'hands/mesh=/meshes',
    )
    ((name, command),) = made.commands().items()
    assert name == 'hand_nodes'
    start = command.index('realhands_ros.system.executable') + 1
    assert command[start : command.index('--ros-args')] == NAMES[:3]
    assert {'__ns:=/cell/a', 'hands/mesh:=/meshes'} <= pairs_after(command, '-r')
    assert {'use_sim_time:=true', 'budget:=0.02'} <= pairs_after(command, '-p')
    assert pairs_after(command, '--params-file') == {str(params)}


def test_the_bag_waits_for_every_input():
    made = wiring('replay', 'bag', '--namespace', 'cell', '--remap', 'hands/mesh=/meshes')
    awaited = made.awaited()
    left = '/zed/zed_node/left/color/rect'
    for entry in (
        f'{left}/image=keypoint_node',
        f'{left}/camera_info=refinement_node',
        '/cell/hands/observations=handnet_node',
        '/meshes=texture_node',
        '/meshes=keypoint_node',
    ):
        assert entry in awaited
    command = player_command(parsed('replay', 'bag').bag, made, loop=True, clock=True)
    assert {'--loop', '--clock', *awaited} <= set(command)
    assert '__ns:=/cell' in recorder_command(parsed('replay', 'bag').bag, made)
    one_eyed = wiring('replay', 'bag', '--param', 'stereo=false').awaited()
    assert not any('/right/' in entry for entry in one_eyed)


def test_the_clock_of_a_bag_is_that_of_the_nodes():
    assert wiring('replay', 'bag', '--clock').parameters['use_sim_time'] is True
    assert 'use_sim_time' not in wiring('replay', 'bag').parameters


@pytest.mark.parametrize(
    ('words', 'error', 'said'),
    [
        (['stereo', '--param', 'budget'], ConfigError, 'expected NAME=VALUE'),
        (['stereo', '--remap', '=there'], ConfigError, 'expected NAME=VALUE'),
        (['stereo', '--params-file', '/none.yaml'], ConfigError, 'does not exist'),
        (['replay', '/none'], DatasetError, 'cannot be read as a rosbag2 recording'),
        (['replay', '/none', '--rate', '0'], ConfigError, 'must be above zero'),
        (['stereo', '--record', '/'], ConfigError, 'exists already'),
        (['stereo', '--record', '/proc/none/bag'], ConfigError, 'cannot be written'),
        (['stereo', '--namespace', '1cell'], ConfigError, "'/1cell' is no name in ROS"),
        (['mono', '--image-topic', 'my image'], ConfigError, "'my image' is no name in ROS"),
        (['stereo', '--param', 'budget=abc'], ConfigError, 'it must be of type float'),
        (['stereo', '--param', 'max_hands=99'], ConfigError, 'it must be of type int .1 to 8.'),
        (['stereo', '--param', 'bugdet=0.1'], ConfigError, "no node has a parameter 'bugdet'"),
        (['stereo', '--param', 'weights=[1'], ConfigError, 'is no YAML'),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(words, error, said):
    with pytest.raises(error, match=said):
        run_nodes.run(parsed(*words))


def test_a_recording_of_another_camera_is_said(zed_bag):
    with pytest.raises(DatasetError, match='has no images on /other/.*it has /zed/'):
        run_nodes.run(parsed('replay', zed_bag, '--camera-name', 'other'))


def test_a_file_of_misspelt_parameters_is_said(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('/**/keypoint_node:\n  ros__parameters: {max_hand: 1, use_sim_time: true}\n')
    with pytest.raises(ConfigError, match='keypoint_node has no parameter max_hand$'):
        run_nodes.run(parsed('stereo', '--params-file', path))


@pytest.mark.parametrize('text', ['use_sim_time=true', 'use_last=false', 'budget=0.05'])
def test_parameters_that_can_be_are_taken(text):
    check_wiring(wiring('stereo', '--param', text))
