"""`realhands run mono` on images and videos, with the shipped network."""

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.synthesis.config import BARE_HANDS, SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import make_sample


@pytest.fixture(scope='module')
def sample():
    # A scene of this generator with one right hand in full view.
    return make_sample(
        SceneGenerator(SynthesisConfig(mix={'frontal': 1.0}, **BARE_HANDS), 77).scene(3),
        FastRenderer(),
    )


@pytest.fixture(scope='module')
def photograph(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp('photograph') / 'hand.png'
    cv2.imwrite(str(path), sample.images[0][..., ::-1])
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_images(photograph, sample, tmp_path, capsys) -> None:
    (tmp_path / 'broken.png').write_text('no picture')
    K = sample.rig.left.intrinsics
    height, width = sample.images[0].shape[:2]
    (tmp_path / 'camera.yaml').write_text(
        f'image_width: {width}\nimage_height: {height}\n'
        f'camera_matrix: {{rows: 3, cols: 3, data: {K.reshape(-1).tolist()}}}\n'
        'distortion_model: plumb_bob\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n'
    )
    command = ['run', 'mono', '--backend', 'torch', '--image', str(photograph)]
    assert main([*command, '--calibration', 'camera.yaml', '--save-meshes', 'meshes']) == 0
    out = capsys.readouterr().out
    assert f'{photograph}: ' in out and 'right' in out and '1 hands found' in out
    drawn = cv2.imread('realhands_pictures/hand_hands.png')
    assert drawn.shape == (height, width, 3)
    assert (drawn != cv2.imread(str(photograph))).any()
    # The mesh lies on the hand, whose distance a single view knows to some per cent only.
    points = np.array([
        [float(v) for v in line.split()[1:]]
        for line in (tmp_path / 'meshes' / 'hand.obj').read_text().splitlines()
        if line.startswith('v ')
    ])  # fmt: skip
    error = sample.rig.left.project(points) - sample.rig.left.project(sample.hand.vertices)
    assert np.median(np.linalg.norm(error, axis=1)) < 0.03 * width
    # Nothing is overwritten silently; broken files do not stop the others, but are told.
    assert main(command) == 1
    assert '--overwrite' in capsys.readouterr().err
    assert main([*command, 'broken.png', '--overwrite', '--no-refinement']) == 1
    captured = capsys.readouterr()
    assert 'broken.png: no image' in captured.err and '1 hands found' in captured.out
    assert 'refinement' not in captured.out


def test_a_video(photograph, tmp_path, capsys) -> None:
    image = cv2.imread(str(photograph))
    size = (image.shape[1], image.shape[0])
    writer = cv2.VideoWriter('film.mp4', cv2.VideoWriter.fourcc(*'mp4v'), 15.0, size)
    for _ in range(6):
        writer.write(image)
    writer.release()
    command = ['run', 'mono', '--video', 'film.mp4', '--backend', 'torch', '--frames', '4']
    assert main([*command, '--draw', 'textured']) == 0
    captured = capsys.readouterr()
    assert '4 frames, ' in captured.out and 'texture' in captured.out
    assert 'film_hands.mp4' in captured.out
    capture = cv2.VideoCapture('film_hands.mp4')
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert (capture.get(3), capture.get(4)) == size
    assert main([*command, '--out', 'film.mp4', '--overwrite']) == 1
    assert 'the video itself' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        (['--image', 'nothing.png'], 'no such image'),
        (['--image', 'words.png'], 'none of the files'),
        (['--video', 'words.png'], 'no frame'),
        (['--device', '97'], 'gives no picture'),
        (['--image', 'words.png', '--field-of-view', '0'], '0 degrees'),
        (['--image', 'words.png', '--calibration', 'no.yaml'], 'cannot be read'),
        (['--image', 'words.png', '--record', 'bag'], '--record'),
        (['--image', 'words.png', '--frames', '0'], '--frames 0'),
        (['--image', 'words.png', '--draw', 'textured', '--no-texture'], '--no-texture'),
    ],
)
def test_what_cannot_be_is_said(options, complaint, tmp_path, capsys) -> None:
    (tmp_path / 'words.png').write_text('no picture')
    assert main(['run', 'mono', *options, '--backend', 'torch']) == 1
    assert complaint in capsys.readouterr().err
