"""
The live system on a ZED: ``ros2 launch realhands stereo.launch.py``.

``ros2 launch realhands stereo.launch.py --show-args`` lists the arguments.
"""

from launch import LaunchDescription

from realhands_ros.system import launching


def generate_launch_description() -> LaunchDescription:
    """Start the nodes, and the camera if it is wanted."""
    return launching.description(
        launching.common_arguments(),
        launching.zed_arguments(),
        launching.environment(),
        [launching.checks()],
        [launching.zed_camera(), launching.stereo_nodes()],
        [launching.recorder(), launching.rviz()],
    )
