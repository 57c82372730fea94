"""`realhands export`: write what other programs read."""

from __future__ import annotations

import argparse

from realhands_ros.cli.commands import add_commands

_ACTIONS = {
    'onnx': 'write the network to an ONNX file',
    'openvino': 'write the network as OpenVINO files, in 8-bit integers with --calibrate',
    'rig': 'write the hands of a profile as glTF (.glb), Wavefront (.obj) or URDF (.urdf)',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands, each of a module export_NAME."""
    add_commands(parser, _ACTIONS, 'export_', dest='action', metavar='ACTION', required=True)
