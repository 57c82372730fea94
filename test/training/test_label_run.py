"""Photographs, here rendered ones, become labels, and labels become training hands."""

import pickle

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.training.hand_source import RenderedSource
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.label_run import LabelRun, photographs_in
from realhands_ros.training.photographs import LABELS_NAME, PICTURES_NAME, PhotographSource
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation

_SCENES = 4
_CONFIG = SynthesisConfig(
    crop_size=256, mix={'frontal': 1.0}, occluder_share=0.0, second_hand_share=0.0
)


@pytest.fixture(scope='module')
def truth():
    rendered = RenderedSource(_CONFIG, 3, samples=_SCENES)
    return [rendered.sample(index) for index in range(_SCENES)]


@pytest.fixture(scope='module')
def photographs(truth, tmp_path_factory):
    """Four rendered hands, a wall without one, and a file that is no picture."""
    folder = tmp_path_factory.mktemp('pictures')
    (folder / 'rendered').mkdir()
    for index, sample in enumerate(truth):
        path = folder / 'rendered' / f'{index}.png'
        cv2.imwrite(str(path), np.ascontiguousarray(sample.views[0].image[..., ::-1]))
    cv2.imwrite(str(folder / 'wall.png'), np.full((200, 200, 3), 120, np.uint8))
    (folder / 'damaged.jpg').write_bytes(b'no picture')
    return folder


@pytest.fixture(scope='module')
def labelled(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp('labelled') / 'set'
    assert main(['train', 'label', str(photographs), '--out', str(out)]) == 0
    return out


def test_what_was_found_kept_and_dropped_is_counted(labelled):
    source = PhotographSource(labelled)
    assert 2 <= len(source) <= _SCENES
    card = (labelled / 'card.md').read_text()
    rows = [line.strip('| ').split(' | ') for line in card.splitlines() if line.startswith('|')]
    counts = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}
    assert counts['.']['no hand'] == '1'
    assert counts['all']['photographs'] == str(_SCENES + 1)
    assert counts['all']['kept'] == str(len(source))
    assert counts['all']['with pose'] == str(source.labels['pose_known'].sum())
    assert 'unreadable: 1 damaged.jpg' in card
    assert cv2.imread(str(labelled / 'kept.png')) is not None


def test_labels_are_near_the_truth(labelled, truth):
    source = PhotographSource(labelled)
    overlaps = []
    for index in range(len(source)):
        found = source.sample(index)
        view = found.views[0]
        true = truth[int(source.name(index).split('/')[1][0])]
        assert found.handedness == true.handedness
        assert not found.trust.scale
        camera, seen = view.camera, true.views[0]
        # From the photograph, whose camera is assumed, to the crop.
        focal = 0.5 * 256 / np.tan(np.deg2rad(30))
        to_crop = camera.intrinsics @ np.linalg.inv(
            [[focal, 0, 127.5], [0, focal, 127.5], [0, 0, 1]]
        )
        pixels = seen.camera.project(true.keypoints)
        pixels = pixels * to_crop[[0, 1], [0, 1]] + to_crop[:2, 2]
        size = np.ptp(pixels, axis=0).max()
        assert np.linalg.norm(camera.project(found.keypoints) - pixels, axis=1).mean() < 0.1 * size
        if view.mask is not None:
            affine = to_crop[:2]
            mask = seen.mask.astype(np.uint8) * 255
            true_mask = cv2.warpAffine(mask, affine, view.mask.shape[::-1]) > 127
            known = view.mask_known
            joint = (view.mask & true_mask & known).sum()
            overlaps.append(joint / ((view.mask | true_mask) & known).sum())
    assert np.median(overlaps) > 0.8


def test_a_labelled_hand_can_be_prepared_for_the_network(labelled, tiny_config):
    source = PhotographSource(labelled)
    preparation = Preparation(tiny_config, KeypointNoise.isotropic(), AS_DEPLOYED)
    for index in range(len(source)):
        (row,) = preparation.rows(source.sample(index), np.random.default_rng(0))
        assert np.isfinite(row['keypoints_px']).all()
        assert row['image'].any()


def test_every_25th_hand_is_held_out_and_sources_travel(labelled):
    train = PhotographSource(labelled, held_out=False)
    held_out = PhotographSource(labelled, held_out=True)
    assert (len(held_out), len(train)) == (1, len(PhotographSource(labelled)) - 1)
    again = pickle.loads(pickle.dumps(train))
    np.testing.assert_array_equal(again.sample(0).pose_aa, train.sample(0).pose_aa)


def test_a_stopped_run_goes_on_with_what_it_has(labelled, photographs, monkeypatch):
    before = (labelled / LABELS_NAME).read_bytes()
    (labelled / LABELS_NAME).unlink()

    def never(*_):
        raise AssertionError('everything is labelled already')

    monkeypatch.setattr('realhands_ros.training.label_run.PhotographLabeller', never)
    LabelRun(photographs, labelled).label()
    assert len((labelled / LABELS_NAME).read_bytes()) == len(before)


def test_labels_of_other_photographs_are_not_mixed_in(labelled, tmp_path):
    (tmp_path / 'other.png').write_bytes(b'')
    with pytest.raises(ConfigError, match='other photographs'):
        LabelRun(tmp_path, labelled)


def test_damaged_labels_say_so(labelled, tmp_path):
    with pytest.raises(DatasetError, match='train label'):
        PhotographSource(tmp_path)
    for name in (LABELS_NAME, PICTURES_NAME):
        (tmp_path / name).write_bytes((labelled / name).read_bytes())
    (tmp_path / PICTURES_NAME).write_bytes(b'short')
    with pytest.raises(DatasetError, match='holds 5 bytes'):
        PhotographSource(tmp_path)


def test_photographs_without_a_hand_say_so(tmp_path, capsys):
    with pytest.raises(DatasetError, match='no folder'):
        photographs_in(tmp_path / 'nowhere')
    with pytest.raises(DatasetError, match='no picture'):
        photographs_in(tmp_path)
    cv2.imwrite(str(tmp_path / 'wall.png'), np.full((90, 90, 3), 120, np.uint8))
    out = tmp_path / 'out'
    assert main(['train', 'label', str(tmp_path), '--out', str(out)]) == 1
    assert 'no hand was found in 1 photographs' in capsys.readouterr().err
