"""
How far each joint of the hand turns, and the projection of a pose onto these limits.

Angles are those of ``hand/skeleton.py``: flexion, abduction, twist, zero in the flat rest pose.

Sources of the table, by the letter in its rows:

L   Lin, Wu, Huang, "Modeling the constraints of human hand motion", 2000: MCP and DIP 0..90,
    PIP 0..110, abduction -15..15 degrees, DIP = 2/3 PIP, no abduction of a fully bent MCP
H   Hume et al., "Functional range of motion of the joints of the hand", J. Hand Surg. 15A, 1990:
    active MCP 0..100, PIP 0..105, DIP 0..85, thumb MCP 0..56, thumb IP -5..73 degrees
K   Kapandji, "The physiology of the joints", vol. 1: active extension of the MCP beyond straight,
    the wider abduction of index and little finger, the small play of a straight thumb's MCP
A   American Academy of Orthopaedic Surgeons, "Joint motion: method of measuring and recording",
    1965: MCP 0..90, PIP 0..100, DIP 0..90, thumb MCP 0..50, thumb IP -20..80 degrees
C   Cooney et al., "The kinesiology of the thumb trapeziometacarpal joint", J. Bone Joint Surg.
    63-A, 1981: CMC flexion-extension 53, abduction-adduction 42, rotation 17 degrees in all, plus
    what skin and carpus add in a surface model

A hinge keeps one or two degrees in its other axes: skinned joints are never perfect hinges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES

FloatArray = NDArray[np.float64]
Range = tuple[float, float]


class JointLimits(NamedTuple):
    """Smallest and largest flexion, abduction and twist of one joint, in degrees."""

    flexion: Range
    abduction: Range
    twist: Range
    sources: str


_PIP = JointLimits((-3, 110), (-2, 2), (-2, 2), 'ALH')
_DIP = JointLimits((-5, 85), (-2, 2), (-2, 2), 'ALH')

JOINT_LIMITS_DEG: dict[str, JointLimits] = {
    'index1': JointLimits((-20, 90), (-18, 20), (-4, 4), 'ALHK'),
    'index2': _PIP,
    'index3': _DIP,
    'middle1': JointLimits((-20, 92), (-15, 15), (-4, 4), 'ALHK'),
    'middle2': _PIP,
    'middle3': _DIP,
    'little1': JointLimits((-20, 95), (-24, 18), (-6, 6), 'ALHK'),
    'little2': _PIP,
    'little3': _DIP,
    'ring1': JointLimits((-20, 95), (-15, 15), (-4, 4), 'ALHK'),
    'ring2': _PIP,
    'ring3': _DIP,
    'thumb1': JointLimits((-20, 42), (-20, 42), (-20, 30), 'CK'),
    'thumb2': JointLimits((-10, 58), (-8, 8), (-6, 6), 'AHK'),
    'thumb3': JointLimits((-15, 80), (-2, 2), (-2, 2), 'AHK'),
}

# A bent MCP loses its abduction: the collateral ligaments tighten (L, K). At 90 degrees this much
# is left of it.
ABDUCTION_LEFT_AT_RIGHT_ANGLE = 0.25

# DIP flexion follows PIP flexion (L) within this play; pressing a fingertip on something, as in a
# pinch, straightens the DIP, hence the wide lower side.
DIP_PER_PIP = 2.0 / 3.0
DIP_PLAY_DEG = (-45.0, 20.0)

_MCP = [FINGER_JOINT_NAMES.index(f'{name}1') for name in ('index', 'middle', 'little', 'ring')]
_LOWER = np.deg2rad([[limit[axis][0] for axis in range(3)] for limit in JOINT_LIMITS_DEG.values()])
_UPPER = np.deg2rad([[limit[axis][1] for axis in range(3)] for limit in JOINT_LIMITS_DEG.values()])


def clamp_angles(angles: ArrayLike) -> FloatArray:
    """
    Project joint angles (..., 15, 3) in radians onto the limits, joint by joint.

    Applies the ranges of JOINT_LIMITS_DEG, the narrower abduction of bent MCP joints, and the
    coupling of DIP to PIP, in this order.
    """
    clamped = np.clip(np.asarray(angles, dtype=np.float64), _LOWER, _UPPER)
    bent = np.clip(clamped[..., _MCP, 0] / (np.pi / 2), 0.0, 1.0)
    kept = 1.0 - (1.0 - ABDUCTION_LEFT_AT_RIGHT_ANGLE) * bent
    clamped[..., _MCP, 1] = np.clip(
        clamped[..., _MCP, 1], _LOWER[_MCP, 1] * kept, _UPPER[_MCP, 1] * kept
    )
    for mcp in _MCP:
        follow = DIP_PER_PIP * clamped[..., mcp + 1, 0]
        low, high = np.deg2rad(DIP_PLAY_DEG)
        dip = np.clip(clamped[..., mcp + 2, 0], follow + low, follow + high)
        clamped[..., mcp + 2, 0] = np.clip(dip, _LOWER[mcp + 2, 0], _UPPER[mcp + 2, 0])
    return clamped


def within_limits(angles: ArrayLike, *, tolerance_deg: float = 0.01) -> NDArray[np.bool_]:
    """Return which of the angles (..., 15, 3) in radians keep all limits, (...)."""
    angles = np.asarray(angles, dtype=np.float64)
    excess = np.abs(angles - clamp_angles(angles))
    return np.asarray((excess <= np.deg2rad(tolerance_deg)).all(axis=(-2, -1)))
