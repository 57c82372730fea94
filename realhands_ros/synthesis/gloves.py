"""Gloves: medical, knitted, coated work gloves, leather; and how they look on a hand's atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import JOINT_NAMES
from realhands_ros.synthesis.colour import srgb_to_linear
from realhands_ros.synthesis.noise import NoiseField
from realhands_ros.synthesis.skin import SkinPoints
from realhands_ros.synthesis.skin_features import SkinFeatures

FloatArray = NDArray[np.float64]
Floats = NDArray[np.float32]

_MEDICAL_SRGB = (
    (70, 110, 200), (120, 170, 220), (90, 70, 170), (235, 232, 222), (28, 28, 30), (70, 160, 130),
)  # fmt: skip
_LEATHER_SRGB = ((70, 42, 26), (30, 26, 24), (150, 98, 52), (196, 158, 104))
_COATING_SRGB = ((40, 40, 42), (20, 20, 22), (190, 70, 20), (60, 80, 110), (200, 190, 60))
_TIP_JOINTS = [JOINT_NAMES.index(f'{f}{j}') for f in ('index', 'middle', 'ring', 'little', 'thumb')
               for j in (2, 3) if (f, j) != ('thumb', 2)]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Glove:
    """
    One pair of gloves.

    ``thickness`` metres; ``back`` and ``palm`` (3,) linear colours; ``roughness``; ``weave``
    metres of relief, a period of ``period`` metres; ``wrinkles`` metres of soft folds;
    ``stripes`` how much the colour changes along the hand; ``is_fingerless``; ``cuff`` metres
    that it reaches beyond the wrist's edge; ``seed`` of its uneven parts.
    """

    thickness: float
    back: tuple[float, float, float]
    palm: tuple[float, float, float]
    roughness: float
    weave: float
    period: float
    wrinkles: float
    stripes: float
    is_fingerless: bool
    cuff: float
    seed: int


def sample_glove(rng: np.random.Generator) -> Glove:
    """Draw a glove of any of the kinds."""
    kind = rng.random()
    if kind < 0.35:
        back = palm = _pick(rng, _MEDICAL_SRGB)
        thickness, roughness = rng.uniform(0.0002, 0.0006), rng.uniform(0.25, 0.5)
        weave, period, wrinkles, stripes = 0.0, 0.01, rng.uniform(0.0003, 0.0009), 0.0
    elif kind < 0.6:
        back, palm = _free(rng), _pick(rng, _COATING_SRGB)
        thickness, roughness = rng.uniform(0.001, 0.0022), rng.uniform(0.5, 0.9)
        weave, period = rng.uniform(0.0001, 0.0003), rng.uniform(0.0012, 0.002)
        wrinkles, stripes = rng.uniform(0.0003, 0.0008), 0.0
    elif kind < 0.85:
        back = palm = _free(rng)
        thickness, roughness = rng.uniform(0.0012, 0.0026), 0.9
        weave, period = rng.uniform(0.0002, 0.0005), rng.uniform(0.0015, 0.004)
        wrinkles, stripes = 0.0004, rng.uniform(0, 0.8) * (rng.random() < 0.4)
    else:
        back = palm = _pick(rng, _LEATHER_SRGB)
        thickness, roughness = rng.uniform(0.0008, 0.0016), rng.uniform(0.35, 0.65)
        weave, period, wrinkles, stripes = 0.0, 0.01, rng.uniform(0.0005, 0.0012), 0.0
    return Glove(
        thickness=float(thickness),
        back=back,
        palm=palm,
        roughness=float(roughness),
        weave=float(weave),
        period=float(period),
        wrinkles=float(wrinkles),
        stripes=float(stripes),
        is_fingerless=bool(kind >= 0.35 and rng.random() < 0.15),
        cuff=float(rng.uniform(0.02, 0.09)),
        seed=int(rng.integers(2**31)),
    )


def glove_cover(glove: Glove, weights: NDArray[np.floating[Any]]) -> Floats:
    """Return how much of the glove covers points with skinning weights (N, 16), (N,) 0..1."""
    if not glove.is_fingerless:
        return np.ones(len(weights), dtype=np.float32)
    bare = np.asarray(weights)[:, _TIP_JOINTS].sum(1)
    return np.asarray(np.clip((0.6 - bare) / 0.2, 0, 1), dtype=np.float32)


def paint_glove(
    glove: Glove, skin: SkinPoints, features: SkinFeatures, weights: Floats
) -> SkinPoints:
    """Return a hand's surface with the glove on; bare fingertips keep their skin."""
    noise = NoiseField(np.random.default_rng(glove.seed))
    position = features.position
    folds = noise(position, cell=0.007)
    dirt = noise(position, cell=0.02, shift=0.4)
    on_palm = np.clip(2.0 * features.palm - 0.5, 0, 1)[:, None]
    albedo = np.array(glove.back) + on_palm * (np.array(glove.palm) - np.array(glove.back))
    if glove.stripes:
        bands = np.sin(2 * np.pi * position[:, :1] / 0.018) > 0.3
        albedo = albedo * (1 - glove.stripes * bands)
    albedo = albedo * np.exp(0.12 * dirt[:, :1] + 0.05 * folds[:, :1])
    height = glove.wrinkles * (folds[:, 1] - np.abs(folds[:, 2]))
    if glove.weave:
        turns = 2 * np.pi * position / glove.period
        knit = np.sin(turns[:, 0]) * np.sin(turns[:, 1] + turns[:, 2])
        height = height + glove.weave * knit
        albedo = albedo * (1 + 0.12 * knit[:, None])
    cover = glove_cover(glove, weights)
    mixed = skin.albedo + cover[:, None] * (albedo - skin.albedo)
    roughness = skin.roughness + cover * (glove.roughness - skin.roughness)
    return SkinPoints(
        np.clip(mixed, 0.004, 0.95).astype(np.float32),
        roughness.astype(np.float32),
        (skin.height + cover * (height - skin.height)).astype(np.float32),
    )


def _pick(
    rng: np.random.Generator, colours: tuple[tuple[int, int, int], ...]
) -> tuple[float, float, float]:
    srgb = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.85, 1.08)
    return _linear(srgb / 255)


def _free(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return mostly greys, now and then any colour."""
    grey = rng.uniform(0.06, 0.9) * np.ones(3)
    return _linear(grey if rng.random() < 0.5 else rng.uniform(0.05, 0.9, 3))


def _linear(srgb: FloatArray) -> tuple[float, float, float]:
    red, green, blue = srgb_to_linear(np.clip(srgb, 0.01, 0.97))
    return float(red), float(green), float(blue)
