"""
The shipped weights are as good as they were: a short evaluation with thresholds.

Hands as held-out ones are, MediaPipe's own keypoints. The thresholds are those of docs/results.md
with room for the difference between so few hands and many; a change that costs accuracy misses
them.
"""

import numpy as np
import pytest

from realhands_ros.evaluation.methods import Reconstruction
from realhands_ros.evaluation.scores import hand_scores, mask_scores
from realhands_ros.evaluation.sources.held_out import BOTH, RIGHT, HeldOutHands
from realhands_ros.evaluation.tables_measurement import ScoreBook
from realhands_ros.handnet.loading import default_weights_path
from realhands_ros.handnet.stage import HandNetStage
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.refinement.stage import RefinementStage
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.dataset_writer import write_dataset

HANDS = 24
SEED = 90_001

pytestmark = pytest.mark.skipif(
    not default_weights_path().is_file(), reason='no weights are shipped yet'
)


@pytest.fixture(scope='module')
def scores(models, tmp_path_factory) -> ScoreBook:
    folder = tmp_path_factory.mktemp('guard') / 'dataset'
    write_dataset(folder, SynthesisConfig(crop_size=160), samples=HANDS, seed=SEED, processes=1)
    stage = HandNetStage()
    refine = RefinementStage(models['right'])
    crop = CropConfig(stage.input_size, stage.crop_margin, stage.crop_upright)
    book = ScoreBook()
    for hand in HeldOutHands(folder, models):
        if not all(hand.is_found):
            continue
        for name, eyes in (('mono', (RIGHT,)), ('stereo', BOTH)):
            cameras = hand.cameras(eyes)
            (mesh,) = stage([hand.observe(eyes, crop)], cameras).meshes
            book.add(name, hand_scores(Reconstruction.from_mesh(mesh), hand.truth))
            refined = Reconstruction.from_mesh(refine(mesh, cameras))
            book.add(f'{name}/refined', hand_scores(refined, hand.truth))
        for eye, view in zip(BOTH, mesh.views, strict=True):
            truth = hand.crop_mask(eye, np.asarray(view.crop_affine), len(view.crop))
            book.add('masks', mask_scores(view.silhouette > 127, truth))
    return book


def test_enough_hands_are_found(scores):
    assert scores.count('stereo') >= HANDS // 3


@pytest.mark.parametrize(
    ('method', 'metric', 'worst'),
    [
        ('mono', 'pa_mpvpe', 10.0),
        ('mono', 'f15', 0.94),
        ('stereo', 'pa_mpvpe', 8.0),
        ('stereo', 'pa_mpvpe_proper', 8.5),
        ('stereo', 'f5', 0.62),
        ('stereo', 'f15', 0.96),
        ('stereo/refined', 'pa_mpvpe', 8.0),
        ('masks', 'iou', 0.87),
        ('masks', 'accuracy', 0.965),
    ],
)
def test_accuracy(scores, method, metric, worst):
    value = scores.mean(method, metric)
    is_share = worst < 1.0
    assert (value >= worst) if is_share else (value <= worst), f'{method} {metric}: {value:.3f}'
