"""The guard: a refined hand is believed only if it is better and still a hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters, RefinementFlag
from realhands_ros.refinement.hand_state import HandState, sharp_state
from realhands_ros.refinement.mesh_terms import face_normals


@dataclass(frozen=True)
class GuardConfig:
    """
    What the guard lets pass.

    ``sigma`` is the softness (NDC squared) at which energies are compared, small so that it
    favours no thin hands. Vertex offsets may be ``max_offset_m`` long, and the hand may move by
    ``max_shift_m``, mean over its vertices.
    """

    sigma: float = 1e-5
    max_offset_m: float = 0.012
    max_shift_m: float = 0.12


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the guard let pass, the energy it compared with, and why it is not the result."""

    state: HandState
    energy_before: float
    flags: RefinementFlag


def judge(
    energy: Energy, start: HandParameters, result: HandParameters, config: GuardConfig
) -> Verdict:
    """
    Return the result if its energy is not above the start's and its mesh is sane.

    Energies are compared with sharp silhouettes, which favour no thin hands. A result with bad
    vertex offsets is tried with those of the start; after that the start itself is returned.
    """
    before = sharp_state(energy, start)
    flags = RefinementFlag.NONE
    for parameters in (result, replace(result, vertex_offsets=start.vertex_offsets)):
        if not parameters.is_finite:
            continue
        after = sharp_state(energy, parameters)
        if not _offsets_are_sane(energy, after.posed, before.posed, config):
            flags |= RefinementFlag.OFFSETS_REJECTED
            continue
        if after.value <= before.value and _is_in_place(after.posed, before.posed, config):
            return Verdict(after, before.value, flags)
    return Verdict(before, before.value, flags | RefinementFlag.REJECTED)


def _is_in_place(posed: PosedHand, before: PosedHand, config: GuardConfig) -> bool:
    shift = np.linalg.norm(posed.vertices - before.vertices, axis=1).mean()
    return bool(posed.is_before_cameras and shift <= config.max_shift_m)


def _offsets_are_sane(
    energy: Energy, posed: PosedHand, before: PosedHand, config: GuardConfig
) -> bool:
    length = np.linalg.norm(posed.parameters.vertex_offsets, axis=1).max()
    if length > max(config.max_offset_m, _longest_offset(before)):
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
