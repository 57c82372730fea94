"""The keypoint node: images of one or two cameras in, observations of hands out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from realhands.msg import HandMeshArray, HandObservationArray
from realhands_ros.configuration.parameters import KEYPOINT_PARAMETERS
from realhands_ros.configuration.stages import keypoint_config, optional_path
from realhands_ros.data.frames import StereoFrame
from realhands_ros.messages.decode import mesh_from_msg
from realhands_ros.messages.encode import observation_to_msg
from realhands_ros.messages.images import decode_image
from realhands_ros.messages.topics import MESH, OBSERVATIONS
from realhands_ros.nodes.camera_feed import CameraFeed
from realhands_ros.nodes.flow_control import FlowControl, Pairer
from realhands_ros.nodes.overlay import OverlayOutput
from realhands_ros.nodes.quality_of_service import images
from realhands_ros.nodes.stage_node import StageNode, nanoseconds
from realhands_ros.nodes.warm_up import empty_frame, rehearse

if TYPE_CHECKING:
    from realhands_ros.keypoints.stage import KeypointStage


# Meshes that take longer than this to come back are none of a live system.
_PATIENCE_S = 0.25


class KeypointNode(StageNode):
    """Publishes ``hands/observations`` of every pair of images."""

    def __init__(self, **options: Any) -> None:
        super().__init__('keypoint_node', KEYPOINT_PARAMETERS, **options)
        self._feed = CameraFeed(self)
        self._pairer: Pairer[Image] = Pairer(slop_ns=round(1e9 * self.values['sync_slop']))
        self._stage: KeypointStage | None = None
        self._overlay: OverlayOutput | None = None
        self._flow = FlowControl(self.values['frames_under_way'], _PATIENCE_S)

    def load(self) -> None:
        """Load the detector's models."""
        # Imported here: the middleware finds the other nodes meanwhile.
        from realhands_ros.keypoints.stage import KeypointStage

        self._stage = KeypointStage(keypoint_config(self.values))
        frame = empty_frame(stereo=self.values['stereo'])
        rehearse(lambda: self._stage(frame))
        self._stage.reset()
        self._observations = self.add_output(HandObservationArray, OBSERVATIONS)
        folder = optional_path(self.values['model_folder'])
        self._overlay = OverlayOutput(self, self.values['overlay_rate'], folder)

    def listen(self) -> None:
        """Subscribe to the cameras, and to the meshes of earlier frames."""
        qos = images(self.values['image_reliability'])
        self._pairer.clear()
        self._feed.listen()
        for eye in self._feed.eyes:
            self.add_input(Image, f'{eye}/image', partial(self._on_image, eye), qos)
        self.add_input(HandMeshArray, MESH, self._on_meshes)

    def process(self, item: tuple[Image, ...]) -> tuple[Header, int]:
        """Find the hands in the images of one instant."""
        header = item[0].header
        cameras, lenses = self._feed.decode()
        frame = StereoFrame(
            nanoseconds(header.stamp),
            header.frame_id,
            tuple(decode_image(image) for image in item),
            cameras,
            lenses,
        )
        self._overlay.keep(frame)
        hands = self._stage(frame)
        self._publish(header, [observation_to_msg(hand, header) for hand in hands])
        self._report_problems()
        return header, len(hands)

    def give_up(self, item: tuple[Image, ...]) -> None:
        """Say that the node lives but saw nothing in these images."""
        self._publish(item[0].header, [])

    def wait(self) -> None:
        """Wait until no more frames are under way to the meshes than the parameter allows."""
        self._flow.wait()

    def afterwards(self) -> None:
        """Search for hands that are not followed yet."""
        self._stage.look_ahead()

    def unload(self) -> None:
        """Close the detectors."""
        stage, self._stage = self._stage, None
        overlay, self._overlay = self._overlay, None
        for part in (overlay, stage):
            if part is not None:
                part.close()

    def facts(self) -> dict[str, str]:
        """Tell of the calibration and of images that found no partner."""
        facts = {'calibration': self._feed.calibration}
        if self.values['stereo']:
            for eye, count in self._pairer.unpaired.items():
                facts[f'{eye} images without a partner since the start'] = str(count)
        return facts

    def _publish(self, header: Header, hands: list[Any]) -> None:
        self._flow.sent(nanoseconds(header.stamp))
        self._observations.publish(HandObservationArray(header=header, hands=hands))

    def _on_image(self, eye: str, image: Image) -> None:
        if not self.values['stereo']:
            self.accept((image,))
            return
        before = sum(self._pairer.unpaired.values())
        pair = self._pairer.add(eye, nanoseconds(image.header.stamp), image)
        if sum(self._pairer.unpaired.values()) > before:
            self.complain(
                'images without a partner of the same stamp: does the other camera publish, and '
                'does its process use the Fast DDS profile (config/fastdds_images.xml), without '
                'which images get lost? For a rig whose stamps differ set sync_slop'
            )
        if pair is not None:
            self.accept(pair)

    def _on_meshes(self, message: HandMeshArray) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._flow.came_back(stamp_ns)
        meshes = [mesh_from_msg(hand) for hand in message.hands]
        if meshes and self.values['use_meshes']:
            self._stage.remember(meshes, stamp_ns)
        self._overlay.show(message.header, stamp_ns, meshes)

    def _report_problems(self) -> None:
        report = self._stage.report
        if report.views_swapped:
            self.complain(
                'the views fit together only with left and right exchanged (negative disparity): '
                'check the remappings of left/image and right/image'
            )
        if report.went_back_s:
            self.complain(
                f'the stamps went back by {report.went_back_s:.3g} s: does a recording start '
                'again, or was a clock set?'
            )
        for view in report.blank_views:
            self.complain(
                f'the {self._feed.eyes[view]} image shows nothing: is the camera covered or dead?'
            )
