from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.training.occlusion import cut_by_border, paste_occluders
from realhands_ros.training.photometric import PhotometricConfig, vary_looks

UNCHANGED = PhotometricConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture
def crops():
    torch.manual_seed(0)
    return 0.1 + 0.8 * torch.rand(16, 3, 32, 32), torch.ones(16, 32, 32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_for_nothing_changed(crops):
    images, masks = vary_looks(*crops, UNCHANGED, generator())
    torch.testing.assert_close(images, crops[0], atol=1e-5, rtol=0)
    assert torch.equal(masks, crops[1])


def test_same_seed_same_looks(crops):
    first = vary_looks(*crops, PhotometricConfig(), generator(3))
    again = vary_looks(*crops, PhotometricConfig(), generator(3))
    other = vary_looks(*crops, PhotometricConfig(), generator(4))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize('seed', range(5))
def test_images_stay_images(crops, seed):
    images, masks = vary_looks(*crops, PhotometricConfig(), generator(seed))
    assert images.shape == crops[0].shape
    assert torch.isfinite(images).all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert set(masks.unique().tolist()) <= {0.0, 1.0}


def test_what_an_occluder_covers_is_no_hand(crops):
    images, masks = paste_occluders(*crops, 1.0, generator())
    changed = (images != crops[0]).any(1)
    assert 0.03 < changed.float().mean() < 0.6
    # A patch of another image may by chance have the same colour in a pixel, no more.
    assert (changed & (masks > 0)).sum() == 0
    assert ((masks == 0) & ~changed).float().mean() < 0.01
    untouched, _ = paste_occluders(*crops, 0.0, generator())
    assert torch.equal(untouched, crops[0])


def test_border_blackens_one_side(crops):
    images, masks = cut_by_border(*crops, 1.0, generator())
    for image, mask in zip(images, masks, strict=True):
        assert torch.equal(mask == 0, (image == 0).all(0))
        rows, columns = mask.any(1), mask.any(0)
        # What is left is a rectangle that lacks one side.
        assert mask.sum() == rows.sum() * columns.sum()
        assert rows.all() or columns.all()
    assert 0 < (masks == 0).float().mean() < 0.4


def test_blur_is_a_gaussian():
    images = torch.rand(1, 3, 32, 32)
    config = replace(UNCHANGED, blur_share=1.0, blur_px=0.0)
    found, _ = vary_looks(images, torch.ones(1, 32, 32), config, generator())
    picture = images[0].permute(1, 2, 0).numpy()
    expected = cv2.GaussianBlur(picture, (9, 9), 0.3, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), expected, atol=1e-4)


def test_noise_has_at_most_the_size_it_was_asked_for():
    images = torch.full((64, 3, 32, 32), 0.5)
    config = replace(UNCHANGED, noise_share=1.0, noise=0.06)
    noisy, _ = vary_looks(images, torch.ones(64, 32, 32), config, generator())
    spread = noisy.flatten(1).std(1)
    assert spread.max() < 0.063
    assert spread.mean().item() == pytest.approx(0.03, abs=0.01)


def test_colour_changes_are_of_the_whole_image():
    images = torch.full((32, 3, 8, 8), 0.4)
    config = replace(UNCHANGED, gain=0.25, channel_gain=0.07, gamma=0.2)
    changed, _ = vary_looks(images, torch.ones(32, 8, 8), config, generator())
    assert (changed.flatten(2).std(2) < 1e-6).all()
    assert changed[:, :, 0, 0].mean(1).std() > 0.05
