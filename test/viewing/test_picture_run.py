"""Pictures through the pipeline: what is drawn, written, counted."""

import cv2
import numpy as np
import pytest
import trimesh

from realhands_ros.errors import ConfigError
from realhands_ros.hand.drawing import mesh_box
from realhands_ros.viewing.mesh_overlay import MeshOverlay, silhouette_outlines
from realhands_ros.viewing.picture_run import AssumedCamera, MeshFolder, PictureRun
from realhands_ros.viewing.pictures import (
    ImageFiles,
    ImageFolder,
    Picture,
    VideoOutput,
    Window,
    output_names,
)


@pytest.fixture
def files(tmp_path, photograph):
    """A picture with a hand, and one without."""
    paths = [tmp_path / 'hand.png', tmp_path / 'wall.png']
    cv2.imwrite(str(paths[0]), photograph)
    noise = np.random.default_rng(0).integers(0, 255, photograph.shape, dtype=np.uint8)
    cv2.imwrite(str(paths[1]), noise)
    return paths


@pytest.mark.parametrize('look', ['shaded', 'textured', 'outline'])
def test_the_hand_is_drawn_where_it_is(files, photograph, pipeline, look):
    camera = AssumedCamera()
    run = PictureRun(ImageFiles(files[:1]), camera, pipeline, MeshOverlay(look))
    (seen,) = run
    (mesh,) = seen.result.meshes
    assert seen.drawn.shape == photograph.shape
    changed = np.nonzero((seen.drawn != photograph).any(axis=2))
    (view,) = mesh.views
    known = view.keypoints_px[np.isfinite(view.keypoints_px).all(axis=1)]
    assert changed[1].min() < known[:, 0].max() and changed[1].max() > known[:, 0].min()
    share = len(changed[0]) / photograph[..., 0].size
    assert 0.0005 < share < 0.5
    box = mesh_box(mesh, camera.undistort(photograph)[1])
    inside = np.zeros(photograph.shape[:2], bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    covered = (seen.drawn != photograph).any(axis=2)[inside].mean()
    assert (covered > 0.25) == (look != 'outline')


def test_outlines_surround_the_silhouette(files, pipeline):
    (seen,) = PictureRun(ImageFiles(files[:1]), AssumedCamera(), pipeline, MeshOverlay())
    view = seen.result.meshes[0].views[0]
    outlines = silhouette_outlines(view)
    size = seen.drawn.shape[:2]
    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, outlines, 1)
    back = cv2.invertAffineTransform(np.asarray(view.crop_affine, np.float64))
    expected = cv2.warpAffine(view.silhouette, back, size[::-1]) > 127
    union = np.logical_or(filled, expected).sum()
    assert np.logical_and(filled, expected).sum() / union > 0.8


def test_files_lines_and_statistics(files, tmp_path, pipeline):
    with ImageFolder(tmp_path / 'out', files) as output:
        run = PictureRun(
            ImageFiles(files),
            AssumedCamera(),
            pipeline,
            MeshOverlay(),
            output,
            MeshFolder(tmp_path / 'meshes'),
        )
        hand, wall = run
    assert 'right' in hand.line and str(tmp_path / 'out' / 'hand_hands.png') in hand.line
    assert 'no hand found' in wall.line
    for seen in (hand, wall):
        np.testing.assert_array_equal(cv2.imread(str(seen.files[0])), seen.drawn)
    np.testing.assert_array_equal(wall.drawn, wall.picture.image)
    assert [path.name for path in (tmp_path / 'meshes').iterdir()] == ['000_hand.obj']
    saved = trimesh.load(hand.files[1], process=False)
    np.testing.assert_allclose(
        np.asarray(saved.vertices), hand.result.meshes[0].vertices_cam, atol=2e-6
    )
    assert run.statistics.text.startswith('2 frames, 1 with hands, 1 hands found')
    assert 'refinement' in run.statistics.text


def test_files_that_are_there_are_kept(files, tmp_path):
    (tmp_path / 'hand_hands.png').write_text('mine')
    with pytest.raises(ConfigError, match='--overwrite'):
        ImageFolder(tmp_path, files)
    ImageFolder(tmp_path, files, overwrite=True)
    (tmp_path / 'v.mp4').write_text('mine')
    with pytest.raises(ConfigError, match='--overwrite'):
        VideoOutput(tmp_path / 'v.mp4', 30.0)
    with pytest.raises(ConfigError, match=r'\.mp4'):
        VideoOutput(tmp_path / 'v.txt', 30.0)
    with pytest.raises(ConfigError, match='cannot be made'):
        ImageFolder(tmp_path / 'v.mp4' / 'x', files)


def test_names_do_not_collide(tmp_path):
    inputs = [tmp_path / 'a/1.jpg', tmp_path / 'b/1.jpg', tmp_path / '2.webp']
    assert output_names(inputs) == ['1_hands.jpg', '1_hands_2.jpg', '2_hands.png']


@pytest.mark.parametrize('suffix', ['.mp4', '.avi', '.webm'])
def test_slow_pictures_are_repeated(tmp_path, suffix):
    path = tmp_path / f'v{suffix}'
    with VideoOutput(path, 10.0) as output:
        for tenths in (0, 1, 4):
            image = np.full((48, 64, 3), 50 * tenths, np.uint8)
            output.write(Picture('', image, tenths * 100_000_000), image)
    capture = cv2.VideoCapture(str(path))
    means = []
    while (read := capture.read())[0]:
        means.append(read[1].mean())
    assert np.round(np.array(means) / 50).tolist() == [0, 1, 4, 4, 4]


def test_no_window_without_a_screen(monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.setattr('sys.platform', 'linux')
    with pytest.raises(ConfigError, match='needs a screen'):
        Window()
