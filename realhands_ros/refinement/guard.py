"""The guard: a refined hand is believed only if it is better and still a hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray, RefinementFlag
from realhands_ros.refinement.hand_state import HandState, sharp_state
from realhands_ros.refinement.mesh_terms import face_normals


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

    Energies are compared with sharp silhouettes, which favour no thin hands. A result with bad
    vertex offsets is tried with those of the start; after that the start itself is returned.
    """
    flags = RefinementFlag.NONE
    for state in _candidates(energy, start, result):
        if not _offsets_are_sane(energy, state.posed, start.posed, config):
            flags |= RefinementFlag.OFFSETS_REJECTED
            continue
        if state.value <= start.value and _is_in_place(state.posed, start.posed, config):
            return Verdict(state, start.value, flags)
    return Verdict(start, start.value, flags | RefinementFlag.REJECTED)


def _candidates(energy: Energy, start: HandState, result: HandState) -> Iterator[HandState]:
    if result.parameters.is_finite:
        yield result
    fewer = replace(result.parameters, vertex_offsets=start.parameters.vertex_offsets)
    if fewer.is_finite:
        yield sharp_state(energy, fewer)


def _is_in_place(posed: PosedHand, before: PosedHand, config: GuardConfig) -> bool:
    shift = np.linalg.norm(posed.vertices - before.vertices, axis=1).mean()
    return bool(posed.is_before_cameras and shift <= config.max_shift_m)


def _offsets_are_sane(
    energy: Energy, posed: PosedHand, before: PosedHand, config: GuardConfig
) -> bool:
    longest = max(config.max_offset_m, _longest_offset(before))
    if _longest_offset(posed) > longest:
        return False
    return _inverted_faces(energy, posed) <= _inverted_faces(energy, before)


def _longest_offset(posed: PosedHand) -> float:
    return float(np.linalg.norm(posed.parameters.vertex_offsets, axis=1).max())


def _inverted_faces(energy: Energy, posed: PosedHand) -> int:
    """Return how many faces the vertex offsets turn inside out."""
    faces = energy.model.faces
    smooth: FloatArray = posed.vertices - posed.parameters.vertex_offsets
    agreement = face_normals(posed.vertices, faces) * face_normals(smooth, faces)
    return int((agreement.sum(axis=1) < 0.0).sum())
