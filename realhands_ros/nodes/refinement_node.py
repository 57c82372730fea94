"""The refinement node: regressed meshes in, refined ones out, and what robots make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from realhands.msg import HandMeshArray
from realhands_ros.configuration.parameters import REFINEMENT_PARAMETERS
from realhands_ros.configuration.stages import optional_path, refinement_config
from realhands_ros.data.hands import HandMesh, MeshFlag
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.messages.conversion import mesh_from_msg, mesh_to_msg
from realhands_ros.nodes.camera_feed import CameraFeed
from realhands_ros.nodes.outputs import AdapterOutputs, WristOutputs, point_cloud
from realhands_ros.nodes.stage_node import StageNode, nanoseconds
from realhands_ros.nodes.warm_up import rehearsals, rehearse

if TYPE_CHECKING:
    from realhands_ros.refinement.stage import RefinementStage

# A hand that was last seen longer ago than this has moved on.
_LAST_IS_OLD_NS = 200_000_000


class RefinementNode(StageNode):
    """Publishes ``hands/mesh`` of every frame."""

    def __init__(self, **options: Any) -> None:
        super().__init__('refinement_node', REFINEMENT_PARAMETERS, **options)
        self._feed = CameraFeed(self)
        self._stage: RefinementStage | None = None
        self._last: dict[str, HandMesh] = {}
        self._last_ns = 0

    def load(self) -> None:
        """Load the hand model."""
        # Imported here: the middleware finds the other nodes meanwhile.
        from realhands_ros.refinement.stage import RefinementStage

        folder = optional_path(self.values['model_folder']) or default_model_folder()
        data = load_hand_model_data(folder, 'right')
        self._stage = stage = RefinementStage(data, refinement_config(self.values))
        for hand in rehearsals(folder, stereo=self.values['stereo']):
            refined = stage(hand.mesh, hand.cameras)
            rehearse(partial(stage, hand.mesh, hand.cameras))
            rehearse(partial(stage, hand.mesh, hand.cameras, refined))
        self._meshes = self.add_output(HandMeshArray, 'hands/mesh')
        self._points = self.add_output(PointCloud2, 'hands/points')
        self._wrists = WristOutputs(
            self,
            publish_tf=self.values['publish_tf'],
            frame_prefix=self.values['frame_prefix'],
        )
        self._adapters = AdapterOutputs(self, HandSkeleton.from_model(data))

    def listen(self) -> None:
        """Subscribe to the regressed meshes."""
        self._feed.listen()
        self.add_input(HandMeshArray, 'hands/mesh_regressed', self.accept)

    def process(self, item: HandMeshArray) -> tuple[Header, int]:
        """Refine the hands of one frame."""
        regressed = [mesh_from_msg(hand) for hand in item.hands]
        last = self._last_meshes(nanoseconds(item.header.stamp))
        meshes = [self._refine(mesh, last.get(mesh.id)) for mesh in regressed]
        self._last = {mesh.id: mesh for mesh in meshes}
        self._publish(item.header, [mesh_to_msg(mesh, item.header) for mesh in meshes])
        self._publish_derived(item.header, meshes)
        return item.header, len(meshes)

    def give_up(self, item: HandMeshArray) -> None:
        """Say that the node lives but could not use these meshes."""
        self._publish(item.header, [])

    def unload(self) -> None:
        """Free the stage and forget the hands."""
        self._stage, self._last = None, {}

    def facts(self) -> dict[str, str]:
        """Tell of the calibration."""
        return {'calibration': self._feed.calibration}

    def _refine(self, mesh: HandMesh, last: HandMesh | None) -> HandMesh:
        refined = replace(self._stage(mesh, self._feed.cameras, last), world_landmarks=())
        return refined if self.values['publish_images'] else without_images(refined)

    def _last_meshes(self, stamp_ns: int) -> dict[str, HandMesh]:
        """Return the meshes of the last frame, none if it was long ago or time went back."""
        passed_ns = stamp_ns - self._last_ns
        self._last_ns = stamp_ns
        is_recent = 0 <= passed_ns <= _LAST_IS_OLD_NS
        return self._last if self.values['use_last'] and is_recent else {}

    def _publish_derived(self, header: Header, meshes: list[HandMesh]) -> None:
        if self._points.get_subscription_count():
            self._points.publish(point_cloud(header, meshes))
        chosen = [
            mesh
            for mesh in one_of_each_side(meshes)
            if self.values['publish_doubtful'] or MeshFlag.LOW_CONFIDENCE not in mesh.flags
        ]
        self._wrists.publish(header, chosen)
        self._adapters.publish(header, chosen)

    def _publish(self, header: Header, hands: list[Any]) -> None:
        self._meshes.publish(HandMeshArray(header=header, hands=hands))


def one_of_each_side(meshes: Sequence[HandMesh]) -> list[HandMesh]:
    """Return the surest left and the surest right hand."""
    best = {mesh.handedness: mesh for mesh in sorted(meshes, key=lambda mesh: mesh.score)}
    return list(best.values())


def without_images(mesh: HandMesh) -> HandMesh:
    """Return a mesh whose views have no crops and silhouettes."""
    views = tuple(replace(view, crop=None, silhouette=None) for view in mesh.views)
    return replace(mesh, views=views)
