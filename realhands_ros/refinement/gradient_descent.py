"""
The paper's optimiser: gradient descent with momentum on all offsets at once (section 3.2).

With ``P = (dp, ds, dv, dc)`` the offsets to pose, shape, vertices and camera, an iteration is

    V <- alpha V - eta dE/dP,    P <- P + V,    eta = 0.002, alpha = 0.9

which is how the paper's ``dP_t+1 = eta grad L + alpha dP`` is computed in practice. The offsets
are dimensionless or radians, so that one eta can serve: vertices in units of LENGTH_UNIT_M, and
the camera as the paper's weak-perspective one, ``c = (t, delta)``: the hand's place in NDC and the
logarithm of its size. The metric translation follows from c in the first view, for stereo as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.hand_state import HandState, sharp_state
from realhands_ros.refinement.mesh_terms import LENGTH_UNIT_M
from realhands_ros.refinement.optimiser import Deadline, OptimiserResult
from realhands_ros.refinement.parameter_terms import (
    FINGERS,
    NUM_PARAMETERS,
    ROOT,
    SHAPE,
    TRANSLATION,
)


@dataclass(frozen=True)
class GradientDescentConfig:
    """
    Settings of the gradient descent.

    ``iterations``, ``learning_rate`` and ``momentum`` are the paper's. ``sigma_start`` and
    ``sigma_end`` are the silhouette's softness in the first and the last iteration, geometric
    between: soft silhouettes are larger than hard masks, and a fit at 1e-4 thins the hand.
    ``pose_scale`` etc. multiply eta for one block of offsets: with keypoints, ``momentum=0.8,
    pose_scale=8, shape_scale=10, camera_scale=1.5`` gets half again as far in 15 iterations, at
    less distance from oscillating.
    """

    iterations: int = 15
    learning_rate: float = 0.002
    momentum: float = 0.9
    sigma_start: float = 1e-4
    sigma_end: float = 1e-5
    pose_scale: float = 1.0
    shape_scale: float = 1.0
    camera_scale: float = 1.0
    offset_scale: float = 1.0


class GradientDescent:
    """Gradient descent with momentum; an Optimiser."""

    def __init__(self, config: GradientDescentConfig) -> None:
        self._config = config

    def minimise(self, energy: Energy, start: HandState, deadline: Deadline) -> OptimiserResult:
        """Return the hand after all iterations, or after those that fit before the deadline."""
        config, parameters = self._config, start.parameters
        vector_step, offset_step = self._steps(energy, start)
        vector_velocity = np.zeros(NUM_PARAMETERS)
        offset_velocity = np.zeros_like(parameters.vertex_offsets)
        energies = []
        stopped_by = 'iterations'
        for sigma in np.geomspace(config.sigma_start, config.sigma_end, config.iterations):
            if not deadline.step_fits():
                stopped_by = 'budget'
                break
            posed = energy.pose(parameters)
            if not posed.is_before_cameras:
                stopped_by = 'failed'
                break
            value, gradient = energy.value_and_gradient(posed, float(sigma))
            energies.append(value)
            vector_velocity = config.momentum * vector_velocity - vector_step @ gradient.vector
            offset_velocity = (
                config.momentum * offset_velocity - offset_step * gradient.vertex_offsets
            )
            offsets = parameters.vertex_offsets + offset_velocity
            parameters = replace(
                parameters.with_vector(parameters.vector + vector_velocity),
                vertex_offsets=offsets,
            )
        state = sharp_state(energy, energy.pose(parameters))
        return OptimiserResult(state, tuple(energies), stopped_by)

    def _steps(self, energy: Energy, start: HandState) -> tuple[FloatArray, float]:
        """
        Return what turns derivatives by the vector (61,) and by offsets (metres) into steps.

        For parameters u = S c with a dimensionless c the step of c is eta dE/dc = eta S^T dE/du,
        and that of u is eta S S^T dE/du.
        """
        config = self._config
        units = np.eye(NUM_PARAMETERS)
        centre = start.posed.vertices.mean(axis=0)
        units[TRANSLATION, TRANSLATION] = _camera_units(energy.views.cameras[0], centre)
        scale = np.ones(NUM_PARAMETERS)
        scale[ROOT] = scale[FINGERS] = config.pose_scale
        scale[SHAPE], scale[TRANSLATION] = config.shape_scale, config.camera_scale
        steps = config.learning_rate * units * scale @ units.T
        offset_step = config.learning_rate * config.offset_scale * LENGTH_UNIT_M**2
        return steps, offset_step


def _camera_units(camera: PinholeCamera, position: FloatArray) -> FloatArray:
    """
    Return d position / d (t_x, t_y, log delta), (3, 3), metres in the rig's frame.

    Column by column: how a hand at ``position`` (3,) moves when it is moved in the crop, at its
    depth, by half of the crop's side, and when it is moved along the ray so that it appears
    larger.
    """
    point_cam = camera.to_camera(position)
    px_per_ndc = min(camera.height, camera.width) / 2.0
    lateral = point_cam[2] * px_per_ndc * np.linalg.inv(camera.intrinsics)[:, :2]
    units: FloatArray = camera.rotation.T @ np.column_stack([lateral, -point_cam])
    return units
