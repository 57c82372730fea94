"""
The launch files through launch_pytest, where ROS has it.

What they check is checked through `realhands run` as well (test_run_*.py beside this file), which
needs neither launch nor an installed package.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

launch = pytest.importorskip('launch', reason='launch is not installed: it comes with a ROS 2')
launch_pytest = pytest.importorskip(
    'launch_pytest', reason='launch_pytest is not installed (ros-<distro>-launch-pytest)'
)
pytest.importorskip('launch_ros', reason='launch_ros is not installed: it comes with a ROS 2')
pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')
if pytest.version_tuple >= (8, 4):
    pytest.skip(
        'launch_pytest needs a pytest before 8.4 (colcon test runs this with that of ROS)',
        allow_module_level=True,
    )

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_pytest.actions import ReadyToTest

from realhands.msg import HandMeshArray
from realhands_ros.resources import resource_path
from realhands_ros.system import launching
from realhands_ros.system.graph import GRAPH

pytestmark = pytest.mark.slow

LEFT = '/zed/zed_node/left/color/rect'
NODES = {spec.name for spec in GRAPH}


def is_installed() -> bool:
    try:
        prefix = get_package_prefix('realhands')
    except PackageNotFoundError:
        return False
    return (Path(prefix) / 'lib/realhands/keypoint_node').exists()


if not is_installed():
    pytest.skip('the nodes are not installed (colcon build)', allow_module_level=True)


def including(name: str, domain: int, **arguments: str) -> launch.LaunchDescription:
    """Return what `ros2 launch realhands NAME a:=b` starts."""
    source = PythonLaunchDescriptionSource(str(resource_path(f'launch/{name}.launch.py')))
    return launch.LaunchDescription(
        [
            SetEnvironmentVariable('ROS_DOMAIN_ID', str(domain)),
            IncludeLaunchDescription(source, launch_arguments=arguments.items()),
            ReadyToTest(),
        ]
    )


def node_processes() -> dict[str, int]:
    """Return the ids of the processes that launch has started for nodes, by their names."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        # A process may end at any moment; of a zombie nothing is left but its name.
        with contextlib.suppress(psutil.NoSuchProcess):
            names = {Path(word).name for word in child.cmdline()[:2]}
            found |= dict.fromkeys(names & (NODES | {'hand_nodes'}), child.pid)
    return found


def with_hands(messages):
    return [message for message in messages if message.hands]


def node_names(listener, namespace):
    found = listener.node.get_node_names_and_namespaces()
    return {name for name, space in found if space == namespace}


@launch_pytest.fixture
def stereo(ros_domain):
    return including('stereo', ros_domain, namespace='cell')


@pytest.mark.launch(fixture=stereo)
def test_stereo_starts_four_nodes_that_come_back(listener, play, zed_bag):
    meshes = listener.listen(HandMeshArray, '/cell/hands/mesh')
    play(zed_bag, f'{LEFT}/image=keypoint_node', '/cell/hands/mesh=texture_node')
    listener.wait(lambda: len(with_hands(meshes)) >= 5, 'meshes')
    assert with_hands(meshes)[-1].header.frame_id == 'zed_left_camera_frame_optical'
    listener.wait(lambda: node_names(listener, '/cell') == NODES, 'the nodes in the namespace')
    before = node_processes()
    assert set(before) == NODES
    os.kill(before['handnet_node'], signal.SIGKILL)
    listener.wait(lambda: 'handnet_node' not in node_processes(), 'its death')
    listener.wait(lambda: 'handnet_node' in node_processes(), 'its return')
    meshes.clear()
    listener.wait(lambda: len(with_hands(meshes)) >= 3, 'meshes again')
    yield
    assert node_processes() == {}


@launch_pytest.fixture
def replay(ros_domain, zed_bag, tmp_path):
    return including(
        'replay',
        ros_domain,
        bag=str(zed_bag),
        rate='0.25',
        clock='true',
        use_sim_time='true',
        composition='true',
        record=str(tmp_path / 'results'),
    )


@pytest.mark.launch(fixture=replay)
def test_replay_ends_with_the_bag_and_records(listener, tmp_path):
    from rosbags.rosbag2 import Reader

    diagnostics = listener.listen(DiagnosticArray, '/diagnostics')
    listener.wait(lambda: set(node_processes()) == {'hand_nodes'}, 'one process')
    listener.wait(lambda: node_processes() == {}, 'the end of the bag')
    with Reader(tmp_path / 'results') as reader:
        assert reader.topics['/hands/mesh'].msgcount >= 5
        assert reader.topics['/hands/topology'].msgcount == 2
    seconds = {message.header.stamp.sec for message in diagnostics}
    assert seconds & {1_700_000_000, 1_700_000_001}


