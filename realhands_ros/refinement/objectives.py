"""What the rounds of the second-order optimiser minimise, with Gauss-Newton's normal equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from realhands_ros.refinement.contour_term import ContourPairs, ContourTerm, SharpView
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters
from realhands_ros.refinement.normal_equations import normal_equations
from realhands_ros.refinement.parameter_terms import NUM_PARAMETERS


@dataclass(frozen=True, eq=False)
class HandState:
    """The hand at some parameters, and its sharp silhouettes if the objective looks at them."""

    posed: PosedHand
    sharp: list[SharpView]

    @property
    def parameters(self) -> HandParameters:
        """Return the parameters."""
        return self.posed.parameters


class Objective(Protocol):
    """A function of the hand's parameters that looks like a sum of squares."""

    def state(self, parameters: HandParameters) -> HandState:
        """Pose the hand and render what the objective needs."""

    def value(self, state: HandState) -> float:
        """Return the objective."""

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""


class KeypointObjective:
    """
    The energy without silhouettes.

    ``scale`` (NDC) is the distance at which keypoints begin to count less; None as configured.
    """

    def __init__(self, energy: Energy, scale: float | None = None) -> None:
        self._energy = energy
        self._scale = energy.config.keypoint_scale if scale is None else scale

    def state(self, parameters: HandParameters) -> HandState:
        """Pose the hand."""
        return HandState(self._energy.pose(parameters), [])

    def value(self, state: HandState) -> float:
        """Return the keypoint term and the terms of the parameters."""
        energy = self._energy
        keypoints = energy.keypoint_term(state.posed, self._scale).value
        return energy.config.keypoints * keypoints + energy.parameter_derivatives(state.posed)[0]

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""
        _, gradient, hessian = self._energy.parameter_derivatives(state.posed)
        jacobian = self._energy.model.hand.jacobian(state.posed.output).keypoints
        added = keypoint_equations(self._energy, state.posed, jacobian, self._scale)
        return hessian + added[0], gradient + added[1]


class ContourObjective:
    """The whole energy, with sharp silhouettes."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        self._contours = ContourTerm(energy)

    def state(self, parameters: HandParameters) -> HandState:
        """Pose the hand and render its sharp silhouettes."""
        posed = self._energy.pose(parameters)
        return HandState(posed, self._contours.render(posed))

    def value(self, state: HandState) -> float:
        """Return the energy."""
        silhouettes = sum(view.energy for view in state.sharp)
        return silhouettes + self._energy.value_without_silhouettes(state.posed)

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,), mesh terms left out."""
        energy, posed = self._energy, state.posed
        _, gradient, hessian = energy.parameter_derivatives(posed)
        jacobian = energy.model.hand.jacobian(posed.output)
        scale = energy.config.keypoint_scale
        for added in (
            keypoint_equations(energy, posed, jacobian.keypoints, scale),
            self._contours.normal_equations(posed, state.sharp, jacobian.vertices),
        ):
            hessian += added[0]
            gradient += added[1]
        return hessian, gradient

    def pairs(self, state: HandState) -> list[ContourPairs]:
        """Return the pairs of contour points of every view."""
        return self._contours.pairs(state.posed, state.sharp)


def keypoint_equations(
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
