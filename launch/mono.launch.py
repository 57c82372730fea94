"""The live system on a single calibrated camera: ``ros2 launch realhands mono.launch.py``."""

from launch import LaunchDescription

from realhands_ros.system import launching


def generate_launch_description() -> LaunchDescription:
    """Start the nodes."""
    return launching.description(
        launching.common_arguments(),
        launching.mono_arguments(),
        launching.environment(),
        [launching.checks()],
        [launching.mono_nodes(), launching.recorder(), launching.rviz()],
    )
