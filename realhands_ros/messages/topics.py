"""
The topics of a recording and of the running system: the camera's, the results, the truth.

The ZED ROS 2 wrapper names its topics and frames by generation. Version 5.1 renamed the image
topics and the optical frames (the wrapper's CHANGELOG.rst); the camera_info of an image is the
topic of that name beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realhands_ros.errors import ConfigError

WrapperVersion = Literal['5.0', '5.1']
WRAPPER_VERSIONS: tuple[WrapperVersion, ...] = ('5.0', '5.1')

Eye = Literal['left', 'right']
EYES: tuple[Eye, ...] = ('left', 'right')

# What the nodes publish, in the order of the stages, and of which type each is.
OBSERVATIONS, REGRESSED, MESH, TEXTURE, TOPOLOGY = (
    'hands/observations', 'hands/mesh_regressed', 'hands/mesh', 'hands/texture', 'hands/topology',
)  # fmt: skip
RESULT_TYPES = {
    OBSERVATIONS: 'realhands/msg/HandObservationArray',
    REGRESSED: 'realhands/msg/HandMeshArray',
    MESH: 'realhands/msg/HandMeshArray',
    TEXTURE: 'realhands/msg/HandTexture',
    TOPOLOGY: 'realhands/msg/HandTopology',
}
# The last message of these is kept for who subscribes later.
LATCHED_TOPICS = frozenset({TOPOLOGY})

# The truth in a recording.
TRUTH_TOPIC = '/ground_truth/hands'
TRUTH_TOPOLOGY_TOPIC = '/ground_truth/topology'

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
HANDS_TYPE = RESULT_TYPES[MESH]


@dataclass(frozen=True)
class ZedNames:
    """
    Names of a camera that a wrapper of ``version`` publishes: '5.0' up to 5.0, '5.1' from there.

    ``camera`` is the camera_name of the wrapper's launch file. Raises ConfigError for an unknown
    version.
    """

    version: WrapperVersion
    camera: str = 'zed'

    def __post_init__(self) -> None:
        """Check the version."""
        if self.version not in WRAPPER_VERSIONS:
            message = (
                f'ZED wrapper version {self.version!r} is unknown; use one of '
                f'{", ".join(WRAPPER_VERSIONS)}'
            )
            raise ConfigError(message)

    def image(self, eye: Eye) -> str:
        """Return the topic of the rectified colour image."""
        name = 'image_rect_color' if self.version == '5.0' else 'color/rect/image'
        return f'/{self.camera}/zed_node/{eye}/{name}'

    def camera_info(self, eye: Eye) -> str:
        """Return the topic of the rectified image's calibration."""
        return self.image(eye).rpartition('/')[0] + '/camera_info'

    def optical_frame(self, eye: Eye) -> str:
        """Return the frame_id of image and calibration."""
        suffix = 'optical_frame' if self.version == '5.0' else 'frame_optical'
        return f'{self.camera}_{eye}_camera_{suffix}'
