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

from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_state import HandState
from realhands_ros.refinement.normal_equations import solve_positive
from realhands_ros.refinement.objectives import (
    ContourObjective,
    KeypointObjective,
    Objective,
)
from realhands_ros.refinement.optimiser import Deadline, OptimiserResult

# Keeps a parameter still that nothing depends on.
_MIN_CURVATURE = 1e-9
# With more damping than this a step is too short to gain anything.
_MAX_DAMPING = 10.0


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

    keypoint_iterations: int = 1
    keypoint_scale: float = 20.0
    iterations: int = 4
    offset_iterations: int = 1
    contour_error_px: float = 2.0
    damping: float = 1e-4
    damping_factor: float = 10.0
    tolerance: float = 1e-3


class LevenbergMarquardt:
    """Levenberg-Marquardt with contour distances; an Optimiser."""

    def __init__(self, config: LevenbergMarquardtConfig) -> None:
        self._config = config

    def minimise(self, energy: Energy, start: HandState, deadline: Deadline) -> OptimiserResult:
        """Return the hand of the lowest energy found."""
        contours = ContourObjective(energy)
        states = [start]
        stopped_by = 'iterations'
        if energy.has_keypoints:
            stopped_by = self._fit_keypoints(energy, contours, states, deadline)
        if energy.has_silhouettes:
            descent, stopped_by = self._descend(
                energy, contours, states[-1], self._config.iterations, deadline
            )
            states += descent
            if not self._fit_offsets(energy, contours, states, deadline):
                stopped_by = 'budget'
        energies = tuple(state.value for state in states)
        return OptimiserResult(states[-1], energies, stopped_by)

    def _fit_keypoints(
        self,
        energy: Energy,
        contours: ContourObjective,
        states: list[HandState],
        deadline: Deadline,
    ) -> str:
        """Do the first round, add its result to the states if it is better, say what ended it."""
        config = self._config
        keypoints = KeypointObjective(energy, config.keypoint_scale)
        descent, stopped_by = self._descend(
            energy, keypoints, keypoints.state(states[-1].posed), config.keypoint_iterations,
            deadline,
        )  # fmt: skip
        if descent:
            _add_if_better(contours, states, descent[-1].posed)
        return stopped_by

    def _fit_offsets(
        self,
        energy: Energy,
        contours: ContourObjective,
        states: list[HandState],
        deadline: Deadline,
    ) -> bool:
        """Do the third round, add its results to the states if better; return if it had time."""
        for _ in range(self._config.offset_iterations):
            if not deadline.step_fits():
                return False
            last = states[-1].posed
            moved = energy.model.offset_field.fit(
                contours.pairs(states[-1]), self._config.contour_error_px
            )
            offsets = last.parameters.vertex_offsets + moved
            parameters = replace(last.parameters, vertex_offsets=offsets)
            _add_if_better(contours, states, energy.pose(parameters, last.output))
        return True

    def _descend(
        self,
        energy: Energy,
        objective: Objective,
        state: HandState,
        iterations: int,
        deadline: Deadline,
    ) -> tuple[list[HandState], str]:
        """Return the states of falling value that were found, and what ended the search."""
        config = self._config
        damping = config.damping
        found: list[HandState] = []
        for _ in range(iterations):
            if not deadline.step_fits():
                return found, 'budget'
            hessian, gradient = objective.normal_equations(state)
            damped = hessian + np.diag(damping * hessian.diagonal() + _MIN_CURVATURE)
            vector = state.parameters.vector - solve_positive(damped, gradient)
            trial = objective.state(energy.pose(state.parameters.with_vector(vector)))
            if not (trial.value < state.value and trial.posed.is_before_cameras):
                damping *= config.damping_factor
                if damping > _MAX_DAMPING:
                    return found, 'converged'
                continue
            gain = state.value - trial.value
            state = trial
            found.append(state)
            damping /= config.damping_factor
            if gain < config.tolerance * state.value:
                return found, 'converged'
        return found, 'iterations'


def _add_if_better(objective: Objective, states: list[HandState], posed: PosedHand) -> None:
    state = objective.state(posed)
    if state.value < states[-1].value:
        states.append(state)
