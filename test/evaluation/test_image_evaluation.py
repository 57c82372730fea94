"""A folder of pictures, with and without annotations, good ones and bad ones."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.image_evaluation import evaluate_images
from realhands_ros.evaluation.image_folder import ImageFolder
from realhands_ros.evaluation.replay import ReplayConfig
from realhands_ros.evaluation.scores import picture_mask_scores
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


def test_masks_without_keypoints_are_scored(photographs, config, tmp_path):
    """One mask of a picture holds all of its hands; of several masks, each has its own."""
    annotated = json.loads((photographs / 'annotations.json').read_text())['images']
    images = {}
    for name in ('0.png', '2.png'):
        (tmp_path / name).write_bytes((photographs / name).read_bytes())
        (hand,) = annotated[name]['hands']
        mask = cv2.imread(str(photographs / hand['mask']), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(tmp_path / f'{name}.bmp'), mask)
        hands = [{'handedness': hand['handedness'], 'mask': f'{name}.bmp'}]
        images[name] = {'K': annotated[name]['K'], 'hands': hands}
    nobody = {'handedness': 'left', 'mask': 'empty.bmp'}
    cv2.imwrite(str(tmp_path / 'empty.bmp'), 0 * mask)
    for path in tmp_path.glob('*.bmp'):
        (tmp_path / 'masks').mkdir(exist_ok=True)
        path.rename(tmp_path / 'masks' / path.name)
    for hand in (nobody, *(hand for entry in images.values() for hand in entry['hands'])):
        hand['mask'] = f'masks/{hand["mask"]}'

    def evaluate(*more):
        both = {
            name: {**entry, 'hands': [*entry['hands'], *more]} for name, entry in images.items()
        }
        (tmp_path / 'annotations.json').write_text(json.dumps({'images': both}))
        return evaluate_images(tmp_path, config, {})

    alone = evaluate()
    assert alone.counts['true_hands'] == 2
    assert alone.counts['matched'] + alone.counts['misses'] == 2
    # In the picture's pixels as in those of the crops, where a hand with keypoints is scored.
    known = evaluate_images(photographs, config, {})
    for name in ('iou', 'mesh_iou'):
        assert alone.value(name) == pytest.approx(known.value(name), abs=0.05)
    # Two masks are those of two hands, and nobody is in the second.
    with_nobody = evaluate(nobody)
    assert with_nobody.counts['matched'] == alone.counts['matched']
    assert with_nobody.counts['misses'] == alone.counts['misses'] + 2
    assert with_nobody.value('mesh_iou') == pytest.approx(known.value('mesh_iou'), abs=1e-6)


def test_a_mask_of_several_hands_is_compared_with_all_meshes():
    """Two crops look at two squares: what both say together is right, one alone is half of it."""
    mask = np.zeros((40, 80), bool)
    mask[10:30, 10:30] = mask[10:30, 50:70] = True
    silhouette = np.zeros((40, 40), np.uint8)
    silhouette[10:30, 10:30] = 255
    meshes = [
        SimpleNamespace(views=[SimpleNamespace(
            silhouette=silhouette, crop_affine=np.array([[1.0, 0, -x], [0, 1, 0]])
        )])
        for x in (0.0, 40.0)
    ]  # fmt: skip
    assert picture_mask_scores(meshes, mask)['iou'] > 0.99
    meshes[1].views[0].silhouette = 0 * silhouette
    assert picture_mask_scores(meshes, mask)['iou'] == pytest.approx(0.5, abs=0.01)
    # What no crop looks at is nobody's mistake.
    assert picture_mask_scores(meshes[:1], mask)['iou'] > 0.99


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
