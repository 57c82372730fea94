"""Metric, textured 3D hand meshes from a calibrated stereo camera, for ROS 2."""

__version__ = '0.1.0'
