import math

import torch

from realhands_ros.keypoints.heatmaps import gaussian_heatmaps


def test_values_are_those_of_a_gaussian():
    keypoints = torch.tensor([[[3.0, 10.0], [7.25, 4.5]]])
    heatmaps = gaussian_heatmaps(keypoints, 16, 2.0)
    assert heatmaps.shape == (1, 2, 16, 16)
    assert heatmaps[0, 0, 10, 3] == 1.0
    for y, x in ((4, 7), (0, 0), (15, 8)):
        squared = (x - 7.25) ** 2 + (y - 4.5) ** 2
        expected = math.exp(-squared / (2 * 2.0**2))
        torch.testing.assert_close(heatmaps[0, 1, y, x].item(), expected, atol=1e-6, rtol=1e-5)


def test_unknown_and_far_keypoints_leave_nothing():
    keypoints = torch.tensor([[[math.nan, math.nan], [math.nan, 3.0], [1e6, -1e6], [8.0, 8.0]]])
    heatmaps = gaussian_heatmaps(keypoints, 16, 2.0)
    assert torch.isfinite(heatmaps).all()
    assert heatmaps[0, :3].abs().max() == 0
    assert heatmaps[0, 3].max() == 1.0
