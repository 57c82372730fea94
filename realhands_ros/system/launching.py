"""What the launch files share: actions of the launch package made from the graph's table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from realhands_ros.configuration.files import read_parameter_file
from realhands_ros.errors import ConfigError
from realhands_ros.messages.topics import WRAPPER_VERSIONS, ZedNames
from realhands_ros.resources import resource_path
from realhands_ros.system.dds_profile import profile_variables
from realhands_ros.system.graph import (
    COMPOSED_EXECUTABLE,
    GRAPH,
    PACKAGE,
    NodeSpec,
    Wiring,
    mono_remappings,
    player_command,
    recorder_command,
    zed_remappings,
)
from realhands_ros.system.preflight import check_bag, check_names, check_rate, check_record
from realhands_ros.system.supervisor import PARENT_VARIABLE


def _switch(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        name, default_value=default, choices=['true', 'false'], description=description
    )


def _text(name: str, default: str, description: str) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(name, default_value=default, description=description)


def common_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments of every launch file."""
    return [
        _text(
            'params_file',
            str(resource_path('config/stereo.yaml')),
            'Parameters of the nodes; see config/stereo.yaml for all of them.',
        ),
        _text('namespace', '', 'Namespace of the nodes and of their topics.'),
        _switch('use_sim_time', 'false', 'Take the time from /clock.'),
        _switch('composition', 'false', 'All nodes in one process instead of one each.'),
        _switch('texture', 'true', 'Run the texture node.'),
        _switch('respawn', 'true', 'Start a node anew that has died.'),
        _switch('rviz', 'false', 'Open RViz.'),
        _text('record', '', 'Folder of a bag to record the results to; empty for none.'),
    ]


def zed_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments that name a ZED."""
    return [
        _text('camera_name', 'zed', "The wrapper's camera_name."),
        _text('camera_model', 'zed2i', "The wrapper's camera_model (with start_camera)."),
        DeclareLaunchArgument(
            'zed_wrapper_version',
            default_value=WRAPPER_VERSIONS[-1],
            choices=list(WRAPPER_VERSIONS),
            description='Generation of the topic names: up to 5.0, or from 5.1.',
        ),
        _switch('start_camera', 'false', 'Start the ZED wrapper too, with depth off.'),
    ]


def bag_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments that name a bag."""
    return [
        DeclareLaunchArgument('bag', description='Folder of a rosbag2 recording.'),
        _text('rate', '1.0', 'Speed of the replay.'),
        _switch('loop', 'false', 'Start anew at the end.'),
        _switch('clock', 'false', "Publish the bag's time on /clock; see use_sim_time."),
    ]


def mono_arguments() -> list[DeclareLaunchArgument]:
    """Return the arguments that name a single camera."""
    return [
        _text('image_topic', 'image', 'Topic of the images.'),
        _text('camera_info_topic', 'camera_info', 'Topic of their calibration.'),
        DeclareLaunchArgument(
            'image_reliability',
            default_value='best_effort',
            choices=['reliable', 'best_effort'],
            description='Of the subscription; best_effort takes images of any camera.',
        ),
    ]


def stereo_nodes() -> OpaqueFunction:
    """Return the action that starts the nodes on a ZED's topics."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        return _nodes(context, _zed_remappings(context), {'stereo': True})

    return OpaqueFunction(function=start)


def mono_nodes() -> OpaqueFunction:
    """Return the action that starts the nodes on a single camera's topics."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        topics = mono_remappings(
            _value(context, 'image_topic'), _value(context, 'camera_info_topic')
        )
        reliability = _value(context, 'image_reliability')
        return _nodes(context, topics, {'stereo': False, 'image_reliability': reliability})

    return OpaqueFunction(function=start)


