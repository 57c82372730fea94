"""The reader on a miniature of FreiHAND's folder, written here in the official layout."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.datasets.freihand import FreiHand
from realhands_ros.errors import DatasetError
from realhands_ros.hand.layer import HandModel
from realhands_ros.training.freihand_source import FreiHandSource

ROWS = 10


def write_set(root, name: str, model: HandModel, *, annotated: bool = True) -> None:
    rng = np.random.default_rng(0)
    columns = {'K': [], 'scale': [], 'xyz': [], 'mano': [], 'verts': []}
    for _ in range(ROWS):
        pose, shape = rng.normal(0, 0.2, 48), rng.normal(0, 1, 10)
        posed = model(
            torch.tensor(pose[None], dtype=torch.float32),
            torch.tensor(shape[None], dtype=torch.float32),
            relative_to='mean',
        )
        away = np.array([0.02, -0.01, 0.7])
        columns['K'].append([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])
        columns['scale'].append(0.03)
        columns['xyz'].append((posed.keypoints[0].numpy() + away).tolist())
        columns['verts'].append((posed.vertices[0].numpy() + away).tolist())
        columns['mano'].append([[*pose, *shape, 100.0, 110.0, 1.5]])
    kept = columns if annotated else ('K', 'scale')
    for column in kept:
        (root / f'{name}_{column}.json').write_text(json.dumps(columns[column]))
    versions = 4 if name == 'training' else 1
    for folder, count in (('rgb', versions * ROWS), ('mask', ROWS)):
        (root / name / folder).mkdir(parents=True)
        for number in range(count):
            # Red tells the number of the image; masks have a white half with JPEG's rims.
            picture = np.full((32, 32, 3), (0, 0, 5 * number), np.uint8)
            if folder == 'mask':
                picture[:] = 0
                picture[:, 16:] = 255
            cv2.imwrite(str(root / name / folder / f'{number:08d}.jpg'), picture)


@pytest.fixture(scope='module')
def model() -> HandModel:
    return HandModel.load()


@pytest.fixture
def root(tmp_path, model):
    write_set(tmp_path, 'training', model)
    write_set(tmp_path, 'evaluation', model, annotated=False)
    return tmp_path


def test_four_versions_share_annotations_and_mask(root):
    dataset = FreiHand(root, with_vertices=True)
    assert len(dataset) == 4 * ROWS
    samples = [dataset[3 + ROWS * version] for version in range(4)]
    for version, sample in enumerate(samples):
        assert (sample.unique, sample.version) == (3, version)
        assert sample.image[0, 0, 0] == pytest.approx(5 * (3 + ROWS * version), abs=6)
        assert sample.image[0, 0, 2] < 6
        np.testing.assert_array_equal(sample.keypoints, samples[0].keypoints)
        assert sample.mask[:, 17:].all()
        assert not sample.mask[:, :15].any()
    assert samples[0].vertices.shape == (778, 3)
    assert samples[0].intrinsics[0, 0] == 480
    assert samples[0].hand_scale == 0.03


def test_versions_can_be_chosen(root):
    dataset = FreiHand(root, versions=(2,))
    assert len(dataset) == ROWS
    assert {dataset[i].version for i in range(ROWS)} == {2}


def test_parts_divide_unique_hands(root):
    train, validation = FreiHand(root, part='train'), FreiHand(root, part='validation')
    assert len(train) == 4 * 7
    assert len(validation) == 4 * 3
    assert set(train.uniques) | set(validation.uniques) == set(range(ROWS))
    assert not set(train.uniques) & set(validation.uniques)
    assert FreiHand(root, part='train').uniques == train.uniques
    assert {train[i].unique for i in range(len(train))} == set(train.uniques)


def test_evaluation_set_has_no_annotations(root):
    dataset = FreiHand(root, name='evaluation')
    assert len(dataset) == ROWS
    sample = dataset[2]
    assert sample.keypoints is None
    assert sample.pose_from_mean is None
    assert sample.mask is None
    assert sample.hand_scale == 0.03


def test_source_gives_pose_relative_to_the_flat_hand(root, model):
    source = FreiHandSource(FreiHand(root, versions=(0,)), model)
    sample = source.sample(4)
    assert sample.handedness == 'right'
    posed = model(
        torch.tensor(sample.pose_aa[None], dtype=torch.float32),
        torch.tensor(sample.shape[None], dtype=torch.float32),
    )
    found = posed.keypoints[0].numpy()
    np.testing.assert_allclose(found - found[0], sample.keypoints - sample.keypoints[0], atol=1e-5)
    (view,) = sample.views
    assert view.camera.width == 32
    assert view.mask.any()


def test_another_hand_model_is_refused(root, model):
    bent = HandModel(model.data)
    bent.mean_pose[3:] += 0.4
    with pytest.raises(DatasetError, match='parameters of the official MANO'):
        FreiHandSource(FreiHand(root), bent)


def test_a_set_without_annotations_cannot_be_trained_on(root, model):
    with pytest.raises(DatasetError, match='no annotations'):
        FreiHandSource(FreiHand(root, name='evaluation'), model)


def test_wrong_folder_is_explained(tmp_path):
    with pytest.raises(DatasetError, match='training_K.json is missing'):
        FreiHand(tmp_path)


def test_damaged_annotations_are_named(root):
    path = root / 'training_xyz.json'
    path.write_text(path.read_text()[:500])
    with pytest.raises(DatasetError, match='training_xyz.json is damaged'):
        FreiHand(root)


def test_unequal_annotations_are_named(root):
    path = root / 'training_mano.json'
    path.write_text(json.dumps(json.loads(path.read_text())[:-1]))
    with pytest.raises(DatasetError, match='unequal numbers of rows.*mano.: 9'):
        FreiHand(root)


def test_missing_image_is_named(root):
    (root / 'training' / 'rgb' / '00000001.jpg').unlink()
    with pytest.raises(DatasetError, match='00000001.jpg is missing or damaged'):
        FreiHand(root)[1]
    with pytest.raises(IndexError):
        FreiHand(root)[4 * ROWS]
