"""A ZED's bag through the live system: ``ros2 launch realhands replay.launch.py bag:=...``."""

from launch import LaunchDescription

from realhands_ros.system import launching


def generate_launch_description() -> LaunchDescription:
    """Start the nodes, play the bag once they listen, and end with it."""
    return launching.description(
        launching.bag_arguments(),
        launching.common_arguments(),
        launching.zed_arguments(),
        launching.environment(),
        [launching.checks()],
        [launching.stereo_nodes(), launching.bag_player()],
        [launching.recorder(), launching.rviz()],
    )
