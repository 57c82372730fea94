"""Plain pictures of meshes."""

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import vertex_normals
from realhands_ros.hand.drawing import (
    BACKGROUND,
    checkerboard,
    portrait,
    sample_texture,
    shade,
    view_rotation,
)
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.sheets import HandPoser


def _hand_columns(picture: np.ndarray) -> np.ndarray:
    """Return how many pixels of each column show the hand."""
    return (np.abs(picture.astype(int) - BACKGROUND).max(axis=2) > 12).sum(axis=0)


def test_thumbs_point_to_the_side_where_they_belong() -> None:
    angles = np.zeros((15, 3))
    pictures = {}
    for handedness in ('right', 'left'):
        poser = HandPoser(default_model_folder(), handedness)
        for view in ('palm', 'back'):
            pictures[handedness, view] = _hand_columns(
                portrait(poser.vertices(angles), poser.faces, handedness, view, size=120)
            )
    # The side with the thumb is the emptier one: the picture is centred on the bounding box.
    for (handedness, view), columns in pictures.items():
        thumb_right = columns[60:].sum() < columns[:60].sum()
        assert thumb_right == ((handedness == 'right') == (view == 'palm'))
    assert np.abs(pictures['right', 'palm'] - pictures['left', 'palm'][::-1]).max() <= 3


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_views_are_rotations(handedness) -> None:
    for view in ('palm', 'back', 'side'):
        rotation = view_rotation(view, handedness)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
    with pytest.raises(ConfigError, match="'front'"):
        view_rotation('front', handedness)


def test_normals_point_outwards_and_faces_towards_the_light_are_brighter() -> None:
    corners = np.array([[-1.0, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]])
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    assert np.allclose(vertex_normals(corners, faces), [0, 0, -1])
    camera = PinholeCamera(np.array([[20.0, 0, 15], [0, 20, 15], [0, 0, 1]]), 31, 31)
    towards, fragments = shade(corners, faces, camera, (200, 100, 50))
    away, _ = shade(corners, faces[:, ::-1], camera, (200, 100, 50))
    assert fragments.mask[15, 15]
    assert towards[15, 15, 0] > 1.5 * away[15, 15, 0]
    assert np.allclose(towards[15, 15] / towards[15, 15, 0], [1, 0.5, 0.25])


def test_textures_have_v_up() -> None:
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[0, 0] = 200  # top left
    looked_up = sample_texture(image, np.array([[[0.125, 0.875], [0.125, 0.125]]]))
    assert np.allclose(looked_up[0, 0], 200)
    assert np.allclose(looked_up[0, 1], 0)


def test_checker_cells_differ_from_their_neighbours() -> None:
    checker = checkerboard(64, 8).astype(int)
    assert np.abs(checker[4, 4] - checker[4, 12]).max() > 40
