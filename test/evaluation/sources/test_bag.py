"""A recording is replayed by the real pipeline: the same figures each time, kept and reported."""

import dataclasses
import json
import re
import shutil
import subprocess
import zipfile

import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.evaluation.methods import refinement_variants
from realhands_ros.evaluation.replay import BASELINE_TITLES, ReplayConfig
from realhands_ros.evaluation.report.page import report_page
from realhands_ros.evaluation.result import EvaluationResult, Requirement, failures
from realhands_ros.evaluation.sources.bag import BagSource, evaluate_bag
from realhands_ros.evaluation.summary import compare, stage_rows, summary_text
from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.pipeline import PipelineConfig
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.texture.stage import TextureStageConfig

FRAMES = 6


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('film') / 'bag'
    settings = FilmSettings(seconds=FRAMES / 8, rate=8.0, seed=3)
    record_bag(path, settings, wrappers=('5.1',), processes=1)
    return path


@pytest.fixture(scope='module')
def config(untrained_weights):
    pipeline = PipelineConfig(
        handnet=HandNetStageConfig(untrained_weights, backend='torch'),
        texture=TextureStageConfig(),
    )
    (paper,) = (v for v in refinement_variants() if v.name == 'sgd3')
    return ReplayConfig(pipeline, variants=(paper,), baselines=tuple(BASELINE_TITLES))


@pytest.fixture(scope='module')
def result(bag, config):
    return evaluate_bag(BagSource(bag), config, {})


def test_every_stage_is_scored_on_the_same_hands(result):
    assert result.partial is None
    assert list(result.stages) == [*BASELINE_TITLES, 'regressed', 'sgd3', 'refined']
    assert result.counts['frames'] == FRAMES
    hands = result.counts['hands']
    assert hands > 0 and result.counts['matched'] > 0
    for columns in result.scores.values():
        assert {len(column) for column in columns.values()} == {hands}
    has_truth = result.hands['truth'] >= 0
    for stage in ('mean_shape', 'regressed', 'sgd3', 'refined'):
        assert np.isfinite(result.scores[stage]['pa_mpvpe'][has_truth]).all()
    assert np.isfinite(result.scores['world_landmarks']['pa_mpjpe'][has_truth]).any()
    assert 'wrist' not in result.scores['mean_shape']
    assert result.counts['matched'] == has_truth.sum()
    assert result.counts['true_hands'] <= FRAMES
    assert result.value('detected') < 30.0
    assert set(result.timing) == {'keypoints', 'handnet', 'refinement', 'texture'}
    assert 0.0 <= result.value('coverage') <= 1.0


def test_two_runs_give_the_same_bytes(bag, config, result, tmp_path):
    again = evaluate_bag(BagSource(bag), config, {})
    for name, each in (('a', result), ('b', again)):
        each.save(tmp_path / f'{name}.zip')
    with zipfile.ZipFile(tmp_path / 'a.zip') as a, zipfile.ZipFile(tmp_path / 'b.zip') as b:
        for member in ('result.json', 'arrays.npz', 'pictures/best_1.jpg'):
            assert a.read(member) == b.read(member), member


def test_a_saved_result_is_read_back(result, tmp_path):
    result.save(tmp_path / 'r.zip')
    loaded = EvaluationResult.load(tmp_path / 'r.zip')
    assert loaded.numbers() == result.numbers()
    assert summary_text(loaded) == summary_text(result)
    assert loaded.pictures == result.pictures
    assert loaded.maps.keys() == result.maps.keys()


def test_the_reports_numbers_are_those_of_the_json(result, models, tmp_path):
    result.save(tmp_path / 'r.zip')
    with zipfile.ZipFile(tmp_path / 'r.zip') as archive:
        numbers = json.loads(archive.read('result.json'))
    page = report_page(result, models['right'])
    embedded = re.search(r'<script type="application/json" id="result">(.*?)</script>', page)
    assert json.loads(embedded.group(1)) == numbers
    headings, rows = stage_rows(result)
    column = headings.index('PA-MPVPE mm')
    for row, stage in zip(rows, numbers['stages'], strict=True):
        value = numbers['means'][stage].get('pa_mpvpe')
        assert row[column] == ('–' if value is None else f'{value:.1f}')
        assert f'<td>{row[column]}</td>' in page
    assert not re.search(r'(src|href)="(?!data:)', page)


