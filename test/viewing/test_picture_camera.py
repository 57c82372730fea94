"""The camera of a picture: assumed, calibrated, and calibrations that are none."""

import cv2
import numpy as np
import pytest

from realhands_ros.errors import CalibrationError, ConfigError
from realhands_ros.viewing.picture_run import AssumedCamera, CalibratedCamera

K = np.array([[300.0, 0, 159.5], [0, 310.0, 119.5], [0, 0, 1]])
FILE = """
image_width: 320
image_height: 240
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [300.0, 0.0, 159.5, 0.0, 310.0, 119.5, 0.0, 0.0, 1.0]
distortion_model: {model}
distortion_coefficients: {{rows: 1, cols: {count}, data: {data}}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [300, 0, 159.5, 0, 0, 310, 119.5, 0, 0, 0, 1, 0]}}
"""


def written(path, model='plumb_bob', data=(0.0,) * 5):
    path.write_text(FILE.format(model=model, count=len(data), data=list(data)))
    return path


def test_an_assumed_camera_spans_its_field_of_view():
    for size in ((480, 640, 3), (640, 480, 3)):
        picture, camera = AssumedCamera(90.0).undistort(np.zeros(size, np.uint8))
        assert (camera.height, camera.width) == picture.shape[:2]
        assert camera.intrinsics[0, 0] == camera.intrinsics[1, 1] == pytest.approx(320.0)
    assert AssumedCamera().undistort(np.zeros((3, 4, 3), np.uint8))[1].intrinsics[0, 2] == 1.5
    with pytest.raises(ConfigError, match='200 degrees'):
        AssumedCamera(200.0)


def test_a_calibration_without_distortion_leaves_the_picture(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    seen, camera = CalibratedCamera.read(written(tmp_path / 'c.yaml')).undistort(picture)
    np.testing.assert_array_equal(seen, picture)
    np.testing.assert_array_equal(camera.intrinsics, K)


@pytest.mark.parametrize(
    ('model', 'coefficients'),
    [
        ('plumb_bob', (-0.3, 0.1, 0.001, -0.002, 0.0)),
        ('equidistant', (0.02, -0.01, 0.003, 0.0)),
    ],
)
def test_distortion_is_undone(tmp_path, model, coefficients):
    """A dot where a lens puts a point of space appears where the pinhole camera sees it."""
    point = np.array([[[0.25, -0.15, 1.0]]])
    still, D = np.zeros(3), np.array(coefficients)
    project = cv2.fisheye.projectPoints if model == 'equidistant' else cv2.projectPoints
    raw = project(point, still, still, K, D)[0].reshape(2)
    picture = np.zeros((240, 320, 3), np.uint8)
    cv2.circle(picture, tuple(int(round(v)) for v in raw), 3, (255, 255, 255), cv2.FILLED)
    camera = CalibratedCamera.read(written(tmp_path / 'c.yaml', model, coefficients))
    seen, pinhole = camera.undistort(picture)
    rows, columns = np.nonzero(seen[..., 0] > 127)
    found = np.array([columns.mean(), rows.mean()])
    assert np.linalg.norm(pinhole.project(point[0, 0]) - raw) > 2.0
    np.testing.assert_allclose(found, pinhole.project(point[0, 0]), atol=1.0)


def test_what_is_no_calibration_of_the_picture_is_refused(tmp_path):
    path = tmp_path / 'c.yaml'
    with pytest.raises(CalibrationError, match='cannot be read'):
        CalibratedCamera.read(path)
    path.write_text('a: [1')
    with pytest.raises(CalibrationError, match='YAML'):
        CalibratedCamera.read(path)
    path.write_text('just words')
    with pytest.raises(CalibrationError, match='no camera_info'):
        CalibratedCamera.read(path)
    path.write_text('image_width: 3')
    with pytest.raises(CalibrationError, match='image_height'):
        CalibratedCamera.read(path)
    with pytest.raises(CalibrationError, match="'twisted' is unknown"):
        CalibratedCamera.read(written(path, 'twisted', (1.0,)))
    with pytest.raises(CalibrationError, match='640x480'):
        CalibratedCamera.read(written(path)).undistort(np.zeros((480, 640, 3), np.uint8))
