"""
A second-order optimiser: Levenberg-Marquardt on pose, shape and translation.

Two rounds. The first looks at the keypoints alone, with outliers tolerated late: it is cheap,
needs no image, and brings every finger near its own place, from where contours can not mistake it
for its neighbour. The second minimises the same energy as the gradient descent, with sharp
silhouettes (contour_term.py) and without the mesh's smoothness, which the parameters hardly
change. A step is taken if the round's energy falls by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from realhands_ros.refinement.contour_term import ContourTerm, SharpView
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters
from realhands_ros.refinement.normal_equations import normal_equations, solve_positive
from realhands_ros.refinement.optimiser import Deadline, OptimiserResult
from realhands_ros.refinement.parameter_terms import NUM_PARAMETERS

State = TypeVar('State')


@dataclass(frozen=True)
class LevenbergMarquardtConfig:
    """
    Settings of the Levenberg-Marquardt optimiser.

    ``keypoint_iterations`` and ``iterations`` bound the two rounds; the first takes
    ``keypoint_scale`` (NDC) for the distance at which keypoints begin to count less. ``damping``
    is the first one of a round, relative to the Hessian's diagonal; it is divided by
    ``damping_factor`` after a good step and multiplied with it after a bad one. A round ends when
    its energy falls by less than ``tolerance`` of itself.
    """

    keypoint_iterations: int = 4
    keypoint_scale: float = 0.6
    iterations: int = 3
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
        if energy.has_keypoints:
            keypoints = _KeypointObjective(energy, config.keypoint_scale)
            first = self._descend(keypoints, start, config.keypoint_iterations, deadline)
            start = first.parameters
        if not energy.has_silhouettes:
            return first
        return self._descend(_ContourObjective(energy), start, config.iterations, deadline)

    def _descend(
        self,
        objective: _Objective[State],
        start: HandParameters,
        iterations: int,
        deadline: Deadline,
    ) -> OptimiserResult:
        config = self._config
        state = objective.state(start)
        energies = [objective.value(state)]
        damping = config.damping
        for _ in range(iterations):
            if not deadline.step_fits():
                return OptimiserResult(objective.parameters(state), tuple(energies), 'budget')
            hessian, gradient = objective.normal_equations(state)
            damped = hessian + np.diag(damping * hessian.diagonal() + 1e-9)
            step = -solve_positive(damped, gradient)
            parameters = objective.parameters(state)
            trial = objective.state(parameters.with_vector(parameters.vector + step))
            value = objective.value(trial)
            if not value < energies[-1]:
                damping *= config.damping_factor
                continue
            state = trial
            energies.append(value)
            damping /= config.damping_factor
            if value > (1.0 - config.tolerance) * energies[-2]:
                return OptimiserResult(objective.parameters(state), tuple(energies), 'converged')
        return OptimiserResult(objective.parameters(state), tuple(energies), 'iterations')


class _Objective(Protocol[State]):
    """What a round minimises; a state is the hand at some parameters with all that was rendered."""

    def state(self, parameters: HandParameters) -> State: ...

    def parameters(self, state: State) -> HandParameters: ...

    def value(self, state: State) -> float: ...

    def normal_equations(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""


class _KeypointObjective:
    """Keypoints and the terms of the parameters alone."""

    def __init__(self, energy: Energy, scale: float) -> None:
        self._energy = energy
        self._scale = scale

    def state(self, parameters: HandParameters) -> PosedHand:
        return self._energy.pose(parameters)

    def parameters(self, state: PosedHand) -> HandParameters:
        return state.parameters

    def value(self, state: PosedHand) -> float:
        keypoints = self._energy.keypoint_term(state, self._scale).value
        return (
            self._energy.config.keypoints * keypoints
            + self._energy.parameter_derivatives(state)[0]
        )

    def normal_equations(self, state: PosedHand) -> tuple[FloatArray, FloatArray]:
        energy = self._energy
        _, gradient, hessian = energy.parameter_derivatives(state)
        jacobian = energy.model.hand.jacobian(state.output)
        by_keypoints = _keypoint_equations(energy, state, jacobian.keypoints, self._scale)
        return hessian + by_keypoints[0], gradient + by_keypoints[1]


class _ContourObjective:
    """The energy with sharp silhouettes."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        self._contours = ContourTerm(energy)

    def state(self, parameters: HandParameters) -> tuple[PosedHand, list[SharpView]]:
        posed = self._energy.pose(parameters)
        return posed, self._contours.render(posed)

    def parameters(self, state: tuple[PosedHand, list[SharpView]]) -> HandParameters:
        return state[0].parameters

    def value(self, state: tuple[PosedHand, list[SharpView]]) -> float:
        posed, sharp = state
        return self._energy.value_without_silhouettes(posed) + sum(view.energy for view in sharp)

    def normal_equations(
        self, state: tuple[PosedHand, list[SharpView]]
    ) -> tuple[FloatArray, FloatArray]:
        energy, (posed, sharp) = self._energy, state
        _, gradient, hessian = energy.parameter_derivatives(posed)
        jacobian = energy.model.hand.jacobian(posed.output)
        scale = energy.config.keypoint_scale
        by_keypoints = _keypoint_equations(energy, posed, jacobian.keypoints, scale)
        by_contours = self._contours.normal_equations(posed, sharp, jacobian.vertices)
        return (
            hessian + by_keypoints[0] + by_contours[0],
            gradient + by_keypoints[1] + by_contours[1],
        )


def _keypoint_equations(
    energy: Energy, posed: PosedHand, jacobian: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return the keypoints' Hessian (61, 61) and gradient (61,); ``jacobian`` (61, 21, 3)."""
    views, term = energy.views, energy.keypoint_term(posed, scale)
    to_px = views.jacobian(posed.keypoints_px, posed.keypoints_depth)
    rows = np.einsum('bkpc,nkc->bkpn', to_px, jacobian).reshape(-1, NUM_PARAMETERS)
    error = (posed.keypoints_px - views.keypoints_px).ravel()
    weight = (energy.config.keypoints * term.curvature).repeat(2)
    hessian, gradient = normal_equations(rows, error, weight)
    return hessian, gradient
