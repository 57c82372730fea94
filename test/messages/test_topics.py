"""Names are those of zed-ros2-wrapper."""

import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.messages.topics import ZedNames


def test_names_up_to_5_0():
    names = ZedNames('5.0', camera='head')
    assert names.image('left') == '/head/zed_node/left/image_rect_color'
    assert names.camera_info('left') == '/head/zed_node/left/camera_info'
    assert names.optical_frame('right') == 'head_right_camera_optical_frame'


def test_names_from_5_1():
    names = ZedNames('5.1')
    assert names.image('right') == '/zed/zed_node/right/color/rect/image'
    assert names.camera_info('right') == '/zed/zed_node/right/color/rect/camera_info'
    assert names.optical_frame('left') == 'zed_left_camera_frame_optical'


def test_an_unknown_version_is_refused():
    with pytest.raises(ConfigError, match="'4.9' is unknown"):
        ZedNames('4.9')
