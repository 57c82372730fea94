"""
A second-order optimiser: Levenberg-Marquardt on pose, shape and translation.

Minimises the same energy as the gradient descent, with sharp silhouettes (contour_term.py) and
without the mesh's smoothness, which the parameters hardly change. A step is taken if that energy
falls by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from realhands_ros.refinement.contour_term import ContourTerm, SharpView
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters
from realhands_ros.refinement.optimiser import Deadline, OptimiserResult
from realhands_ros.refinement.parameter_terms import NUM_PARAMETERS


@dataclass(frozen=True)
class LevenbergMarquardtConfig:
    """
    Settings of the Levenberg-Marquardt optimiser.

    ``damping`` is the first one, relative to the Hessian's diagonal; it is divided by
    ``damping_factor`` after a good step and multiplied with it after a bad one. Iteration ends
    when the energy falls by less than ``tolerance`` of itself.
    """

    iterations: int = 4
    damping: float = 1e-2
    damping_factor: float = 4.0
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
        contours = ContourTerm(energy)
        best = energy.pose(start)
        sharp = contours.render(best)
        energies = [_value(energy, best, sharp)]
        damping = config.damping
        stopped_by = 'iterations'
        for _ in range(config.iterations):
            if not deadline.step_fits():
                stopped_by = 'budget'
                break
            hessian, gradient = _normal_equations(energy, contours, best, sharp)
            damped = hessian + np.diag(damping * hessian.diagonal() + 1e-9)
            step = -np.linalg.solve(damped, gradient)
            trial = energy.pose(best.parameters.with_vector(best.parameters.vector + step))
            trial_sharp = contours.render(trial)
            value = _value(energy, trial, trial_sharp)
            if value >= energies[-1]:
                damping *= config.damping_factor
                continue
            converged = value > (1.0 - config.tolerance) * energies[-1]
            best, sharp = trial, trial_sharp
            energies.append(value)
            damping /= config.damping_factor
            if converged:
                stopped_by = 'converged'
                break
        return OptimiserResult(best.parameters, tuple(energies), stopped_by)


def _value(energy: Energy, posed: PosedHand, sharp: list[SharpView]) -> float:
    return energy.value_without_silhouettes(posed) + sum(view.wrong for view in sharp)


def _normal_equations(
    energy: Energy, contours: ContourTerm, posed: PosedHand, sharp: list[SharpView]
) -> tuple[FloatArray, FloatArray]:
    """Return Gauss-Newton's Hessian (61, 61) and the gradient (61,)."""
    _, gradient, hessian = energy.parameter_derivatives(posed)
    jacobian = energy.model.hand.jacobian(posed.output)
    views, keypoints = energy.views, energy.keypoint_term(posed)
    for view in range(len(views)):
        # Keypoints: 21 points with two residuals each.
        to_px = views.jacobian(view, posed.keypoints_px[view], posed.keypoints_depth[view])
        rows = np.einsum('kpc,nkc->kpn', to_px, jacobian.keypoints).reshape(-1, NUM_PARAMETERS)
        error = (posed.keypoints_px[view] - views.keypoints_px[view]).ravel()
        weight = np.repeat(energy.config.keypoints * keypoints.curvature[view], 2)
        _accumulate(rows, error, weight, hessian, gradient)
        # Contours: one residual a pair.
        pairs = contours.pairs(view, sharp[view])
        to_px = views.jacobian(view, posed.vertices_px[view], posed.vertices_depth[view])
        rows = _contour_rows(
            energy.model.faces,
            to_px,
            jacobian.vertices,
            pairs.face,
            pairs.barycentric,
            pairs.normal,
        )
        _accumulate(rows, pairs.distance, pairs.weight, hessian, gradient)
    return hessian, gradient


def _accumulate(
    rows: FloatArray,
    error: FloatArray,
    weight: FloatArray,
    hessian: FloatArray,
    gradient: FloatArray,
) -> None:
    """Add the derivatives of ``sum weight error^2``; ``rows`` (N, 61) are those of the errors."""
    weighted = rows * (2.0 * weight[:, None])
    hessian += weighted.T @ rows
    gradient += error @ weighted


@numba.njit(nogil=True, cache=True)
def _contour_rows(faces, to_px, jacobian, face, barycentric, normal):  # type: ignore[no-untyped-def]
    """
    Return the derivatives (N, 61) of points on faces along normals in the image.

    ``to_px`` (778, 2, 3) takes movements of vertices to the image, ``jacobian`` (61, 778, 3).
    """
    count, parameters = face.shape[0], jacobian.shape[0]
    rows = np.zeros((count, parameters))
    for i in range(count):
        for corner in range(3):
            v = faces[face[i], corner]
            share = barycentric[i, corner]
            x = share * (normal[i, 0] * to_px[v, 0, 0] + normal[i, 1] * to_px[v, 1, 0])
            y = share * (normal[i, 0] * to_px[v, 0, 1] + normal[i, 1] * to_px[v, 1, 1])
            z = share * (normal[i, 0] * to_px[v, 0, 2] + normal[i, 1] * to_px[v, 1, 2])
            for k in range(parameters):
                rows[i, k] += x * jacobian[k, v, 0] + y * jacobian[k, v, 1] + z * jacobian[k, v, 2]
    return rows
