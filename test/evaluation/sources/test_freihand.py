"""FreiHAND in a miniature of its official layout, filled with our own renderings."""

import json
import zipfile

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.evaluation.sources.held_out import HeldOutHands
from realhands_ros.geometry.mirror import mirror_camera, mirror_points


@pytest.fixture(scope='module')
def freihand(held_out_folder, models, tmp_path_factory):
    root = tmp_path_factory.mktemp('freihand')
    (root / 'evaluation' / 'rgb').mkdir(parents=True)
    columns = {'K': [], 'scale': [], 'xyz': [], 'mano': [], 'verts': []}
    for number, hand in enumerate(HeldOutHands(held_out_folder, models)):
        view, truth = hand.sample.views[0], hand.truth
        image, camera = view.image, view.camera
        keypoints, vertices = camera.to_camera(truth.keypoints), camera.to_camera(truth.vertices)
        if truth.handedness == 'left':
            image, camera = image[:, ::-1], mirror_camera(camera)
            keypoints, vertices = mirror_points(keypoints), mirror_points(vertices)
        columns['K'].append(camera.intrinsics.tolist())
        columns['scale'].append(0.03)
        columns['xyz'].append(keypoints.tolist())
        columns['verts'].append(vertices.tolist())
        columns['mano'].append([[0.0] * 61])
        path = root / 'evaluation' / 'rgb' / f'{number:08d}.jpg'
        cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))
    for name, column in columns.items():
        (root / f'evaluation_{name}.json').write_text(json.dumps(column))
    return root, columns


def test_the_challenges_file_is_what_its_program_reads(
    freihand, untrained_weights, tmp_path, capsys
):
    root, columns = freihand
    pred = tmp_path / 'pred.zip'
    command = ['eval', 'freihand', str(root), '--weights', str(untrained_weights)]
    options = ['--backend', 'torch', '--export', str(pred), '--save', str(tmp_path / 'r.zip')]
    assert main([*command, *options]) == 0
    # As FreiHAND's eval.py reads it.
    with zipfile.ZipFile(pred) as archive:
        assert archive.namelist() == ['pred.json']
        predictions = json.loads(archive.read('pred.json'))
    assert len(predictions) == 2
    count = len(columns['xyz'])
    assert len(predictions[0]) == len(predictions[1]) == count
    joints, vertices = (np.array(part) for part in predictions)
    assert joints.shape == (count, 21, 3) and vertices.shape == (count, 778, 3)
    np.testing.assert_array_equal(joints[:, 16], vertices[:, 555])
    np.testing.assert_array_equal(joints[:, 20], vertices[:, 672])
    assert np.isfinite(vertices).all() and 0.05 < np.ptp(vertices, axis=1).max() < 0.4
    with zipfile.ZipFile(tmp_path / 'r.zip') as archive:
        counts = json.loads(archive.read('result.json'))['counts']
    assert counts['frames'] == count and counts['matched'] > 0
    assert 'PA-MPVPE mm' in capsys.readouterr().out


def test_an_export_must_be_whole(freihand, untrained_weights, tmp_path, capsys):
    command = ['eval', 'freihand', str(freihand[0]), '--weights', str(untrained_weights)]
    assert main([*command, '--samples', '2', '--export', str(tmp_path / 'p.zip')]) == 1
    assert 'needs every image' in capsys.readouterr().err
    assert not (tmp_path / 'p.zip').exists()


def test_another_folder_is_no_freihand(tmp_path, capsys):
    assert main(['eval', 'freihand', str(tmp_path)]) == 1
    assert 'FreiHAND_pub_v2.zip' in capsys.readouterr().err
