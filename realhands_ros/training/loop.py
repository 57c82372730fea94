"""The training loop: stages in a row, resumable at any step."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from realhands_ros.errors import ConfigError
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import HandNetConfig
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.pose_blend import PoseBlend
from realhands_ros.handnet.weights import save_weights
from realhands_ros.handnet.weights_info import WeightsInfo, shape_basis_key
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.distributed import Processes
from realhands_ros.training.feature_cache import FeatureCache, HidingConfig
from realhands_ros.training.hand_source import HandSource
from realhands_ros.training.losses import LOSSES, Terms
from realhands_ros.training.photographs import UNKNOWN
from realhands_ros.training.photometric import PhotometricConfig, vary_looks
from realhands_ros.training.preparation import Preparation
from realhands_ros.training.run_folder import RunFolder
from realhands_ros.training.stage_model import StageModel, freeze_all_but
from realhands_ros.training.stages import SLOW_RATE, PlannedStage
from realhands_ros.training.stream import BatchStream, batches
from realhands_ros.training.validation import validate

_ADAM_BETAS = (0.9, 0.99)
_LOG_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class TrainingConfig:
    """
    What a run is made of, apart from its data and its stages.

    ``hands_per_step`` in each process; ``learning_rate`` and the loss ``loss`` (a name in LOSSES)
    as the paper has them by default. ``use_bfloat16``: mixed precision. ``workers``: processes
    that prepare batches. ``checkpoint_minutes`` and ``validation_minutes``: how often.
    """

    network: HandNetConfig
    loss: str
    pose_blend: PoseBlend = 'rotation'
    hands_per_step: int = 16
    learning_rate: float = 2e-4
    seed: int = 0
    use_bfloat16: bool = True
    workers: int = 1
    checkpoint_minutes: float = 5.0
    validation_minutes: float = 30.0


@dataclass
class _Place:
    """How far a run has come: stage and step in it, steps and hands in all."""

    stage: int = 0
    step: int = 0
    total_step: int = 0
    hands: int = 0


class Trainer:
    """Trains one network through its planned stages."""

    def __init__(
        self,
        config: TrainingConfig,
        plan: Sequence[PlannedStage],
        source: HandSource,
        preparation: Preparation,
        hand_model: HandModel,
        folder: RunFolder,
        group: Processes,
        *,
        looks: PhotometricConfig | None = None,
        cache: FeatureCache | None = None,
        photograph_share: float | None = None,
        held_out: Sequence[TrainingBatch] = (),
        start: HandNet | None = None,
    ) -> None:
        """
        Take the network from the folder's checkpoint, else ``start``, else a new one.

        ``cache``: for the stages that read features; ``photograph_share``: of their crops.
        """
        self._config = config
        self._plan = tuple(plan)
        self._source = source
        self._preparation = preparation
        self._folder = folder
        self._group = group
        self._looks = looks or PhotometricConfig()
        self._cache = cache
        self._photograph_share = photograph_share
        self._held_out = [batch.to(group.device) for batch in held_out]
        torch.manual_seed(config.seed)
        network = (start or HandNet(config.network)).to(group.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._hand_model = hand_model.to(group.device)
        self._place = _Place()
        self._optimiser_state: dict[str, Any] | None = None
        self._resume()

    def train(self) -> bool:
        """
        Run until the plan is done, or until SIGINT or SIGTERM; return whether it is done.

        Either way a later call with the same folder goes on where this one stopped.
        """
        with _stop_signals() as asked_to_stop:
            while self._place.stage < len(self._plan):
                if not self._run_stage(self._plan[self._place.stage], asked_to_stop):
                    return False
                self._end_stage()
        return True

    def _run_stage(self, planned: PlannedStage, asked_to_stop: Callable[[], bool]) -> bool:
        """Run the current stage from its current step; return whether it came to its end."""
        config, place, group = self._config, self._place, self._group
        module = StageModel(
            self.network,
            self._hand_model,
            planned.stage,
            LOSSES[config.loss],
            config.pose_blend,
        )
        optimiser = self._optimiser(planned)
        model = group.wrap(module)
        clock = _Clock(config)
        progress = tqdm(
            initial=place.step,
            total=planned.steps,
            desc=planned.stage.name,
            unit='step',
            dynamic_ncols=True,
            disable=not group.is_first,
        )
        with progress:
            for batch in self._batches(planned):
                rate = learning_rate(config.learning_rate, planned, place.step)
                terms = self._step(model, optimiser, batch.to(group.device), rate)
                self._advance()
                progress.update()
                if clock.is_due('log') or place.step == planned.steps:
                    self._log(planned, terms, rate)
                    progress.set_postfix(loss=f'{LOSSES[config.loss].total(terms).item():.4f}')
                if clock.is_due('validation'):
                    self._validate(planned)
                    freeze_all_but(self.network, planned.stage)
                stopping = group.any_of(asked_to_stop())
                if stopping or clock.is_due('checkpoint'):
                    self._checkpoint(optimiser)
                if stopping:
                    return False
        return True

    def _step(
        self, model: nn.Module, optimiser: torch.optim.Adam, batch: TrainingBatch, rate: float
    ) -> Terms:
        """Take one step of gradient descent; return the terms of its loss."""
        device = self._group.device
        images, masks = batch.image, batch.mask
        if batch.pooled is None:
            images = images.permute(0, 3, 1, 2).float() / 255.0
            masks = torch.where(masks == UNKNOWN, 0.5, masks.float() / 255.0)
            images, masks = vary_looks(images, masks, self._looks, self._generator())
        for parameters in optimiser.param_groups:
            parameters['lr'] = rate * parameters['factor']
        with torch.autocast(device.type, torch.bfloat16, enabled=self._config.use_bfloat16):
            terms: Terms = model(images, masks, batch)
        loss = LOSSES[self._config.loss].total(terms)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {name: term.detach() for name, term in terms.items()}

    def _optimiser(self, planned: PlannedStage) -> torch.optim.Adam:
        """Return a new optimiser of the stage's parameters, or the one of the checkpoint."""
        slow = {
            parameter
            for name in planned.stage.slow
            for parameter in self.network.get_submodule(name).parameters()
        }
        trained = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {'params': [p for p in trained if p not in slow], 'factor': 1.0},
            {'params': [p for p in trained if p in slow], 'factor': SLOW_RATE},
        ]
        optimiser = torch.optim.Adam(
            [group for group in groups if group['params']],
            self._config.learning_rate,
            betas=_ADAM_BETAS,
            fused=True,
        )
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
            self._optimiser_state = None
        return optimiser

    def _batches(self, planned: PlannedStage) -> Iterator[TrainingBatch]:
        """Return the batches that are left of a stage."""
        if not planned.stage.cached:
            return batches(self._stream(planned), self._place.step, workers=self._config.workers)
        if self._cache is None:
            message = (
                f'the stage {planned.stage.name} reads features: make them with '
                '`realhands train cache` and give --cached DIR'
            )
            raise ConfigError(message)
        return self._cache.batches(
            self._place.step,
            planned.steps,
            crops=2 * self._config.hands_per_step,
            seed=(self._config.seed, self._place.stage, self._group.rank),
            pairs_only='stereo' in planned.stage.objectives,
            single_share=self._photograph_share,
            hiding=HidingConfig(),
        )

    def _stream(self, planned: PlannedStage) -> BatchStream:
        return BatchStream(
            self._source,
            self._preparation,
            hands=self._config.hands_per_step,
            seed=(self._config.seed, self._place.stage),
            steps=planned.steps,
            rank=self._group.rank,
        )

    def _generator(self) -> torch.Generator:
        """Return this step's own random numbers for the looks of images."""
        generator = torch.Generator(self._group.device)
        number = self._place.total_step * self._group.count + self._group.rank
        # Neighbouring seeds give unrelated numbers.
        return generator.manual_seed(self._config.seed * 2**40 + number)

    def _advance(self) -> None:
        self._place.step += 1
        self._place.total_step += 1
        self._place.hands += self._config.hands_per_step * self._group.count

    def _end_stage(self) -> None:
        finished = self._plan[self._place.stage]
        self._validate(finished)
        self._place.stage += 1
        self._place.step = 0
        self._checkpoint(None)
        if self._group.is_first:
            save_weights(self._folder.weights_path, self.network, self._weights_info())

    def _weights_info(self) -> WeightsInfo:
        stages = [planned.stage.name for planned in self._plan[: self._place.stage]]
        making = {'hands_seen': self._place.hands, 'stages': stages, 'loss': self._config.loss}
        key = shape_basis_key(self._hand_model.data)
        return WeightsInfo(self._config.network, key, making)

    def _log(self, planned: PlannedStage, terms: Terms, rate: float) -> None:
        if not self._group.is_first:
            return
        self._folder.log('log', {
            **self._row(planned),
            'learning_rate': f'{rate:.3g}',
            'loss': f'{LOSSES[self._config.loss].total(terms).item():.6g}',
            **{name: f'{term.item():.6g}' for name, term in terms.items()},
        })  # fmt: skip

    def _validate(self, planned: PlannedStage) -> None:
        if not self._held_out or not self._group.is_first:
            return
        scores = validate(
            self.network, self._hand_model, self._held_out, route=planned.stage.route
        )
        rounded = {name: f'{value:.4g}' for name, value in scores.items()}
        self._folder.log('validation', {**self._row(planned), **rounded})
        tqdm.write(f'{planned.stage.name}: ' + ', '.join(f'{k} {v}' for k, v in rounded.items()))

    def _row(self, planned: PlannedStage) -> dict[str, Any]:
        return {
            'total_step': self._place.total_step,
            'stage': planned.stage.name,
            'step': self._place.step,
            'hands': self._place.hands,
        }

    def _checkpoint(self, optimiser: torch.optim.Adam | None) -> None:
        if not self._group.is_first:
            return
        self._folder.save_checkpoint({
            'place': vars(self._place),
            'network': self.network.state_dict(),
            'optimiser': None if optimiser is None else optimiser.state_dict(),
        })  # fmt: skip

    def _resume(self) -> None:
        checkpoint = self._folder.load_checkpoint(self._group.device)
        if checkpoint is None:
            return
        self._place = _Place(**checkpoint['place'])
        self.network.load_state_dict(checkpoint['network'])
        self._optimiser_state = checkpoint['optimiser']
        if self._group.is_first:
            self._folder.forget_after(self._place.total_step)


def learning_rate(start: float, planned: PlannedStage, step: int) -> float:
    """Return the learning rate of a step: constant, then falling linearly to zero."""
    if step < planned.decay_from:
        return start
    return start * (planned.steps - step) / (planned.steps - planned.decay_from)


class _Clock:
    """Says when the next log line, validation or checkpoint is due."""

    def __init__(self, config: TrainingConfig) -> None:
        self._every = {
            'log': _LOG_SECONDS,
            'checkpoint': 60 * config.checkpoint_minutes,
            'validation': 60 * config.validation_minutes,
        }
        self._last = dict.fromkeys(self._every, time.monotonic())

    def is_due(self, what: str) -> bool:
        now = time.monotonic()
        if now - self._last[what] < self._every[what]:
            return False
        self._last[what] = now
        return True


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question that the loop asks between steps."""
    received: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, remember) for number in _SIGNALS}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
