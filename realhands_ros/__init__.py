"""Metric, textured 3D hand meshes from a calibrated stereo camera, for ROS 2."""

from realhands_ros import former_names

__version__ = '0.1.0'

former_names.install()