def bag_player() -> OpaqueFunction:
    """Return the action that plays the bag once the nodes listen; its end ends everything."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        command = player_command(
            _path(context, 'bag'),
            _wiring(context),
            rate=_number(context, 'rate'),
            loop=_is_on(context, 'loop'),
            clock=_is_on(context, 'clock'),
        )
        end = EmitEvent(event=Shutdown(reason='the bag is over'))
        return [ExecuteProcess(name='bag_player', cmd=command, output='screen', on_exit=end)]

    return OpaqueFunction(function=start)


def checks() -> OpaqueFunction:
    """Return the action that raises for what cannot be, before anything is started."""

    def check(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        read_parameter_file(_path(context, 'params_file'))
        check_names(_value(context, 'namespace'), {})
        if _value(context, 'record'):
            check_record(_path(context, 'record'))
        if 'bag' in context.launch_configurations:
            check_rate(_number(context, 'rate'))
            check_bag(_path(context, 'bag'), _wiring(context))
        if _is_on(context, 'rviz'):
            get_package_prefix('rviz2')
        return []

    return OpaqueFunction(function=check)


def zed_camera() -> GroupAction:
    """Return the action that starts the ZED wrapper, if it is wanted."""
    wrapper = PathJoinSubstitution(
        [FindPackageShare('zed_wrapper'), 'launch', 'zed_camera.launch.py']
    )
    arguments = {
        'camera_name': LaunchConfiguration('camera_name'),
        'camera_model': LaunchConfiguration('camera_model'),
        # Ours is that of the nodes; the wrapper would take it over and rename its topics.
        'namespace': '',
        'ros_params_override_path': str(resource_path('config/zed_stereo_only.yaml')),
    }
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(wrapper), launch_arguments=arguments.items()
    )
    # In a group, and so in a scope: what is set for the wrapper is not set for the nodes.
    return GroupAction([include], condition=IfCondition(LaunchConfiguration('start_camera')))


def environment() -> list[SetEnvironmentVariable]:
    """
    Return the actions that prepare the environment of the processes.

    Images pass between them without loss, and none outlives launch, however that ends.
    """
    variables = profile_variables() | {PARENT_VARIABLE: str(os.getpid())}
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def rviz() -> OpaqueFunction:
    """Return the action that opens RViz, if it is wanted."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if not _is_on(context, 'rviz'):
            return []
        arguments = ['-d', str(resource_path('config/realhands.rviz'))]
        # The frame of a single camera is its driver's business.
        if 'camera_name' in context.launch_configurations:
            names = ZedNames(
                _value(context, 'zed_wrapper_version'), _value(context, 'camera_name')
            )
            arguments += ['-f', names.optical_frame('left')]
        options = {
            'namespace': _value(context, 'namespace'),
            'arguments': arguments,
            'parameters': [{'use_sim_time': _is_on(context, 'use_sim_time')}],
        }
        return [Node(package='rviz2', executable='rviz2', **options)]

    return OpaqueFunction(function=start)


def recorder() -> OpaqueFunction:
    """Return the action that records the results, if that is wanted."""

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if not _value(context, 'record'):
            return []
        wiring = Wiring(namespace=_value(context, 'namespace'))
        command = recorder_command(_path(context, 'record'), wiring)
        return [ExecuteProcess(name='recorder', cmd=command, output='screen')]

    return OpaqueFunction(function=start)


def description(*parts: Sequence[LaunchDescriptionEntity]) -> LaunchDescription:
    """Return the launch description of some groups of entities."""
    return LaunchDescription([entity for part in parts for entity in part])


def _nodes(
    context: LaunchContext, remappings: Mapping[str, str], parameters: Mapping[str, object]
) -> list[LaunchDescriptionEntity]:
    specs = _specs(context)
    options = {
        'package': PACKAGE,
        'namespace': _value(context, 'namespace'),
        'parameters': [
            str(_path(context, 'params_file')),
            {'use_sim_time': _is_on(context, 'use_sim_time'), **parameters},
        ],
        'remappings': list(remappings.items()),
        'respawn': _is_on(context, 'respawn'),
        'respawn_delay': 0.2,
        'output': 'screen',
    }
    if _is_on(context, 'composition'):
        # No name: one given here would become that of each node in the process.
        names = [spec.name for spec in specs]
        return [Node(executable=COMPOSED_EXECUTABLE, arguments=names, **options)]
    return [Node(executable=spec.name, name=spec.name, **options) for spec in specs]


def _specs(context: LaunchContext) -> list[NodeSpec]:
    with_texture = _is_on(context, 'texture')
    return [spec for spec in GRAPH if with_texture or spec.name != 'texture_node']


def _zed_remappings(context: LaunchContext) -> dict[str, str]:
    return zed_remappings(_value(context, 'zed_wrapper_version'), _value(context, 'camera_name'))


def _wiring(context: LaunchContext) -> Wiring:
    return Wiring(
        nodes=tuple(spec.name for spec in _specs(context)),
        remappings=_zed_remappings(context),
        namespace=_value(context, 'namespace'),
    )


def _path(context: LaunchContext, name: str) -> Path:
    # A shell leaves the ~ of NAME:=~/... as it is.
    return Path(_value(context, name)).expanduser()


def _number(context: LaunchContext, name: str) -> float:
    text = _value(context, name)
    try:
        return float(text)
    except ValueError as error:
        message = f'{name}:={text} is no number'
        raise ConfigError(message) from error


def _value(context: LaunchContext, name: str) -> str:
    return context.perform_substitution(LaunchConfiguration(name))


def _is_on(context: LaunchContext, name: str) -> bool:
    return _value(context, name) == 'true'
