"""The network node: observations of hands in, regressed meshes out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from std_msgs.msg import Header

from realhands.msg import HandMeshArray, HandObservationArray, HandTopology
from realhands_ros.configuration.parameters import HANDNET_PARAMETERS
from realhands_ros.configuration.stages import handnet_config
from realhands_ros.hand.model_file import default_model_folder, load_mesh_topology
from realhands_ros.messages.decode import observation_from_msg
from realhands_ros.messages.encode import mesh_to_msg, topology_to_msg
from realhands_ros.messages.topics import OBSERVATIONS, REGRESSED, TOPOLOGY
from realhands_ros.nodes.camera_feed import CameraFeed
from realhands_ros.nodes.quality_of_service import LATCHED
from realhands_ros.nodes.stage_node import StageNode
from realhands_ros.nodes.warm_up import rehearsals, rehearse

if TYPE_CHECKING:
    from realhands_ros.handnet.stage import HandNetStage


class HandNetNode(StageNode):
    """Publishes ``hands/mesh_regressed`` of every frame, and the latched ``hands/topology``."""

    def __init__(self, **options: Any) -> None:
        super().__init__('handnet_node', HANDNET_PARAMETERS, **options)
        self._feed = CameraFeed(self)
        self._stage: HandNetStage | None = None

    def load(self) -> None:
        """Load weights and hand model."""
        # Imported here: the middleware finds the other nodes meanwhile.
        from realhands_ros.handnet.stage import HandNetStage

        config = handnet_config(self.values)
        self._stage = stage = HandNetStage(config)
        for hand in rehearsals(config.model_folder, stereo=self.values['stereo']):
            rehearse(partial(stage, [hand.observation], hand.cameras))
        folder = config.model_folder or default_model_folder()
        self._topologies = [
            topology_to_msg(load_mesh_topology(folder, side)) for side in ('left', 'right')
        ]
        self._meshes = self.add_output(HandMeshArray, REGRESSED)
        self._topology = self.add_output(HandTopology, TOPOLOGY, LATCHED)

    def listen(self) -> None:
        """Say once what the meshes are made of, and subscribe to the observations."""
        for topology in self._topologies:
            self._topology.publish(topology)
        self._feed.listen()
        self.add_input(HandObservationArray, OBSERVATIONS, self.accept)

    def process(self, item: HandObservationArray) -> tuple[Header, int]:
        """Reconstruct the hands of one frame."""
        observations = [observation_from_msg(hand) for hand in item.hands]
        # A frame without hands needs no calibration.
        cameras = self._feed.cameras if observations else ()
        result = self._stage(observations, cameras)
        self._publish(item.header, [mesh_to_msg(mesh, item.header) for mesh in result.meshes])
        for rejected in result.rejected:
            self.complain(f'a hand gave no mesh: {rejected.reason}')
        return item.header, len(result.meshes)

    def give_up(self, item: HandObservationArray) -> None:
        """Say that the node lives but could not use these observations."""
        self._publish(item.header, [])

    def unload(self) -> None:
        """Free the network."""
        self._stage = None

    def facts(self) -> dict[str, str]:
        """Tell of the calibration."""
        return {'calibration': self._feed.calibration}

    def _publish(self, header: Header, hands: list[Any]) -> None:
        self._meshes.publish(HandMeshArray(header=header, hands=hands))
