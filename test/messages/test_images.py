"""Pixels come out right and without a copy; what is no image is refused by name."""

import array
from types import SimpleNamespace

import numpy as np
import pytest

from realhands_ros.errors import ImageError
from realhands_ros.messages.images import decode_image

CHANNELS = {'bgra8': 4, 'bgr8': 3, 'rgb8': 3, 'mono8': 1}


def message(encoding, rows, width):
    """Return an image message whose data are the bytes ``rows`` (H, step)."""
    return SimpleNamespace(
        height=len(rows),
        width=width,
        encoding=encoding,
        step=rows.shape[1],
        is_bigendian=0,
        data=array.array('B', rows.tobytes()),
    )


def random_rows(height, step):
    return np.random.default_rng(0).integers(0, 256, (height, step), dtype=np.uint8)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_plain_encodings_are_views_of_the_data(encoding, padding):
    channels = CHANNELS[encoding]
    rows = random_rows(4, 6 * channels + padding)
    msg = message(encoding, rows, 6)
    image = decode_image(msg)
    expected = rows[:, : 6 * channels].reshape(4, 6, channels)
    if encoding == 'rgb8':
        expected = expected[..., ::-1]
    np.testing.assert_array_equal(image, expected[..., 0] if channels == 1 else expected)
    assert np.shares_memory(image, np.frombuffer(msg.data, np.uint8))


@pytest.mark.parametrize('padding', [0, 6])
def test_other_encodings_are_converted_to_bgr(padding):
    rows = random_rows(4, 6 * 4 + padding)
    rgba = decode_image(message('rgba8', rows, 6))
    np.testing.assert_array_equal(rgba, rows[:, :24].reshape(4, 6, 4)[..., 2::-1])
    rows = np.full((4, 6 * 2 + padding), 0x80, np.uint8)
    np.testing.assert_array_equal(
        decode_image(message('mono16', rows, 6)), np.full((4, 6, 3), 128)
    )


@pytest.mark.parametrize(
    ('encoding', 'change', 'expected'),
    [
        ('bgra8', {'data': array.array('B', bytes(95))}, 'has 95 bytes of data instead of 96'),
        ('bgra8', {'step': 20}, 'rows of 20 bytes; they must have 24 or more'),
        ('rgba8', {'step': 20}, "'rgba8' cannot be converted"),
        ('bgra8', {'width': 0}, 'an image of 0x4 pixels is empty'),
        ('bgra8', {'data': array.array('B'), 'step': 0}, 'rows of 0 bytes; they must have 24'),
        ('32FC1', {}, "'32FC1' cannot be converted"),
        ('polka dots', {}, "'polka dots' cannot be converted"),
        ('', {}, "'' cannot be converted"),
    ],
)
def test_what_is_no_image_is_refused(encoding, change, expected):
    msg = message(encoding, random_rows(4, 24), 6)
    vars(msg).update(change)
    with pytest.raises(ImageError, match=expected):
        decode_image(msg)
