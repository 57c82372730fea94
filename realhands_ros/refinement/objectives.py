"""What the rounds of the second-order optimiser minimise, with Gauss-Newton's normal equations."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from realhands_ros.refinement.contour_matching import ContourPairs
from realhands_ros.refinement.contour_term import ContourTerm
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.hand_state import HandState, sharp_state
from realhands_ros.refinement.keypoint_term import keypoint_rows
from realhands_ros.refinement.normal_equations import normal_equations
from realhands_ros.refinement.world_term import world_rows


class Objective(Protocol):
    """A function of the hand's parameters that looks like a sum of squares."""

    def state(self, posed: PosedHand) -> HandState:
        """Return a posed hand with the value of the objective."""

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""


class KeypointObjective:
    """
    The keypoint term and the terms of the parameters alone.

    ``scale`` (NDC) is the distance at which keypoints begin to count less.
    """

    def __init__(self, energy: Energy, scale: float) -> None:
        self._energy = energy
        self._scale = scale

    def state(self, posed: PosedHand) -> HandState:
        """Return the posed hand with the value of the objective."""
        energy = self._energy
        keypoints = energy.config.keypoints * energy.keypoint_term(posed, self._scale).value
        if energy.has_world_landmarks:
            keypoints += energy.config.world_landmarks * energy.world_term(posed).value
        parameters = energy.parameter_terms.value(posed.parameters.vector)
        return HandState(posed, keypoints + parameters)

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""
        terms = self._energy.parameter_terms
        _, gradient, hessian = terms.derivatives(state.parameters.vector)
        jacobian = self._energy.model.hand.jacobian(state.posed.output).keypoints
        added = _keypoint_equations(self._energy, state.posed, jacobian, self._scale)
        return hessian + added[0], gradient + added[1]


class ContourObjective:
    """The whole energy, with sharp silhouettes."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        self._contours = ContourTerm(energy)

    def state(self, posed: PosedHand) -> HandState:
        """Return the posed hand with its sharp silhouettes and its energy."""
        return sharp_state(self._energy, posed)

    def normal_equations(self, state: HandState) -> tuple[FloatArray, FloatArray]:
        """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,), mesh terms left out."""
        energy, scale = self._energy, self._energy.config.keypoint_scale
        _, gradient, hessian = energy.parameter_terms.derivatives(state.parameters.vector)
        jacobian = energy.model.hand.jacobian(state.posed.output)
        for added in (
            _keypoint_equations(energy, state.posed, jacobian.keypoints, scale),
            self._contours.normal_equations(state, jacobian.vertices),
        ):
            hessian += added[0]
            gradient += added[1]
        return hessian, gradient

    def pairs(self, state: HandState) -> list[ContourPairs]:
        """Return the pairs of contour points of every view."""
        return self._contours.pairs(state)


def _keypoint_equations(
    energy: Energy, posed: PosedHand, jacobian: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return the keypoints' Hessian (61, 61) and gradient (61,); ``jacobian`` (21, 3, 61)."""
    views, term = energy.views, energy.keypoint_term(posed, scale)
    slopes = views.jacobian(posed.keypoints_px, posed.keypoints_depth)
    rows = keypoint_rows(slopes, energy.marks, jacobian)
    error = (posed.keypoints_px - views.keypoints_px).ravel()
    weight = (energy.config.keypoints * term.curvature).repeat(2)
    hessian, gradient = normal_equations(rows, error, weight)
    if energy.has_world_landmarks:
        world = energy.world_term(posed)
        added = normal_equations(
            world_rows(energy.world.rows, jacobian.astype(np.float64)), world.residual,
            energy.config.world_landmarks * world.curvature,
        )  # fmt: skip
        hessian += added[0]
        gradient += added[1]
    return hessian, gradient
