"""Textured hands are drawn where the cameras see them."""

import numpy as np

from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.sheets import HandPoser
from realhands_ros.texture.stage import TextureStage


def test_overlay_covers_the_hand_and_nothing_else(studio) -> None:
    mesh, camera = studio.hand(), studio.cameras[0]
    textures = TextureStage()([mesh], studio.cameras)
    image = np.full((camera.height, camera.width, 3), 7, np.uint8)
    overlaid = studio.renderer.overlay(image, [mesh], textures, camera)
    drawn = (overlaid != 7).any(axis=2)
    expected = studio.renderer.render(mesh.vertices_cam, 'right', studio.skin, camera)
    assert (drawn == expected.mask).mean() > 0.999
    # BGR, as the camera's image.
    difference = np.abs(overlaid[..., ::-1] - expected.colours)[expected.mask]
    assert np.median(difference) < 6
    assert (image == 7).all()


def test_of_two_hands_the_nearer_one_is_seen(studio) -> None:
    far = studio.hand('right', place=(0.0, 0.0, 0.5), skin=np.full((64, 64, 3), 90, np.uint8))
    near = studio.hand('left', place=(0.0, 0.0, 0.3), skin=np.full((64, 64, 3), 200, np.uint8))
    camera = studio.cameras[0]
    stage = TextureStage()
    textures = [stage([mesh], studio.cameras)[0] for mesh in (far, near)]
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    overlaid = studio.renderer.overlay(image, [far, near], textures, camera)
    in_front = studio.renderer.render(near.vertices_cam, 'left', near.views[0].crop, camera).mask
    assert np.median(overlaid[in_front]) > 170


def test_novel_views_show_the_skin_from_all_sides(studio) -> None:
    vertices = HandPoser(default_model_folder(), 'right').vertices(gesture_angles('open'))
    for view in ('palm', 'back', 'side'):
        picture = studio.renderer.novel_view(vertices, 'right', studio.skin, view, 128)
        skin = np.abs(picture.astype(int) - picture[0, 0]).max(axis=2) > 20
        assert 0.03 < skin.mean() < 0.6
        red, green, blue = picture[skin].mean(axis=0)
        assert red > green > blue
