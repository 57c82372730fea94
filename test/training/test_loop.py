"""Training end to end with a tiny network: it learns, stops, goes on and freezes."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace

import pytest
import torch

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.weights import load_weights
from realhands_ros.training.distributed import processes
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.loop import Trainer, TrainingConfig, learning_rate
from realhands_ros.training.photometric import PhotometricConfig
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation
from realhands_ros.training.run_folder import RunFolder
from realhands_ros.training.stages import (
    JOINT,
    STAGES,
    PlannedStage,
    plan_by_epochs,
    plan_by_hands,
)
from realhands_ros.training.stream import BatchStream
from realhands_ros.training.validation import validate

BY_NAME = {stage.name: stage for stage in STAGES}
UNCHANGED = PhotometricConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def config_of(network, **changes) -> TrainingConfig:
    config = TrainingConfig(network, 'metric', hands_per_step=4, workers=0, use_bfloat16=False)
    return replace(config, **changes)


def plan_of(*lengths: tuple[str, int]) -> tuple[PlannedStage, ...]:
    return tuple(PlannedStage(BY_NAME[name], steps, steps - 1) for name, steps in lengths)


@pytest.fixture
def make_trainer(tmp_path, few_hands, hand_model):
    def make(config, plan, name='run', looks=None, held_out=()) -> Trainer:
        with processes('cpu') as group:
            return Trainer(
                config,
                plan,
                few_hands,
                Preparation(config.network, KeypointNoise.isotropic()),
                hand_model,
                RunFolder(tmp_path / name, {'network': config.network.name}),
                group,
                looks=looks,
                held_out=held_out,
            )

    return make


def read_csv(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def test_a_tiny_network_learns_a_few_hands_by_heart(
    make_trainer, few_hands, hand_model, tiny_config, tmp_path
):
    exact = KeypointNoise.isotropic(image=0.0, world=0.0)
    config = config_of(tiny_config, hands_per_step=6, learning_rate=3e-3)
    trainer = make_trainer(config, (PlannedStage(JOINT, 150, 100),), looks=UNCHANGED)
    trainer._preparation = Preparation(tiny_config, exact, AS_DEPLOYED)
    held_out = [BatchStream(few_hands, trainer._preparation, hands=12, seed=(5,), steps=1)[0]]
    before = validate(trainer.network, hand_model, held_out)
    assert trainer.train()
    after = validate(trainer.network, hand_model, held_out)
    assert after['pa_mpvpe_mm'] < 0.5 * before['pa_mpvpe_mm']
    assert after['mpvpe_mm'] < 0.15 * before['mpvpe_mm']
    assert after['keypoints_px'] < 12
    assert after['iou'] > 0.8
    weights, info = load_weights(tmp_path / 'run' / 'weights.safetensors')
    assert info.making['hands_seen'] == 900
    stored = validate(weights, hand_model, held_out)
    assert stored['pa_mpvpe_mm'] == pytest.approx(after['pa_mpvpe_mm'], rel=0.05)


def test_a_resumed_run_equals_one_without_a_stop(make_trainer, tiny_config, tmp_path):
    config = config_of(tiny_config)
    plan = plan_of(('image', 3), ('finalize', 4))
    whole = make_trainer(config, plan, 'whole')
    assert whole.train()

    stopped = make_trainer(config, plan, 'stopped')
    steps = 0
    take_step = stopped._step

    def interrupted_step(*arguments):
        nonlocal steps
        steps += 1
        if steps == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(*arguments)

    stopped._step = interrupted_step
    assert not stopped.train()
    assert steps == 5
    resumed = make_trainer(config, plan, 'stopped')
    assert resumed._place.step == 2
    assert resumed.train()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    logs = [read_csv(tmp_path / name / 'log.csv') for name in ('whole', 'stopped')]
    assert logs[0][-1] == logs[1][-1]
    # A finished run has nothing left to do.
    assert make_trainer(config, plan, 'stopped').train()


def test_a_run_with_other_settings_is_refused(make_trainer, tiny_config):
    make_trainer(config_of(tiny_config), plan_of(('image', 1)))
    other = config_of(replace(tiny_config, name='other'))
    with pytest.raises(ConfigError, match=r"network was 'tiny', now 'other'"):
        make_trainer(other, plan_of(('image', 1)))


def test_a_damaged_checkpoint_is_named(make_trainer, tiny_config, tmp_path):
    trainer = make_trainer(config_of(tiny_config), plan_of(('image', 1)))
    trainer.train()
    path = tmp_path / 'run' / 'checkpoint.pt'
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match='checkpoint.pt is damaged'):
        make_trainer(config_of(tiny_config), plan_of(('image', 1)))


@pytest.mark.parametrize('stage', STAGES, ids=lambda stage: stage.name)
def test_a_stage_changes_what_it_trains_and_nothing_else(make_trainer, tiny_config, stage):
    trainer = make_trainer(config_of(tiny_config), (PlannedStage(stage, 2, 1),))
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    assert trainer.train()
    changed = {
        name for name, value in trainer.network.state_dict().items()
        if not torch.equal(value, before[name])
    }  # fmt: skip
    assert changed
    for name in changed:
        assert name.startswith(stage.trains), f'{name} changed'
    for part in stage.trains:
        assert any(name.startswith(part) for name in changed), f'{part} did not change'


def test_several_stages_log_their_terms(make_trainer, few_hands, tiny_config, tmp_path):
    preparation = Preparation(tiny_config, KeypointNoise.isotropic(), AS_DEPLOYED)
    held_out = [BatchStream(few_hands, preparation, hands=2, seed=(1,), steps=1)[0]]
    plan = plan_of(('image', 1), ('segmentation', 1), ('stereo', 1))
    assert make_trainer(config_of(tiny_config), plan, held_out=held_out).train()
    rows = read_csv(tmp_path / 'run' / 'log.csv')
    assert [row['stage'] for row in rows] == ['image', 'segmentation', 'stereo']
    assert rows[0]['vertices']
    assert not rows[0]['segmentation']
    assert rows[1]['segmentation']
    assert rows[2]['stereo_vertices']
    scores = read_csv(tmp_path / 'run' / 'validation.csv')
    assert len(scores) == 3
    assert float(scores[0]['pa_mpvpe_mm']) > 0
    assert {'stereo_linear_mm', 'stereo_rotation_mm', 'one_view_mm', 'iou'} <= set(scores[0])


def test_mixed_precision_trains_too(make_trainer, tiny_config):
    trainer = make_trainer(config_of(tiny_config, use_bfloat16=True), plan_of(('finalize', 2)))
    assert trainer.train()
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())


def test_learning_rate_falls_linearly_at_the_end():
    planned = PlannedStage(JOINT, steps=10, decay_from=6)
    rates = [learning_rate(1.0, planned, step) for step in range(10)]
    assert rates == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_plans_divide_hands_by_share_and_epochs_as_the_paper():
    plan = plan_by_hands('multi', 160_000, 16)
    assert sum(planned.steps for planned in plan) == pytest.approx(10_000, abs=5)
    assert 'synthetic' not in [planned.stage.name for planned in plan]
    paper = plan_by_epochs('multi', 32_560, 32)
    assert [planned.stage.name for planned in paper] == list(BY_NAME)
    assert paper[0].steps == 120 * 1018
    assert paper[0].decay_from == 100 * 1018
    with pytest.raises(ConfigError, match='unknown recipe'):
        plan_by_hands('quick', 10, 1)
