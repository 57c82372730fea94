"""HandTexture messages from the HandTexture dataclass."""

from __future__ import annotations

import array

import cv2
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from realhands.msg import HandTexture as HandTextureMsg
from realhands_ros.texture.hand_texture import HandTexture


def texture_to_msg(texture: HandTexture, header: Header, image_format: str) -> HandTextureMsg:
    """Build the message of one atlas; ``image_format`` is 'png' or 'jpeg'."""
    done, data = cv2.imencode(f'.{image_format}', texture.atlas[..., ::-1])
    assert done
    atlas = CompressedImage(
        header=header, format=image_format, data=array.array('B', data.tobytes())
    )
    return HandTextureMsg(
        header=header,
        id=texture.id,
        topology_key=texture.topology_key,
        atlas=atlas,
        coverage=texture.coverage,
    )
