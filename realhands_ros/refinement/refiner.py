"""
Refine the mesh of one hand by what its views show: check, optimise, guard, measure.

Never raises for what it is given as data, and never returns a number that is not finite in a mesh;
what was wrong is in the flags.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from realhands_ros.data.topology import NUM_POSE, NUM_SHAPE
from realhands_ros.errors import ConfigError
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.fit_quality import measure_fit
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.guard import GuardConfig, judge
from realhands_ros.refinement.hand_estimate import (
    HandEstimate,
    HandParameters,
    Refinement,
    RefinementFlag,
)
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.input_check import usable_views
from realhands_ros.refinement.levenberg_marquardt import (
    LevenbergMarquardt,
    LevenbergMarquardtConfig,
)
from realhands_ros.refinement.optimiser import Deadline, Optimiser
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.view_set import ViewSet

_NEUTRAL_HAND = HandParameters(np.zeros(NUM_POSE), np.zeros(NUM_SHAPE), np.zeros(3))


@dataclass(frozen=True)
class RefinementConfig:
    """
    How hands are refined.

    ``optimiser`` is 'levenberg_marquardt', or 'gradient_descent' for the paper's. ``budget_ms``
    bounds the time of the optimiser; None does all iterations.
    """

    optimiser: Literal['levenberg_marquardt', 'gradient_descent'] = 'levenberg_marquardt'
    budget_ms: float | None = None
    energy: EnergyConfig = field(default_factory=EnergyConfig)
    levenberg_marquardt: LevenbergMarquardtConfig = field(default_factory=LevenbergMarquardtConfig)
    gradient_descent: GradientDescentConfig = field(default_factory=GradientDescentConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown optimiser or a budget that is no time."""
        if self.optimiser not in ('levenberg_marquardt', 'gradient_descent'):
            message = (
                f'optimiser is {self.optimiser!r}; it must be levenberg_marquardt or '
                'gradient_descent'
            )
            raise ConfigError(message)
        if self.budget_ms is not None and not self.budget_ms > 0.0:
            message = f'budget_ms is {self.budget_ms}; it must be positive, or None for no limit'
            raise ConfigError(message)


class HandRefiner:
    """Refines right hands of one model; holds nothing of one hand when it sees the next."""

    def __init__(self, data: HandModelData, config: RefinementConfig | None = None) -> None:
        """Prepare for the right hand model ``data``."""
        self._config = config or RefinementConfig()
        self._model = RefinementModel(data)
        self._optimiser = _optimiser(self._config)

    def refine(self, estimate: HandEstimate) -> Refinement:
        """Return the refined hand, or the one that came in with the flag that says why."""
        # Whatever overflows or divides by zero on the way is caught by the checks and the guard.
        with np.errstate(all='ignore'):
            return self._refine(estimate, Deadline(self._config.budget_ms))

    def _refine(self, estimate: HandEstimate, deadline: Deadline) -> Refinement:
        start = estimate.parameters
        _, vertices, _ = self._model.pose(start)
        if not (start.is_finite and np.isfinite(vertices).all()):
            flags = RefinementFlag.INVALID_PARAMETERS
            return self._unrefined(_NEUTRAL_HAND, flags, deadline)
        views, flags = usable_views(vertices, estimate.views)
        if flags & RefinementFlag.NOTHING_OBSERVED:
            return self._unrefined(start, flags, deadline)
        last = estimate.last if estimate.last and estimate.last.is_finite else None
        energy = Energy(self._model, ViewSet(views), self._config.energy, start, last)
        before = sharp_state(energy, energy.start)
        result = self._optimiser.minimise(energy, before, deadline)
        if result.stopped_by == 'budget':
            flags |= RefinementFlag.OUT_OF_TIME
        verdict = judge(energy, before, result.state, self._config.guard)
        fit = measure_fit(energy, verdict.state)
        if fit.is_poor:
            flags |= RefinementFlag.POOR_FIT
        return Refinement(
            parameters=verdict.state.parameters,
            vertices=verdict.state.posed.vertices,
            keypoints=verdict.state.posed.keypoints,
            flags=flags | verdict.flags,
            silhouette_iou=fit.silhouette_iou,
            reprojection_error_px=fit.reprojection_error_px,
            energy_before=verdict.energy_before,
            energy_after=verdict.state.value,
            elapsed_ms=deadline.elapsed_ms,
        )

    def _unrefined(
        self, parameters: HandParameters, flags: RefinementFlag, deadline: Deadline
    ) -> Refinement:
        _, vertices, keypoints = self._model.pose(parameters)
        unknown = float('nan')
        return Refinement(
            parameters, vertices, keypoints, flags, unknown, unknown, unknown, unknown,
            deadline.elapsed_ms,
        )  # fmt: skip


def _optimiser(config: RefinementConfig) -> Optimiser:
    if config.optimiser == 'gradient_descent':
        return GradientDescent(config.gradient_descent)
    return LevenbergMarquardt(config.levenberg_marquardt)
