import pickle

import numpy as np
import pytest

from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.synthesis.config import BARE_HANDS, SynthesisConfig
from realhands_ros.synthesis.dataset_writer import write_dataset
from realhands_ros.training import detections, run_data
from realhands_ros.training.detections import DetectedSource, fit_noise, write_detections
from realhands_ros.training.hand_source import (
    Detection,
    HandSample,
    MixedSource,
    RenderedSource,
    SyntheticSource,
    ViewSample,
)
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.run_data import RunData, held_out_batches, training_source

CONFIG = SynthesisConfig(crop_size=64, second_hand_share=0.0, occluder_share=0.0)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthetic') / 'set'
    write_dataset(folder, CONFIG, samples=3, seed=5, processes=1)
    return folder


def assert_same(first: HandSample, second: HandSample, *, image_atol: float = 0) -> None:
    assert first.handedness == second.handedness
    np.testing.assert_allclose(first.pose_aa, second.pose_aa, atol=1e-6)
    np.testing.assert_allclose(first.shape, second.shape, atol=1e-6)
    np.testing.assert_allclose(first.keypoints, second.keypoints, atol=1e-6)
    assert len(first.views) == len(second.views) == 2
    for a, b in zip(first.views, second.views, strict=True):
        difference = np.abs(a.image.astype(float) - b.image)
        assert difference.mean() <= image_atol
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_allclose(
            a.camera.project(first.keypoints), b.camera.project(second.keypoints), atol=0.02
        )


def test_a_dataset_holds_what_the_renderer_gives(dataset):
    rendered = RenderedSource(CONFIG, 5, samples=3)
    stored = SyntheticSource(dataset)
    assert len(stored) == len(rendered) == 3
    for index in range(3):
        # Pictures are stored as JPEG.
        assert_same(stored.sample(index), rendered.sample(index), image_atol=4)


def test_sources_travel_to_other_processes(dataset):
    for source in (
        SyntheticSource(dataset, part=slice(1, None)),
        RenderedSource(CONFIG, 7, samples=2),
    ):
        first = source.sample(1)
        other = pickle.loads(pickle.dumps(source))
        assert len(other) == len(source) == 2
        assert_same(other.sample(1), first)


class Numbered:
    """A source whose samples are told apart by their shape coefficients."""

    def __init__(self, number: int, count: int) -> None:
        self.number, self.count = number, count

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> HandSample:
        shape = np.array([self.number, index], dtype=float)
        return HandSample('right', np.zeros(48), shape, np.zeros((21, 3)), ())


def test_a_mix_keeps_its_shares_and_its_numbers():
    mixed = MixedSource([Numbered(0, 5), Numbered(1, 500)], [3.0, 1.0])
    assert len(mixed) == 505
    drawn = np.stack([mixed.sample(index).shape for index in range(2000)])
    assert (drawn[:, 0] == 0).mean() == pytest.approx(0.75, abs=0.03)
    assert set(drawn[drawn[:, 0] == 0][:, 1]) == set(range(5))
    np.testing.assert_array_equal(mixed.sample(3).shape, mixed.sample(3).shape)


@pytest.mark.parametrize('shares', [[], [1.0], [1.0, 0.0]])
def test_impossible_mixes_are_refused(shares):
    with pytest.raises(ConfigError, match='give each a share'):
        MixedSource([Numbered(0, 1), Numbered(1, 1)], shares)


class FakeDetector:
    """Finds right hands three pixels to the right, and misses left ones."""

    def __init__(self) -> None:
        self.closed = False

    def detect(self, image, keypoints_px):
        if image[0, 0, 0] == 0:
            return None
        return Detection(keypoints_px + [3.0, 0.0], np.ones((21, 3)))

    def close(self) -> None:
        self.closed = True


class Flat:
    """Simple hands of either handedness; the picture's first pixel says which."""

    rig = StereoRig.rectified(fx=300, fy=300, cx=100, cy=100, width=200, height=200, baseline=0.1)

    def __len__(self) -> int:
        return 300

    def sample(self, index: int) -> HandSample:
        rng = np.random.default_rng(index)
        keypoints = rng.uniform(-0.05, 0.05, (21, 3)) + [0, 0, 0.4]
        keypoints[9] = keypoints[0] + [0.0, -0.09, 0.0]
        keypoints[5], keypoints[17] = keypoints[9] + [0.02, 0, 0], keypoints[9] - [0.02, 0, 0]
        handedness = 'right' if index % 4 else 'left'
        image = np.full((200, 200, 3), 9 if handedness == 'right' else 0, np.uint8)
        views = tuple(ViewSample(image, camera) for camera in self.rig.views)
        return HandSample(handedness, np.zeros(48), np.zeros(10), keypoints, views)


