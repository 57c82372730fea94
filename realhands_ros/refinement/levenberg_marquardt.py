"""
A second-order optimiser: Levenberg-Marquardt on pose, shape and translation, then vertex offsets.

Three rounds. The first looks at the keypoints alone, with outliers tolerated late: it is cheap,
needs no image, and brings every finger near its own place, from where contours cannot mistake it
for its neighbour. The second minimises the same energy as the gradient descent, with sharp
silhouettes (contour_term.py); a step is taken if the energy falls by it. The third gives the
vertices the offsets that meet the contours (offset_field.py), if the energy falls by them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.normal_equations import solve_positive
from realhands_ros.refinement.objectives import (
    ContourObjective,
    HandState,
    KeypointObjective,
    Objective,
)
from realhands_ros.refinement.optimiser import Deadline, OptimiserResult


@dataclass(frozen=True)
class LevenbergMarquardtConfig:
    """
    Settings of the Levenberg-Marquardt optimiser.

    ``keypoint_iterations``, ``iterations`` and ``offset_iterations`` bound the three rounds; the
    first takes ``keypoint_scale`` (NDC) for the distance at which keypoints begin to count less,
    the last ``contour_error_px`` for the precision of a contour. ``damping`` is the first one of a
    round, relative to the Hessian's diagonal; it is divided by ``damping_factor`` after a good
    step and multiplied with it after a bad one. A round ends when its energy falls by less than
    ``tolerance`` of itself.
    """

    keypoint_iterations: int = 4
    keypoint_scale: float = 0.6
    iterations: int = 3
    offset_iterations: int = 1
    contour_error_px: float = 1.0
    damping: float = 1e-3
    damping_factor: float = 10.0
    tolerance: float = 1e-3


class LevenbergMarquardt:
    """Levenberg-Marquardt with contour distances; an Optimiser."""

    def __init__(self, config: LevenbergMarquardtConfig) -> None:
        self._config = config

    def minimise(
        self, energy: Energy, start: HandParameters, deadline: Deadline
    ) -> OptimiserResult:
        """Return the parameters of the lowest energy found."""
        config = self._config
        contours = ContourObjective(energy)
        state = contours.state(start)
        energies = [contours.value(state)]
        stopped_by = 'iterations'
        if energy.has_keypoints:
            keypoints = KeypointObjective(energy, config.keypoint_scale)
            near = KeypointObjective.state(keypoints, start)
            near, _, stopped_by = self._descend(
                keypoints, near, config.keypoint_iterations, deadline
            )
            state, energies = _better(contours, state, energies, near.parameters)
        if energy.has_silhouettes:
            state, fallen, stopped_by = self._descend(contours, state, config.iterations, deadline)
            energies += fallen
            for _ in range(config.offset_iterations):
                if not deadline.step_fits():
                    stopped_by = 'budget'
                    break
                offsets = state.parameters.vertex_offsets + energy.model.offset_field.fit(
                    contours.pairs(state), config.contour_error_px
                )
                moved = replace(state.parameters, vertex_offsets=offsets)
                state, energies = _better(contours, state, energies, moved)
        return OptimiserResult(state.parameters, tuple(energies), stopped_by)

    def _descend(
        self, objective: Objective, state: HandState, iterations: int, deadline: Deadline
    ) -> tuple[HandState, list[float], str]:
        """Return the state of the lowest value, the values on the way, and what ended it."""
        config = self._config
        value, damping = objective.value(state), config.damping
        fallen: list[float] = []
        for _ in range(iterations):
            if not deadline.step_fits():
                return state, fallen, 'budget'
            hessian, gradient = objective.normal_equations(state)
            damped = hessian + np.diag(damping * hessian.diagonal() + 1e-9)
            vector = state.parameters.vector - solve_positive(damped, gradient)
            trial = objective.state(state.parameters.with_vector(vector))
            trial_value = objective.value(trial)
            if not trial_value < value:
                damping *= config.damping_factor
                continue
            gain = value - trial_value
            state, value = trial, trial_value
            fallen.append(value)
            damping /= config.damping_factor
            if gain < config.tolerance * value:
                return state, fallen, 'converged'
        return state, fallen, 'iterations'


def _better(
    objective: Objective, state: HandState, energies: list[float], parameters: HandParameters
) -> tuple[HandState, list[float]]:
    """Return the state and its energy added if other parameters are better, else the old ones."""
    other = objective.state(parameters)
    value = objective.value(other)
    return (other, [*energies, value]) if value < energies[-1] else (state, energies)
