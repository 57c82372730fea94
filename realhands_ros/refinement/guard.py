"""The guard: a refined hand is believed only if it is better and still a hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numba
import numpy as np

from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import RefinementFlag
from realhands_ros.refinement.hand_state import HandState, sharp_state
from realhands_ros.refinement.mesh_terms import face_normals

# What is tried of vertex offsets that are too long, or that turn faces inside out.
_OFFSET_SHARES = (0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True)
class GuardConfig:
    """
    What the guard lets pass.

    Vertex offsets may be ``max_offset_m`` long, and the hand may move by ``max_shift_m``, mean
    over its vertices.
    """

    max_offset_m: float = 0.012
    max_shift_m: float = 0.12


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the guard let pass, the energy it compared with, and why it is not the result."""

    state: HandState
    energy_before: float
    flags: RefinementFlag


def judge(energy: Energy, start: HandState, result: HandState, config: GuardConfig) -> Verdict:
    """
    Return the result if its energy is not above the start's and its mesh is sane.

    Energies are compared with sharp silhouettes, which favour no thin hands. Of a result with bad
    vertex offsets the best share of them is kept, or none; after that the start itself is
    returned.
    """
    flags = RefinementFlag.NONE
    if not _is_sane(energy, result, start, config):
        flags |= RefinementFlag.OFFSETS_REJECTED
    elif _is_better(result, start, config):
        return Verdict(result, start.value, flags)
    shortened = _with_shorter_offsets(energy, start, result)
    sane = [state for state in shortened if _is_sane(energy, state, start, config)]
    best = min(sane, key=lambda state: state.value, default=start)
    if best is not start and _is_better(best, start, config):
        return Verdict(best, start.value, flags)
    return Verdict(start, start.value, flags | RefinementFlag.REJECTED)


def _with_shorter_offsets(
    energy: Energy, start: HandState, result: HandState
) -> Iterator[HandState]:
    offsets = start.parameters.vertex_offsets
    change = result.parameters.vertex_offsets - offsets
    for share in _OFFSET_SHARES if change.any() else ():
        shorter = offsets + share * change if share > 0.0 else offsets
        parameters = replace(result.parameters, vertex_offsets=shorter)
        if parameters.is_finite:
            yield sharp_state(energy, energy.pose(parameters, result.posed.output))


def _is_better(state: HandState, start: HandState, config: GuardConfig) -> bool:
    if not (state.value <= start.value and state.posed.is_before_cameras):
        return False
    shift = np.linalg.norm(state.posed.vertices - start.posed.vertices, axis=1).mean()
    return bool(shift <= config.max_shift_m)


def _is_sane(energy: Energy, state: HandState, start: HandState, config: GuardConfig) -> bool:
    longest = max(config.max_offset_m, _longest_offset(start.posed))
    if not (state.parameters.is_finite and _longest_offset(state.posed) <= longest):
        return False
    inverted, before = (
        _inverted_faces(hand.posed.vertices, hand.parameters.vertex_offsets, energy.model.faces)
        for hand in (state, start)
    )
    return bool(inverted <= before)


def _longest_offset(posed: PosedHand) -> float:
    offsets = posed.parameters.vertex_offsets
    # Three times as fast as numpy.linalg.norm along short rows.
    return float(np.sqrt(np.einsum('vc,vc->v', offsets, offsets).max()))


@numba.njit(nogil=True, cache=True)
def _inverted_faces(vertices, offsets, faces):  # type: ignore[no-untyped-def]
    """Return how many faces the offsets (V, 3) among the vertices (V, 3) turn inside out."""
    normals, smooth = face_normals(vertices, faces), face_normals(vertices - offsets, faces)
    count = 0
    for f in range(len(faces)):
        along = normals[f, 0] * smooth[f, 0] + normals[f, 1] * smooth[f, 1]
        count += along + normals[f, 2] * smooth[f, 2] < 0.0
    return count