@pytest.mark.skipif(shutil.which('chromium') is None, reason='chromium is not installed')
def test_a_browser_opens_the_report(result, models, tmp_path):
    (tmp_path / 'report.html').write_text(report_page(result, models['right']))
    found = subprocess.run(
        ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--dump-dom',
         f'--user-data-dir={tmp_path / "profile"}', (tmp_path / 'report.html').as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert 'Best and worst frames' in found.stdout
    assert found.stdout.count('<img') == page_images(result)


def page_images(result) -> int:
    plots = 4  # PCK, over time, by keypoint, latency
    return plots + 1 + len(result.pictures)


def test_a_result_equals_itself(result):
    for difference in compare(result, result):
        assert difference.difference == 0.0
        assert not difference.is_clear


def test_thresholds(result):
    value = result.value('pa_mpvpe')
    met = Requirement.parse(f'pa_mpvpe<={value}')
    missed = Requirement.parse('regressed.pa_mpvpe < 0.001')
    unknown = Requirement.parse('latency_p50>=0')
    assert failures([met, unknown], result) == []
    (failure,) = failures([met, missed], result)
    assert failure.startswith('regressed.pa_mpvpe<0.001: it is ')


def test_without_truth_and_with_one_camera(bag, config):
    bare = dataclasses.replace(config, variants=())
    result = evaluate_bag(BagSource(bag, mono=True, frames=3), bare, {})
    assert result.about['views'] == 'mono'
    assert result.counts['frames'] == 3
    assert not np.isfinite(result.means['triangulation'].get('pa_mpjpe', np.nan))


def test_the_command_says_what_it_did(bag, untrained_weights, tmp_path, capsys):
    command = [
        'eval',
        'bag',
        str(bag),
        '--backend',
        'torch',
        '--weights',
        str(untrained_weights),
        '--frames',
        '3',
    ]
    outputs = ['--report', str(tmp_path / 'r.html'), '--save', str(tmp_path / 'r.zip')]
    assert main([*command, *outputs, '--plot', str(tmp_path / 'plots')]) == 0
    assert 'PA-MPVPE mm' in capsys.readouterr().out
    assert (tmp_path / 'plots' / 'latency.png').stat().st_size > 1000
    assert main([*command, '--require', 'pa_mpvpe<0.001']) == 3
    assert 'NOT MET: pa_mpvpe<0.001' in capsys.readouterr().out
    assert main([*command, '--require', 'speed<3']) == 1
    assert "no metric 'speed'" in capsys.readouterr().err
    assert main(['eval', 'compare', str(tmp_path / 'r.zip'), str(tmp_path / 'r.zip')]) == 0


def test_a_cut_recording_leaves_a_marked_result(bag, untrained_weights, tmp_path, capsys):
    data = (bag / 'bag.mcap').read_bytes()
    (tmp_path / 'cut.mcap').write_bytes(data[: int(0.7 * len(data))])
    saved = tmp_path / 'r.zip'
    command = [
        'eval',
        'bag',
        str(tmp_path / 'cut.mcap'),
        '--backend',
        'torch',
        '--weights',
        str(untrained_weights),
    ]
    assert main([*command, '--save', str(saved)]) == 4
    assert 'PARTIAL RESULT' in capsys.readouterr().out
    result = EvaluationResult.load(saved)
    assert 0 < result.counts['frames'] < FRAMES
    assert 'is damaged' in result.partial


def test_a_recording_without_truth(bag, config, tmp_path):
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer

    with (
        Reader(bag) as reader,
        Writer(tmp_path / 'bare', version=8, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        kept = [c for c in reader.connections if not c.topic.startswith('/ground_truth')]
        written = {
            c.topic: writer.add_connection(
                c.topic, c.msgtype, msgdef=c.msgdef.data, rihs01=c.digest or None
            )
            for c in kept
        }
        for connection, stamp, data in reader.messages(kept):
            writer.write(written[connection.topic], stamp, data)
    result = evaluate_bag(BagSource(tmp_path / 'bare'), config, {})
    assert result.about['truth'] == 'none'
    assert 'misses' not in result.counts
    assert 'pa_mpvpe' not in result.means['refined']
    assert result.value('reprojection') > 0.0
    assert 0.0 <= result.value('silhouette_iou') <= 1.0