@launch_pytest.fixture
def mono(ros_domain):
    topics = {'image_topic': f'{LEFT}/image', 'camera_info_topic': f'{LEFT}/camera_info'}
    return including('mono', ros_domain, texture='false', **topics)


@pytest.mark.launch(fixture=mono)
def test_mono_takes_one_camera(listener, play, zed_bag):
    meshes = listener.listen(HandMeshArray, '/hands/mesh')
    play(zed_bag, f'{LEFT}/image=keypoint_node', f'{LEFT}/camera_info=handnet_node')
    listener.wait(lambda: len(with_hands(meshes)) >= 3, 'meshes')
    (mesh,) = with_hands(meshes)[-1].hands
    assert mesh.flags & mesh.FLAG_SCALE_PRIOR and len(mesh.views) == 1
    assert set(node_processes()) == NODES - {'texture_node'}
    yield
    assert node_processes() == {}


@pytest.mark.parametrize('name', ['stereo', 'mono', 'replay'])
def test_every_argument_is_described(name):
    """`ros2 launch realhands NAME.launch.py --show-args`."""
    source = PythonLaunchDescriptionSource(str(resource_path(f'launch/{name}.launch.py')))
    service = launch.LaunchService()
    arguments = source.get_launch_description(service.context).get_launch_arguments()
    names = {argument.name for argument in arguments}
    common = {'params_file', 'namespace', 'use_sim_time', 'composition', 'rviz', 'record'}
    assert common <= names
    own = {
        'stereo': {'camera_name', 'camera_model', 'zed_wrapper_version', 'start_camera'},
        'mono': {'image_topic', 'camera_info_topic'},
        'replay': {'bag', 'rate', 'loop', 'clock'},
    }
    assert own[name] <= names
    assert all(argument.description.strip() for argument in arguments)


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [
        ('replay', {'bag': '/none'}),
        ('stereo', {'namespace': '1cell'}),
        ('stereo', {'params_file': '/none.yaml'}),
        ('mono', {'record': '/'}),
    ],
)
def test_what_cannot_be_starts_nothing(name, arguments):
    source = PythonLaunchDescriptionSource(str(resource_path(f'launch/{name}.launch.py')))
    service = launch.LaunchService()
    service.include_launch_description(
        launch.LaunchDescription(
            [IncludeLaunchDescription(source, launch_arguments=arguments.items())]
        )
    )
    assert service.run() == 1
    assert node_processes() == {}


LAUNCH = """
import sys, launch
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
include = IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]))
service = launch.LaunchService()
service.include_launch_description(launch.LaunchDescription([include]))
service.run()
"""


def test_no_node_outlives_launch(listener, ros_domain):
    path = resource_path('launch/stereo.launch.py')
    process = psutil.Popen(
        [sys.executable, '-c', LAUNCH, str(path)],
        env=os.environ | {'ROS_DOMAIN_ID': str(ros_domain)},
    )
    try:
        listener.wait(lambda: node_names(listener, '/') >= NODES, 'the nodes')
        nodes = process.children(recursive=True)
        assert len(nodes) == len(NODES)
    finally:
        process.kill()
        process.wait()
    listener.wait(lambda: not psutil.wait_procs(nodes, timeout=0)[1], 'their end')


# What is given to the wrapper, and what it makes of it when nothing is.
WRAPPER = """
import json
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

NAMES = ('camera_name', 'camera_model', 'namespace', 'ros_params_override_path')


def write(context):
    values = {name: LaunchConfiguration(name).perform(context) for name in NAMES}
    with open('%s', 'w') as file:
        json.dump(values, file)


def generate_launch_description():
    arguments = [DeclareLaunchArgument(name, default_value='') for name in NAMES]
    return LaunchDescription([*arguments, OpaqueFunction(function=write)])
"""


def test_the_camera_keeps_its_names_and_the_nodes_theirs(tmp_path, monkeypatch):
    share, index = 'share/zed_wrapper/launch', 'share/ament_index/resource_index/packages'
    for folder in (share, index):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / index / 'zed_wrapper').touch()
    given = tmp_path / 'given.json'
    (tmp_path / share / 'zed_camera.launch.py').write_text(WRAPPER % given)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path), prepend=os.pathsep)
    service = launch.LaunchService()
    values = {'start_camera': 'true', 'namespace': 'cell', 'camera_name': 'front'}
    service.context.launch_configurations.update(values)
    service.include_launch_description(
        launching.description(
            launching.common_arguments(), launching.zed_arguments(), [launching.zed_camera()]
        )
    )
    assert service.run() == 0
    assert json.loads(given.read_text()) == {
        'camera_name': 'front',
        'camera_model': 'zed2i',
        'namespace': '',
        'ros_params_override_path': str(resource_path('config/zed_stereo_only.yaml')),
    }
    assert service.context.launch_configurations['namespace'] == 'cell'