@pytest.fixture
def detected(tmp_path, monkeypatch):
    monkeypatch.setattr(detections, 'Detector', FakeDetector)
    path = tmp_path / 'detections.npz'
    write_detections(Flat(), path)
    return path


def test_detections_come_back_with_their_samples(detected):
    source = DetectedSource(Flat(), detected)
    for index in (1, 4):
        sample = source.sample(index)
        for view in sample.views:
            if sample.handedness == 'left':
                assert view.detection is None
            else:
                expected = view.camera.project(sample.keypoints) + [3.0, 0.0]
                np.testing.assert_allclose(view.detection.keypoints_px, expected, atol=1e-4)


def test_noise_is_fitted_to_detections(detected):
    noise = fit_noise(Flat(), detected)
    assert noise.miss_rate == pytest.approx(0.25)
    # The hand's y axis points up in these pictures, and its x axis towards the index finger.
    across = noise.bias[:42].reshape(21, 2)[:, 0]
    assert (across > 0).all()
    np.testing.assert_allclose(noise.bias[:42].reshape(21, 2)[:, 1], 0, atol=1e-6)


def test_detections_of_another_dataset_are_refused(detected, tmp_path):
    with pytest.raises(DatasetError, match='detections of 300 samples, the dataset has 5'):
        DetectedSource(Numbered(0, 5), detected)
    with pytest.raises(DatasetError, match='train detect'):
        DetectedSource(Flat(), tmp_path / 'nowhere.npz')


@pytest.mark.slow
def test_mediapipe_finds_a_rendered_hand_of_either_side():
    source = RenderedSource(
        SynthesisConfig(mix={'frontal': 1.0}, **BARE_HANDS),
        3,
        samples=8,
    )
    detector = detections.Detector()
    errors, world_errors = [], []
    for index in range(len(source)):
        sample = source.sample(index)
        for view in sample.views:
            truth = view.camera.project(sample.keypoints)
            found = detector.detect(view.image, truth)
            if found is not None:
                error = np.linalg.norm(found.keypoints_px - truth, axis=1).mean()
                errors.append(error / np.ptp(truth, axis=0).max())
                points = view.camera.to_camera(sample.keypoints)
                difference = (found.world - found.world.mean(0)) - (points - points.mean(0))
                world_errors.append(np.linalg.norm(difference, axis=1).mean())
    detector.close()
    assert len(errors) >= 10
    assert np.median(errors) < 0.06
    # In metres and in the camera's axes: a wrong axis or sign would be several centimetres.
    assert np.median(world_errors) < 0.03


def test_held_out_samples_are_not_trained_on(monkeypatch, hand_model, tiny_config, tmp_path):
    monkeypatch.setattr(run_data, 'SyntheticSource', lambda folder: Numbered(0, 60))
    data = RunData(synthetic=(tmp_path,))
    source = training_source(data, hand_model)
    trained = {int(source.sample(i).shape[1]) for i in range(len(source))}
    ((held_out, hands),) = run_data._held_out_sources(data)
    kept = {int(held_out.sample(i).shape[1]) for i in range(len(held_out))}
    assert not trained & kept
    assert trained | kept == set(range(60))
    assert hands == len(kept) == 3


def test_rendering_holds_out_other_scenes(monkeypatch, hand_model, tiny_config):
    monkeypatch.setattr(run_data, '_HELD_OUT_RENDERED', 1)
    monkeypatch.setattr(run_data, '_BATCH', 1)
    data = RunData(render=True, crop_size=64)
    (batch,) = held_out_batches(data, tiny_config, KeypointNoise.isotropic())
    assert batch.image.shape == (2, 64, 64, 3)
    assert batch.has_mask.all()
    assert len(training_source(data, hand_model)) == 2**31


def test_no_data_is_an_error(hand_model):
    with pytest.raises(ConfigError, match='nothing to train on'):
        training_source(RunData(), hand_model)
