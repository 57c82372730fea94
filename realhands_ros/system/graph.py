"""
The system's nodes and how they are wired: the launch files and ``realhands run`` read this table.

Inputs and outputs have relative names. A camera's topics come in by remapping, so that the graph
is the same for every camera.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realhands_ros.configuration.parameters import PARAMETER_TABLES, ParameterTable, Value
from realhands_ros.messages.topics import (
    EYES,
    MESH,
    OBSERVATIONS,
    REGRESSED,
    RESULT_TYPES,
    TEXTURE,
    TOPOLOGY,
    WrapperVersion,
    ZedNames,
)

PACKAGE = 'realhands'
# The executable that runs all nodes in one process.
COMPOSED_EXECUTABLE = 'hand_nodes'
# What a recording of the results holds.
RECORDED_TOPICS = tuple(RESULT_TYPES)

_CAMERA_INFOS = tuple(f'{eye}/camera_info' for eye in EYES)
_IMAGES = tuple(f'{eye}/image' for eye in EYES)


@dataclass(frozen=True)
class NodeSpec:
    """
    One node: its name, which is its executable's as well, and the class that makes it.

    ``factory`` is 'module:class', imported only where the node runs. ``inputs`` and ``outputs``
    are the topics that it always has; those of the right camera belong to stereo.
    """

    name: str
    factory: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def parameters(self) -> ParameterTable:
        """Return the node's parameters."""
        return PARAMETER_TABLES[self.name]


GRAPH = (
    NodeSpec(
        'keypoint_node',
        'realhands_ros.nodes.keypoint_node:KeypointNode',
        inputs=(*_IMAGES, *_CAMERA_INFOS, MESH),
        outputs=(OBSERVATIONS, 'hands/overlay'),
    ),
    NodeSpec(
        'handnet_node',
        'realhands_ros.nodes.handnet_node:HandNetNode',
        inputs=(OBSERVATIONS, *_CAMERA_INFOS),
        outputs=(REGRESSED, TOPOLOGY),
    ),
    NodeSpec(
        'refinement_node',
        'realhands_ros.nodes.refinement_node:RefinementNode',
        inputs=(REGRESSED, *_CAMERA_INFOS),
        outputs=(MESH, 'hands/points', 'hands/left/wrist', 'hands/right/wrist'),
    ),
    NodeSpec(
        'texture_node',
        'realhands_ros.nodes.texture_node:TextureNode',
        inputs=(MESH, REGRESSED, *_CAMERA_INFOS),
        outputs=(TEXTURE, 'hands/markers'),
    ),
)


def zed_remappings(version: WrapperVersion, camera: str) -> dict[str, str]:
    """Return the remappings to a ZED's topics; ConfigError for an unknown wrapper version."""
    names = ZedNames(version, camera)
    images = {f'{eye}/image': names.image(eye) for eye in EYES}
    return images | {f'{eye}/camera_info': names.camera_info(eye) for eye in EYES}


def mono_remappings(image: str, camera_info: str) -> dict[str, str]:
    """Return the remappings to the topics of a single camera."""
    return {'left/image': image, 'left/camera_info': camera_info}


@dataclass(frozen=True)
class Wiring:
    """
    How the nodes are started without the launch package.

    ``remappings`` and ``parameters`` are for all nodes; a node takes the parameters that it has.
    ``texts`` are parameters in YAML, as people type them.
    """

    nodes: tuple[str, ...] = tuple(spec.name for spec in GRAPH)
    remappings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Value] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    params_file: Path | None = None
    namespace: str = ''
    composition: bool = False

    def commands(self) -> dict[str, list[str]]:
        """Return the command of each process by its name; a single one for ``composition``."""
        if self.composition:
            return {COMPOSED_EXECUTABLE: self._command(self.nodes)}
        return {name: self._command((name,)) for name in self.nodes}

    def awaited(self) -> list[str]:
        """Return 'topic=node' of each input that a node listens to once it works."""
        # With the first image the calibration must arrive, or that image is lost.
        return [
            f'{self.resolved(topic)}={spec.name}'
            for spec in GRAPH
            if spec.name in self.nodes
            for topic in spec.inputs
            if self.is_stereo or not topic.startswith('right/')
        ]

    def resolved(self, topic: str) -> str:
        """Return the absolute name of a topic of the graph."""
        outer = self.remappings.get(topic, topic)
        if outer.startswith('/'):
            return outer
        return '/'.join(('', *filter(None, (self.namespace.strip('/'), outer))))

    def namespace_arguments(self) -> list[str]:
        """Return the ROS arguments that put a process into the namespace."""
        return ['-r', f'__ns:=/{self.namespace.strip("/")}'] if self.namespace else []

    @property
    def is_stereo(self) -> bool:
        """Return whether the nodes take two cameras."""
        text = self.texts.get('stereo', self.parameters.get('stereo', True))
        return str(text).lower() != 'false'

    def _command(self, names: Sequence[str]) -> list[str]:
        command = [sys.executable, '-m', 'realhands_ros.system.executable', *names, '--ros-args']
        command += self.namespace_arguments()
        for inner, outer in self.remappings.items():
            command += ['-r', f'{inner}:={outer}']
        if self.params_file is not None:
            command += ['--params-file', str(self.params_file)]
        values = {name: json.dumps(value) for name, value in self.parameters.items()}
        for name, text in (values | dict(self.texts)).items():
            command += ['-p', f'{name}:={text}']
        return command


def player_command(
    bag: Path,
    wiring: Wiring,
    *,
    rate: float = 1.0,
    loop: bool = False,
    clock: bool = False,
    also_await: Sequence[str] = (),
    settle_s: float = 0.0,
    timing: Path | None = None,
) -> list[str]:
    """
    Return the command that plays a bag once the nodes of ``wiring`` listen.

    ``also_await``: 'topic=node' of others that must listen, the topic as in the graph;
    ``settle_s``: seconds to wait after that; ``timing``: where to write what was sent when.
    """
    others = [entry.partition('=') for entry in also_await]
    awaited = [*wiring.awaited(), *(f'{wiring.resolved(t)}={node}' for t, _, node in others)]
    command = [sys.executable, '-m', 'realhands_ros.system.player', str(bag)]
    command += ['--rate', str(rate), '--settle', str(settle_s), '--wait-for', *awaited]
    command += ['--timing', str(timing)] if timing else []
    command += ['--loop'] if loop else []
    return command + (['--clock'] if clock else [])


def recorder_command(bag: Path, wiring: Wiring, *, timing: Path | None = None) -> list[str]:
    """
    Return the command that records what the nodes of ``wiring`` publish.

    ``timing``: where to write what came when.
    """
    command = [sys.executable, '-m', 'realhands_ros.system.recorder', str(bag)]
    command += ['--timing', str(timing)] if timing else []
    return [*command, '--ros-args', *wiring.namespace_arguments()]
