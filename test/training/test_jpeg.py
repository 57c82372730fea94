import cv2
import numpy as np
import pytest
import torch

from realhands_ros.training.jpeg import jpeg_loss


@pytest.fixture(scope='module')
def picture():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC).astype(float)
    return np.clip(smooth + rng.normal(0, 10, (64, 64, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('quality', [10, 30, 50, 75, 95])
def test_it_is_what_a_jpeg_encoder_does(picture, quality):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    encoded = cv2.imencode('.jpg', picture[..., ::-1], options)[1]
    expected = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].astype(float)
    tensor = torch.tensor(picture).permute(2, 0, 1)[None] / 255.0
    found = jpeg_loss(tensor, torch.tensor([float(quality)]))
    difference = 255 * found[0].permute(1, 2, 0).numpy() - expected
    loss = expected - picture
    # The encoder rounds to whole levels on the way, so that single coefficients fall elsewhere.
    assert np.abs(difference).mean() < 0.6 * np.abs(loss).mean()
    assert np.abs(difference + loss).mean() == pytest.approx(np.abs(loss).mean(), rel=0.03)


def test_each_image_has_its_own_quality(picture):
    tensor = torch.tensor(picture).permute(2, 0, 1)[None].repeat(2, 1, 1, 1) / 255.0
    good, bad = jpeg_loss(tensor, torch.tensor([95.0, 10.0]))
    assert (good - tensor[0]).abs().mean() < 0.3 * (bad - tensor[1]).abs().mean()
