"""`realhands train` and `realhands export onnx`, from the command line to the files they leave."""

import csv
import importlib.util

import numpy as np
import pytest
import torch

from realhands_ros.cli.main import main
from realhands_ros.handnet.config import TINY
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.weights import load_weights, save_weights
from realhands_ros.handnet.weights_info import WeightsInfo
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.dataset_writer import write_dataset
from realhands_ros.training.keypoint_noise import KeypointNoise


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthetic') / 'set'
    write_dataset(folder, SynthesisConfig(crop_size=64), samples=3, seed=5, processes=1)
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(*arguments) -> int:
    options = ('--size', 'tiny', '--batch', '2', '--workers', '0')
    return main(['train', 'run', *map(str, arguments), *options])


def test_all_stages_run_and_leave_weights(dataset, tmp_path, capsys):
    noise = tmp_path / 'noise.npz'
    KeypointNoise.isotropic().save(noise)
    out = tmp_path / 'run'
    arguments = (out, '--synthetic', dataset, '--hands', 60, '--noise', noise)
    assert train(*arguments) == 0
    network, info = load_weights(out / 'weights.safetensors', config=TINY)
    assert info.making['stages'] == [
        'image', 'keypoint', 'segmentation', 'fusion', 'finalize', 'stereo'
    ]  # fmt: skip
    assert info.making['hands_seen'] == pytest.approx(60, abs=4)
    with (out / 'validation.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['stage'] for row in rows] == info.making['stages']
    assert np.isfinite(float(rows[-1]['stereo_rotation_mm']))
    # Again: nothing is left to do. With another batch it is another run.
    assert train(*arguments) == 0
    assert train(*arguments, '--seed', '1') == 1
    assert 'other settings (seed was 0, now 1)' in capsys.readouterr().err


def test_single_stage_recipe(dataset, tmp_path):
    assert train(tmp_path, '--synthetic', dataset, '--hands', 8, '--recipe', 'single') == 0
    _, info = load_weights(tmp_path / 'weights.safetensors')
    assert info.making['stages'][0] == 'joint'


def test_without_data_it_says_so(tmp_path, capsys):
    assert train(tmp_path) == 1
    assert 'nothing to train on' in capsys.readouterr().err


def test_freihand_with_the_open_hand_is_explained(tmp_path, capsys):
    assert train(tmp_path / 'run', '--freihand', tmp_path) == 1
    assert 'training_K.json is missing' in capsys.readouterr().err


def test_fit_without_detections_says_how_to_make_them(dataset, tmp_path, capsys):
    assert main(['train', 'fit-noise', str(dataset), str(tmp_path / 'noise.npz')]) == 1
    assert 'realhands train detect' in capsys.readouterr().err


def test_detections_are_written_beside_the_dataset(dataset, capsys):
    assert main(['train', 'detect', str(dataset)]) == 0
    path = dataset / 'detections.npz'
    with np.load(path) as archive:
        assert archive['keypoints_px'].shape == (3, 2, 21, 2)
        assert archive['world'].shape == (3, 2, 21, 3)
    path.unlink()


@pytest.mark.skipif(not importlib.util.find_spec('onnxscript'), reason='needs onnxscript')
def test_export_onnx(tmp_path, capsys):
    weights, out = tmp_path / 'tiny.safetensors', tmp_path / 'tiny.onnx'
    save_weights(weights, HandNet(TINY), WeightsInfo(TINY, 'any'))
    assert main(['export', 'onnx', str(out), '--weights', str(weights)]) == 0
    assert out.stat().st_size > 100_000
    assert '64 x 64' in capsys.readouterr().out
    assert main(['export', 'onnx', str(tmp_path), '--weights', str(weights)]) == 1
    assert 'cannot be written' in capsys.readouterr().err


def test_export_without_weights_says_so(tmp_path, capsys):
    missing = str(tmp_path / 'none.safetensors')
    assert main(['export', 'onnx', str(tmp_path / 'a.onnx'), '--weights', missing]) == 1
    assert 'no network weights' in capsys.readouterr().err
