"""Image files, videos and webcams, there and not there."""

import cv2
import numpy as np
import pytest

from realhands_ros.errors import ConfigError, ImageError
from realhands_ros.viewing.pictures import ImageFiles, VideoFile, Webcam


def film(path, frames=6, rate=12.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path


def test_images_come_in_order_and_unreadable_ones_are_listed(tmp_path):
    for name, value in (('b.png', 10), ('a.png', 20)):
        cv2.imwrite(str(tmp_path / name), np.full((4, 6, 3), value, np.uint8))
    (tmp_path / 'c.png').write_text('no picture')
    files = ImageFiles([tmp_path / name for name in ('b.png', 'c.png', 'a.png')])
    pictures = list(files)
    assert [picture.image[0, 0, 0] for picture in pictures] == [10, 20]
    assert files.unreadable == [tmp_path / 'c.png'] and files.expected == 3
    assert not files.is_film
    with pytest.raises(ImageError, match=r'no such image: .*d\.png'):
        ImageFiles([tmp_path / 'a.png', tmp_path / 'd.png'])


def test_a_video_has_stamps_at_its_rate(tmp_path):
    video = VideoFile(film(tmp_path / 'v.mp4'))
    assert (video.expected, video.rate, video.is_film) == (6, 12.0, True)
    for _ in range(2):
        pictures = list(video)
        assert [round(p.stamp_ns * 12e-9, 6) for p in pictures] == list(range(6))
        assert abs(int(pictures[3].image.mean()) - 120) < 5


def test_what_is_no_video(tmp_path):
    with pytest.raises(ImageError, match='no such video'):
        VideoFile(tmp_path / 'v.mp4')
    (tmp_path / 'v.mp4').write_text('no video')
    with pytest.raises(ImageError, match='no frame'):
        VideoFile(tmp_path / 'v.mp4')


def test_a_camera_that_is_not_there():
    with pytest.raises(ConfigError, match='camera 97 gives no picture'):
        Webcam(97)
