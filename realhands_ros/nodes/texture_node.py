"""The texture node: refined meshes and their crops in; atlases, and markers for RViz, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from realhands.msg import HandMeshArray, HandTexture
from realhands_ros.configuration.parameters import TEXTURE_PARAMETERS
from realhands_ros.configuration.stages import texture_config
from realhands_ros.data.hands import HandMesh, with_silhouettes
from realhands_ros.errors import ProfileError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.model_file import default_model_folder, load_mesh_topology
from realhands_ros.messages.decode import mesh_from_msg
from realhands_ros.messages.encode import texture_to_msg
from realhands_ros.messages.topics import MESH, REGRESSED, TEXTURE
from realhands_ros.nodes.camera_feed import CameraFeed
from realhands_ros.nodes.flow_control import Pairer, RateLimit
from realhands_ros.nodes.markers import markers
from realhands_ros.nodes.stage_node import StageNode, nanoseconds
from realhands_ros.nodes.warm_up import rehearsals, rehearse
from realhands_ros.texture.profile import (
    CalibrationState,
    PersonalShape,
    load_profile_in_use,
    use_profile,
)
from realhands_ros.texture.stage import TextureStage

# A refined mesh and the regressed one of the same stamp, which has the crops.
_SOURCES = ('mesh', 'mesh_regressed')


class TextureNode(StageNode):
    """Publishes ``hands/texture`` and, while somebody looks, ``hands/markers``."""

    def __init__(self, **options: Any) -> None:
        super().__init__('texture_node', TEXTURE_PARAMETERS, **options)
        self._feed = CameraFeed(self)
        self._pairer: Pairer[HandMeshArray] = Pairer(_SOURCES)
        self._stage: TextureStage | None = None
        # The worker paints while a service may start over.
        self._painting = Lock()
        self.create_service(Trigger, '~/reset_texture', self._on_reset)
        self._is_profile_unfit = False
        self._updates = RateLimit(self.values['update_rate'])
        self._atlases_due = RateLimit(self.values['texture_rate'])
        self._markers_due = RateLimit(self.values['marker_rate'])

    def load(self) -> None:
        """Lay out the atlases, and begin with the profile in use if there is one."""
        config = texture_config(self.values)
        self._stage = stage = TextureStage(config)
        for hand in rehearsals(config.model_folder, stereo=self.values['stereo']):
            mesh = replace(hand.mesh, topology_key='')
            rehearse(partial(_paint, stage, mesh, hand.cameras))
        stage.reset()
        if self.values['load_profile']:
            self._take_up_profile()
        folder = config.model_folder or default_model_folder()
        self._topologies = {side: load_mesh_topology(folder, side) for side in ('left', 'right')}
        self._textures = self.add_output(HandTexture, TEXTURE)
        self._markers = self.add_output(MarkerArray, 'hands/markers')

    def listen(self) -> None:
        """Subscribe to the refined meshes, and to the regressed ones for their crops."""
        self._pairer.clear()
        self._feed.listen()
        self.add_input(HandMeshArray, MESH, self._on_mesh)
        self.add_input(HandMeshArray, REGRESSED, self._on_regressed)

    def process(self, item: tuple[HandMeshArray, HandMeshArray]) -> tuple[Header, int]:
        """Project one frame's crops onto its meshes."""
        refined, regressed = item
        meshes = with_silhouettes(
            [mesh_from_msg(hand) for hand in refined.hands],
            [mesh_from_msg(hand) for hand in regressed.hands],
        )
        with self._painting:
            textures = self._stage(meshes, self._feed.cameras) if meshes else ()
        if textures and self._atlases_due():
            for texture in textures:
                message = texture_to_msg(texture, refined.header, self.values['texture_format'])
                self._textures.publish(message)
        if self._markers.get_subscription_count() and self._markers_due():
            atlases = {texture.id: texture.atlas for texture in textures if texture.coverage > 0}
            self._markers.publish(markers(refined.header, meshes, atlases, self._topologies))
        return refined.header, len(meshes)

    def unload(self) -> None:
        """Keep what was learnt of the hands, if that is wanted."""
        stage, self._stage = self._stage, None
        may_save = self.values['save_profile'] and not self._is_profile_unfit
        if stage is not None and may_save and stage.profile().hands:
            self.get_logger().info(f'profile saved to {use_profile(stage.profile())}')

    def facts(self) -> dict[str, str]:
        """Tell of the calibration, of the user's shape and of meshes whose crops are missing."""
        shapes = {} if self._stage is None else self._stage.shapes
        return {
            'calibration': self._feed.calibration,
            **{f'shape of the {side} hand': _progress(shape) for side, shape in shapes.items()},
            'meshes without crops since the start': str(self._pairer.unpaired['mesh']),
        }

    def _take_up_profile(self) -> None:
        self._is_profile_unfit = False
        try:
            profile = load_profile_in_use()
            if profile is not None:
                self._stage.load(profile)
        except ProfileError as error:
            # Hands of unknown skin are better than none, and the file is somebody's all the same.
            self._is_profile_unfit = True
            self.complain(f'the profile in use is left alone, and hands begin unknown: {error}')

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Forget skin and shape of both hands: somebody else is in front of the camera."""
        stage = self._stage
        response.success = stage is not None
        response.message = 'both hands start over' if stage else 'the node is not configured'
        if stage is not None:
            with self._painting:
                stage.reset()
        return response

    def _on_mesh(self, message: HandMeshArray) -> None:
        self._accept_pair('mesh', message)

    def _on_regressed(self, message: HandMeshArray) -> None:
        self._accept_pair('mesh_regressed', message)

    def _accept_pair(self, source: str, message: HandMeshArray) -> None:
        pair = self._pairer.add(source, nanoseconds(message.header.stamp), message)
        # Frames beyond the rate are left out on purpose: they are no drops.
        if pair is not None and self._updates():
            self.accept(pair)


def _paint(
    stage: TextureStage, mesh: HandMesh, cameras: Sequence[PinholeCamera]
) -> NDArray[np.uint8]:
    (texture,) = stage([mesh], cameras)
    return texture.atlas


def _progress(shape: PersonalShape) -> str:
    """Return in words how far the shape of a user's hand is known."""
    if shape.state is CalibrationState.HELD:
        return 'held'
    return f'{shape.estimate.frames} of {shape.frames_needed} good frames'
