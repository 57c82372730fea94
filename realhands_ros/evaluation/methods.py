"""Methods that reconstruct a hand from an observation: their interface, result and variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh, HandObservation
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescentConfig
from realhands_ros.refinement.refiner import RefinementConfig

# A reconstructed hand, and how much of its pose the method estimates.


class PoseLevel(IntEnum):
    """
    How much of a hand's pose a method estimates; each level includes those before it.

    FORM: shape and finger pose, up to a similarity, so that only aligned errors mean something.
    ORIENTATION: also the rotation of the wrist and the size. POSITION: also where the wrist is.
    """

    FORM = 0
    ORIENTATION = 1
    POSITION = 2


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """
    A reconstructed hand in the rig's frame, metres.

    ``keypoints`` (21, 3); ``vertices`` (778, 3), None for methods without a mesh; ``root_aa``
    (3,): axis-angle of the wrist, None if the method estimates none. ``level``: which of these
    figures mean something.
    """

    keypoints: FloatArray
    vertices: FloatArray | None = None
    root_aa: FloatArray | None = None
    level: PoseLevel = PoseLevel.POSITION

    @classmethod
    def from_mesh(cls, mesh: HandMesh) -> Reconstruction:
        """Return the reconstruction of a mesh of the pipeline."""
        return cls(
            np.asarray(mesh.keypoints_cam, np.float64),
            np.asarray(mesh.vertices_cam, np.float64),
            np.asarray(mesh.pose_aa[:3], np.float64),
        )


# The interface of a method, and the variants of the refinement.

# The numbers of iterations of the paper's Fig. 9.
PAPER_ITERATIONS = (3, 10, 15)


class Method(Protocol):
    """Something that reconstructs a hand."""

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the hand in the rig's frame, or None where the method finds none."""
        ...


@dataclass(frozen=True)
class RefinementVariant:
    """A way to refine: its name in tables, and its configuration; None for no refinement."""

    name: str
    title: str
    config: RefinementConfig | None


def paper_refinement(iterations: int) -> RefinementConfig:
    """Return the paper's gradient descent on the paper's energy (eq. 5)."""
    if iterations < 1:
        message = f'{iterations} iterations of the refinement; give at least one'
        raise ConfigError(message)
    return RefinementConfig(
        optimiser='gradient_descent',
        energy=EnergyConfig.paper(),
        gradient_descent=GradientDescentConfig(iterations=iterations),
    )


def refinement_variants() -> tuple[RefinementVariant, ...]:
    """Return no refinement, the paper's at 3, 10 and 15 iterations, ours."""
    ours = GradientDescentConfig(momentum=0.8, pose_scale=8, shape_scale=10, camera_scale=1.5)
    return (
        RefinementVariant('regressed', 'no refinement', None),
        *(
            RefinementVariant(f'sgd{n}', f'paper, {n} iterations', paper_refinement(n))
            for n in PAPER_ITERATIONS
        ),
        RefinementVariant(
            'sgd15_ours',
            'our energy, 15 iterations',
            RefinementConfig(optimiser='gradient_descent', gradient_descent=ours),
        ),
        RefinementVariant('lm', 'Levenberg-Marquardt', RefinementConfig()),
    )
