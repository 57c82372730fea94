import numpy as np
import pytest

from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.training.keypoint_noise import NUM_ERRORS, KeypointNoise, _relative_errors


def hands(rng, count):
    """Return keypoints (N, 21, 2) in pixels and (N, 21, 3) in metres of flat, fanned hands."""
    flat = np.zeros((21, 3))
    for finger in range(5):
        for joint in range(4):
            flat[1 + 4 * finger + joint] = [0.02 * (2 - finger), -0.04 - 0.03 * joint, 0.0]
    angle = rng.uniform(-np.pi, np.pi, count)
    turn = np.zeros((count, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1], turn[:, 1, 0] = -np.sin(angle), np.sin(angle)
    turn[:, 2, 2] = 1
    points = (flat + rng.normal(0, 0.004, (count, 21, 3))) @ turn.transpose(0, 2, 1)
    size = rng.uniform(300, 2000, (count, 1, 1))
    return points[..., :2] * size + rng.uniform(50, 200, (count, 1, 2)), points + [0, 0, 0.4]


def drawn_errors(noise, rng, count):
    keypoints_px, keypoints_cam = hands(rng, count)
    drawn = [noise.draw(rng, *hand) for hand in zip(keypoints_px, keypoints_cam, strict=True)]
    errors = [
        _relative_errors(px, cam, *found)
        for px, cam, found in zip(keypoints_px, keypoints_cam, drawn, strict=True)
    ]
    return np.stack(errors)


@pytest.fixture(scope='module')
def detector():
    """Return a detector with a bias, fingers that err together, and gross errors now and then."""
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.02, NUM_ERRORS)
    bias[42:] -= np.tile(bias[42:].reshape(21, 3).mean(0), 21)
    factor = np.diag(np.repeat([0.01, 0.05], [42, 63])) + 0.002 * rng.normal(
        size=(NUM_ERRORS, NUM_ERRORS)
    )
    sizes = np.concatenate([np.full(56, 1.0), np.full(8, 5.0)])
    return KeypointNoise(bias, factor, sizes, 0.1)


def test_errors_are_relative_to_the_hands_own_axes_and_size(detector):
    # Exact errors, read back in any rotation and size of the hand.
    fixed = KeypointNoise(detector.bias, np.zeros((NUM_ERRORS, NUM_ERRORS)), np.ones(1), 0.0)
    errors = drawn_errors(fixed, np.random.default_rng(1), 20)
    np.testing.assert_allclose(errors, np.tile(detector.bias, (20, 1)), atol=1e-9)


def test_a_fit_reproduces_the_detector(detector):
    rng = np.random.default_rng(2)
    keypoints_px, keypoints_cam = hands(rng, 3000)
    found = [detector.draw(rng, *hand) for hand in zip(keypoints_px, keypoints_cam, strict=True)]
    detected_px, detected_world = (np.stack(column) for column in zip(*found, strict=True))
    missed = rng.random(3000) < detector.miss_rate
    detected_px[missed] = np.nan
    fitted = KeypointNoise.fit(keypoints_px, keypoints_cam, detected_px, detected_world)
    assert fitted.miss_rate == pytest.approx(missed.mean())
    errors = drawn_errors(detector, np.random.default_rng(3), 4000)
    again = drawn_errors(fitted, np.random.default_rng(4), 4000)
    np.testing.assert_allclose(np.median(again, 0), np.median(errors, 0), atol=0.006)
    for share in (0.5, 0.95, 0.99):
        for part in (slice(0, 42), slice(42, None)):
            lengths = [np.abs(e[:, part] - np.median(e[:, part], 0)) for e in (errors, again)]
            before, after = (np.quantile(length, share) for length in lengths)
            assert after == pytest.approx(before, rel=0.12)
    correlation = [np.corrcoef(e.T)[:42, :42] for e in (errors, again)]
    np.testing.assert_allclose(correlation[0], correlation[1], atol=0.25)


def test_too_few_hands_are_refused(detector):
    rng = np.random.default_rng(0)
    keypoints_px, keypoints_cam = hands(rng, 50)
    with pytest.raises(DatasetError, match='found 50 of 50 hands; the fit needs 420'):
        KeypointNoise.fit(keypoints_px, keypoints_cam, keypoints_px, keypoints_cam)


def test_isotropic_noise_has_the_sizes_it_was_asked_for():
    noise = KeypointNoise.isotropic(image=0.02, world=0.1)
    errors = drawn_errors(noise, np.random.default_rng(0), 2000)
    assert errors[:, :42].std() == pytest.approx(0.02, rel=0.03)
    assert errors[:, 42:].std() == pytest.approx(0.1, rel=0.06)


def test_a_fit_survives_the_disk(detector, tmp_path):
    detector.save(tmp_path / 'noise.npz')
    loaded = KeypointNoise.load(tmp_path / 'noise.npz')
    np.testing.assert_allclose(loaded.factor, detector.factor, atol=1e-8)
    assert loaded.miss_rate == detector.miss_rate


@pytest.mark.parametrize('content', [b'', b'nothing of the kind'])
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / 'noise.npz'
    path.write_bytes(content)
    with pytest.raises(ConfigError, match='fit-noise'):
        KeypointNoise.load(path)
    np.savez(path, bias=np.zeros(3), factor=np.zeros((3, 3)), sizes=np.ones(1), miss_rate=0.0)
    with pytest.raises(ConfigError, match='other shapes'):
        KeypointNoise.load(path)
