"""A folder of pictures, with and without annotations, good ones and bad ones."""

import json

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.image_evaluation import evaluate_images
from realhands_ros.evaluation.image_folder import ImageFolder
from realhands_ros.evaluation.replay import ReplayConfig
from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.pipeline import PipelineConfig
from realhands_ros.training.hand_source import SyntheticSource


@pytest.fixture(scope='module')
def photographs(held_out_folder, tmp_path_factory):
    """Three annotated pictures: truth in space and mask, in the image only, none at all."""
    folder = tmp_path_factory.mktemp('photographs')
    source = SyntheticSource(held_out_folder)
    images = {}
    for number in range(4):
        sample = source.sample(number)
        view = sample.views[0]
        name = f'{number}.png'
        cv2.imwrite(str(folder / name), view.image[..., ::-1])
        hand = {'handedness': sample.handedness}
        pixels = view.camera.project(sample.keypoints)
        if number % 2 == 0:
            cv2.imwrite(str(folder / f'mask_{number}.bmp'), 255 * view.mask.astype(np.uint8))
            hand['mask'] = f'mask_{number}.bmp'
            hand['keypoints'] = view.camera.to_camera(sample.keypoints).tolist()
            hand['keypoints_px'] = pixels.tolist()
        else:
            hand['keypoints_px'] = [None, *pixels[1:].tolist()]
        images[name] = {'K': view.camera.intrinsics.tolist(), 'hands': [hand]}
    (folder / 'annotations.json').write_text(json.dumps({'images': images}))
    # The masks are pictures too, but of no hand that is annotated.
    masks = folder / 'masks'
    masks.mkdir()
    for path in folder.glob('mask_*.bmp'):
        path.rename(masks / path.name)
    text = (folder / 'annotations.json').read_text().replace('"mask_', '"masks/mask_')
    (folder / 'annotations.json').write_text(text)
    return folder


@pytest.fixture(scope='module')
def config(untrained_weights):
    handnet = HandNetStageConfig(untrained_weights, backend='torch')
    return ReplayConfig(PipelineConfig(handnet=handnet))


def test_what_is_annotated_is_scored(photographs, config):
    result = evaluate_images(photographs, config, {})
    assert result.counts['frames'] == 4
    assert result.counts['true_hands'] == 4
    assert result.counts['matched'] >= 2
    assert result.value('detected') < 12.0
    assert result.value('pck_2d') > 0.7
    assert 0.0 <= result.value('iou') <= 1.0
    assert result.value('pa_mpjpe') > 0.0
    # Without true vertices there is nothing to say about them.
    assert result.value('pa_mpvpe') is None
    assert result.tracks['refined'].get('jitter') is None
    assert result.pictures


def test_pictures_without_annotations_and_damaged_ones(photographs, config, tmp_path):
    (tmp_path / 'a.png').write_bytes((photographs / '0.png').read_bytes())
    (tmp_path / 'b.png').write_bytes(b'no picture')
    result = evaluate_images(tmp_path, config, {})
    assert result.counts['frames'] == 1
    assert result.about['skipped'] == {'pictures that cannot be read': 1}
    assert result.about['truth'] == 'none'
    (tmp_path / 'a.png').unlink()
    with pytest.raises(DatasetError, match='can be read'):
        evaluate_images(tmp_path, config, {})


def test_the_command(photographs, untrained_weights, tmp_path, capsys):
    command = ['eval', 'images', str(photographs), '--weights', str(untrained_weights)]
    options = ['--backend', 'torch', '--report', str(tmp_path / 'r.html')]
    assert main([*command, *options, '--require', 'detected<12']) == 0
    assert 'frames 4' in capsys.readouterr().out
    assert 'Best and worst' in (tmp_path / 'r.html').read_text()


@pytest.mark.parametrize(
    ('annotations', 'reason'),
    [
        ('{"images": 3', 'damaged'),
        ('{}', 'damaged'),
        ('{"images": {"z.png": {}}}', 'not there: z.png'),
        ('{"images": {"a.png": {"hands": [{}]}}}', 'handedness'),
        ('{"images": {"a.png": {"hands": [{"handedness": "up"}]}}}', "'up'"),
        (
            '{"images": {"a.png": {"hands": [{"handedness": "left", "keypoints_px": [[1, 2]]}]}}}',
            '1 places',
        ),
        (
            '{"images": {"a.png": {"hands": [{"handedness": "left", "keypoints": [[1, 2]]}]}}}',
            'shape',
        ),
        (
            '{"images": {"a.png": {"hands": [{"handedness": "left", "mask": "m.png"}]}}}',
            'cannot be read',
        ),
        ('{"images": {"a.png": {"K": [[0, 0, 0], [0, 0, 0], [0, 0, 1]]}}}', 'no camera matrix'),
    ],
)
def test_wrong_annotations_are_named(tmp_path, annotations, reason):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'annotations.json').write_text(annotations)
    with pytest.raises(DatasetError, match=reason):
        list(ImageFolder(tmp_path))


def test_folders_without_pictures(tmp_path):
    with pytest.raises(DatasetError, match='no pictures'):
        ImageFolder(tmp_path)
    with pytest.raises(DatasetError, match='no folder'):
        ImageFolder(tmp_path / 'nothing')
