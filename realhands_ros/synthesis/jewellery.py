"""Rings on fingers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import JOINT_NAMES
from realhands_ros.hand.skeleton import BONE_ENDS
from realhands_ros.synthesis.mesh import tube, unit
from realhands_ros.synthesis.scene import HandTruth, Label, Material, SceneMesh
from realhands_ros.synthesis.textures import plain

FloatArray = NDArray[np.float64]

_FINGERS = ('ring1', 'middle1', 'index1', 'little1')
_SHARES = (0.5, 0.2, 0.2, 0.1)
_METALS: tuple[tuple[float, float, float], ...] = (
    (0.85, 0.68, 0.35), (0.80, 0.80, 0.80), (0.25, 0.25, 0.27), (0.80, 0.58, 0.48),
)  # fmt: skip
_AROUND = 28


def ring_on_finger(rng: np.random.Generator, hand: HandTruth, label: Label) -> SceneMesh:
    """Return a ring on the first phalanx of a finger."""
    joint = JOINT_NAMES.index(_FINGERS[rng.choice(len(_FINGERS), p=_SHARES)])
    start, end = hand.joints[joint], hand.joints[BONE_ENDS[joint - 1]]
    along = unit(end - start)
    place = rng.uniform(0.5, 0.75) * float(np.linalg.norm(end - start))
    width, thickness = rng.uniform(0.002, 0.007), rng.uniform(0.0008, 0.0018)
    skin = hand.vertices[hand.skin_weights[:, joint] > 0.5]
    height = (skin - start) @ along
    slice_ = skin[np.abs(height - place) < 0.006]
    flat = slice_ - start - np.outer((slice_ - start) @ along, along)
    centre = start + place * along + flat.mean(0)
    radii = np.linalg.norm(flat - flat.mean(0), axis=1)
    inner = float(np.percentile(radii, 60)) + 0.0002
    side = unit(np.cross(along, [0.3, 0.5, 0.8]))
    other = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.outer(np.cos(angle), side) + np.outer(np.sin(angle), other)
    outline = [(-0.5, 0.0), (-0.4, 1.0), (0.4, 1.0), (0.5, 0.0)]
    rings = np.stack(
        [centre + s * width * along + (inner + lift * thickness) * circle for s, lift in outline]
    )
    metal = plain(_METALS[rng.integers(len(_METALS))], rng.uniform(0.15, 0.4))
    shiny = Material(metal.albedo, metal.roughness, specular=0.5)
    return SceneMesh(label, *tube(rings), shiny)
