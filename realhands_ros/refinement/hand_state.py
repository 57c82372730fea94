"""The hand at some parameters, with its sharp silhouettes and its energy."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import HandParameters


@dataclass(frozen=True, eq=False)
class HandState:
    """
    The hand at some parameters, as one objective sees it.

    ``value`` is the objective; ``face_ids`` are, view by view, the triangles (H, W) that pixels
    see, NO_FACE where none, or nothing at all where the objective looks at no silhouettes.
    """

    posed: PosedHand
    value: float
    face_ids: tuple[NDArray[np.int32], ...] = ()

    @property
    def parameters(self) -> HandParameters:
        """Return the parameters."""
        return self.posed.parameters


def sharp_state(energy: Energy, posed: PosedHand) -> HandState:
    """Return the hand with sharp silhouettes; its value is the energy as sigma goes to zero."""
    value = energy.value_without_silhouettes(posed)
    face_ids = energy.drawn(posed)
    for view, target in enumerate(energy.views.targets):
        weights = energy.silhouettes.pixel_weights[view]
        value += _silhouette_energy(face_ids[view], target, weights)
    return HandState(posed, value, face_ids)


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def _silhouette_energy(face_id, target, pixel_weights):  # type: ignore[no-untyped-def]
    """Return the weighted squared difference of a hard silhouette from the target."""
    energy = np.float32(0.0)
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            seen = np.float32(1.0) if face_id[y, x] >= 0 else np.float32(0.0)
            error = seen - target[y, x]
            energy += pixel_weights[y, x] * error * error
    return float(energy)
