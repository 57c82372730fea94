"""Skin: the variety of people, and the textures of one person's hands and arms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realhands_ros.synthesis.colour import srgb_to_linear
from realhands_ros.synthesis.noise import NoiseField
from realhands_ros.synthesis.skin_features import NUM_LINE_VARIANTS, SkinFeatures

FloatArray = NDArray[np.float64]
Floats = NDArray[np.float32]

# Diffuse colour of the back of hands from the palest to the darkest people (L* 85 to 30), sRGB;
# between them the logarithm of the reflectance is interpolated, as absorption by melanin adds up.
_TONES_SRGB = np.array(
    [
        (238, 205, 187),
        (228, 184, 160),
        (206, 155, 124),
        (176, 126, 96),
        (138, 96, 74),
        (108, 75, 60),
        (90, 63, 52),
    ]
)
_LOG_TONES = np.log(srgb_to_linear(_TONES_SRGB / 255.0))

# Absorption of red, green and blue light per unit of blood and of carotene.
_BLOOD = np.array([0.10, 0.62, 0.50], dtype=np.float32)
_CAROTENE = np.array([0.0, 0.06, 0.35], dtype=np.float32)
# The scattering of a vein under the skin: less red comes back. And hair.
_VEIN = np.array([0.30, 0.10, 0.02], dtype=np.float32)
_HAIR = np.array([0.50, 0.55, 0.60], dtype=np.float32)
_NAIL_SRGB = np.array([226, 170, 156])

_POLISHES_SRGB = np.array(
    [(150, 16, 30), (190, 60, 90), (230, 170, 175), (30, 28, 34), (60, 70, 130), (235, 230, 225)]
)


@dataclass(frozen=True, eq=False)
class SkinLook:
    """
    One person's skin.

    ``tone`` 0 (palest) .. 1 (darkest); ``blood`` and ``carotene`` shift the hue; the others are
    strengths of single details, about 0..1; ``line_variant`` chooses the lines of the palm;
    ``polish_srgb`` is the colour on the nails or None; ``seed`` of the uneven parts;
    ``texture`` is the number of the skin of a folder whose unevenness this one has, or None.
    """

    tone: float
    blood: float
    carotene: float
    lightness: float
    palm_contrast: float
    blotches: float
    freckles: float
    veins: float
    creases: float
    wrinkles: float
    hair: float
    roughness: float
    line_variant: int
    polish_srgb: tuple[int, ...] | None
    seed: int
    texture: int | None = None


@dataclass(frozen=True, eq=False)
class SkinPoints:
    """Colour (N, 3) linear, roughness (N,) and relief (N,) in metres at points of the skin."""

    albedo: Floats
    roughness: Floats
    height: Floats


def sample_skin(rng: np.random.Generator) -> SkinLook:
    """Draw a person: all tones are likely, dark ones most; marks of age and habit are not."""
    # Dark skin is missing in photographs that may be trained on, so it is drawn more often.
    tone = rng.uniform(0, 1) if rng.random() < 0.75 else rng.uniform(0.55, 1)
    age = rng.beta(1.5, 2.5)
    polish = None
    if rng.random() < 0.08:
        polish = tuple(int(v) for v in _POLISHES_SRGB[rng.integers(len(_POLISHES_SRGB))])
    return SkinLook(
        tone=tone,
        blood=rng.normal(0, 0.22),
        carotene=abs(rng.normal(0, 0.25)),
        lightness=rng.normal(0, 0.07),
        palm_contrast=rng.uniform(0.5, 1.0),
        blotches=rng.uniform(0.3, 1.0),
        freckles=rng.uniform(0, 0.7) * (rng.random() < 0.2) * (1 - tone),
        veins=rng.beta(1.2, 2.5) * (0.4 + 0.6 * age),
        creases=rng.uniform(0.5, 1.1),
        wrinkles=0.35 + 0.65 * age + rng.normal(0, 0.1),
        hair=max(rng.normal(0.1, 0.35), 0.0),
        roughness=rng.uniform(0.38, 0.58),
        line_variant=int(rng.integers(NUM_LINE_VARIANTS)),
        polish_srgb=polish,
        seed=int(rng.integers(2**31)),
    )


def skin_colour(look: SkinLook) -> FloatArray:
    """Return the average colour of one person's skin, (3,) linear."""
    absorbed = look.blood * _BLOOD + look.carotene * _CAROTENE - look.lightness
    return np.asarray(np.exp(_log_tone(np.array([look.tone], dtype=np.float32))[0] - absorbed))


def paint_skin(
    look: SkinLook, features: SkinFeatures, unevenness: Floats | None = None
) -> SkinPoints:
    """
    Return colour, roughness and relief of one person's skin at points with these features.

    ``unevenness`` (N, 3), the logarithm of how much brighter real skin is here than on average,
    takes the place of the procedural one.
    """
    rng = np.random.default_rng(look.seed)
    noise = NoiseField(rng)
    patches = noise(features.position, cell=0.018)
    mottle = noise(features.position, cell=0.0045, shift=0.5)
    grain = noise(features.position, cell=0.0011, shift=0.9)
    lines = features.palm_lines[look.line_variant]
    wrinkles = look.wrinkles * features.wrinkles
    veins = _veins(noise, features) * look.veins

    blotches = look.blotches if unevenness is None else 0.3 * look.blotches
    melanin = _tone_at(replace(look, blotches=blotches), features, patches, mottle, grain)
    dents = look.creases * (0.55 * features.creases + 0.45 * lines)
    dents = dents + 0.22 * np.maximum(-wrinkles, 0) + 0.6 * features.nail_fold
    blood = look.blood + 0.30 * features.redness + 0.30 * dents
    blood = blood + blotches * (0.20 * patches[:, 1] + 0.16 * mottle[:, 1])
    dimness = 0.20 * dents + 0.05 * grain[:, 2] - look.lightness
    hairs = np.zeros_like(veins)
    if look.hair > 0:
        hairs = _hairs(noise, features) * look.hair * (1 - look.tone)
    carotene = np.float32(look.carotene) * _CAROTENE
    absorbed = np.stack(
        [
            blood * _BLOOD[c] + veins * _VEIN[c] + hairs * _HAIR[c] + (dimness + carotene[c])
            for c in range(3)
        ],
        axis=1,
    )
    if unevenness is not None:
        absorbed = absorbed - unevenness
    albedo = np.exp(_log_tone(melanin) - absorbed)

    roughness = look.roughness + 0.05 * mottle[:, 2] + 0.06 * features.palm - 0.05 * dents
    height = _relief(look, features, wrinkles, lines, veins, mottle, grain)
    albedo, roughness = _paint_nails(look, features, albedo, roughness, mottle)
    return SkinPoints(
        np.clip(albedo, 0.004, 0.95).astype(np.float32),
        np.clip(roughness, 0.12, 0.9).astype(np.float32),
        height.astype(np.float32),
    )


def _tone_at(
    look: SkinLook, features: SkinFeatures, patches: Floats, mottle: Floats, grain: Floats
) -> Floats:
    """Return the tone of each point: palms hold little melanin, knuckles and spots more."""
    palm_tone = look.tone * (0.62 - 0.22 * look.tone)
    melanin = look.tone + look.blotches * (0.035 * patches[:, 0] + 0.03 * mottle[:, 0])
    spots = _spots(patches, mottle, grain)
    melanin = melanin + look.freckles * 0.30 * spots * (1 - features.palm)
    melanin = melanin + 0.09 * look.tone * features.redness * (1 - features.palm)
    to_palm = look.palm_contrast * features.palm
    melanin = melanin + to_palm * (palm_tone - melanin)
    # The lines of a dark palm keep their pigment.
    creases = np.maximum(features.creases, features.palm_lines[look.line_variant])
    melanin = melanin + 0.5 * creases * to_palm * (look.tone - melanin)
    return np.asarray(np.clip(melanin, 0, 1), dtype=np.float32)


def _log_tone(melanin: Floats) -> Floats:
    places = np.linspace(0, 1, len(_LOG_TONES))
    columns = [np.interp(melanin, places, _LOG_TONES[:, channel]) for channel in range(3)]
    return np.stack(columns, axis=-1).astype(np.float32)


def _spots(patches: Floats, mottle: Floats, grain: Floats) -> Floats:
    field = mottle[:, 3] + 0.5 * grain[:, 3] + 0.4 * patches[:, 3]
    return np.asarray(np.clip((field - 0.35) / 0.15, 0, 1))


def _veins(noise: NoiseField, features: SkinFeatures) -> Floats:
    """Return a branching net that runs mostly along the hand."""
    warp = noise(features.position, cell=0.02, shift=0.3)
    bent = features.position + np.float32(0.006) * warp[:, :3]
    field = noise(bent, cell=0.014, channels=1, stretch=(0.45, 0.6, 1.0))[:, 0]
    ridge = np.exp(-((field / 0.055) ** 2))
    present = np.clip((warp[:, 3] + 0.25) / 0.3, 0, 1)
    return np.asarray(ridge * present * features.veins, dtype=np.float32)


def _hairs(noise: NoiseField, features: SkinFeatures) -> Floats:
    """Return thin streaks along the arm on its back."""
    slant = features.position @ np.array([[1, 0, 0.4], [0, 1, 0], [-0.4, 0, 1]], dtype=np.float32)
    field = noise(slant, cell=0.0009, channels=1, stretch=(0.12, 1.0, 1.0))[:, 0]
    density = noise(features.position, cell=0.03, channels=1, shift=0.7)[:, 0]
    density = np.clip(density + 0.5, 0, 1)
    return np.asarray(np.clip((field - 0.42) / 0.2, 0, 1) * features.hair * density)


def _relief(
    look: SkinLook,
    features: SkinFeatures,
    wrinkles: Floats,
    lines: Floats,
    veins: Floats,
    mottle: Floats,
    grain: Floats,
) -> Floats:
    """Return the height of fine relief in metres."""
    off_nail = 1 - features.nail
    height = 0.00016 * wrinkles
    height = height - look.creases * (0.00035 * features.creases + 0.0003 * lines)
    height = height + 0.0005 * veins + 0.0005 * look.wrinkles * features.tendons
    height = height + (0.00007 * mottle[:, 3] + 0.000035 * grain[:, 0]) * off_nail
    height = height - 0.0003 * features.nail_fold + 0.00012 * features.nail
    return np.asarray(height)


def _paint_nails(
    look: SkinLook, features: SkinFeatures, albedo: Floats, roughness: Floats, mottle: Floats
) -> tuple[Floats, Floats]:
    """Return colour and roughness with nails; most points are not on one and stay as they are."""
    on_nail = np.flatnonzero(features.nail)
    nail, skin = features.nail[on_nail, None], albedo[on_nail]
    plate = srgb_to_linear(_NAIL_SRGB / 255.0) * (1 - 0.45 * look.tone)
    plate = plate * (1 + 0.05 * mottle[on_nail, :1])
    plate = plate + 0.12 * features.lunula[on_nail, None] * (1 - 0.5 * look.tone)
    pale = srgb_to_linear(np.array([236, 226, 210]) / 255.0)
    plate = plate + (0.75 * features.nail_edge[on_nail, None]) * (pale - plate)
    # A nail takes part of its colour from the skin around it.
    plate = 0.7 * plate + 0.3 * skin
    gloss = 0.30
    if look.polish_srgb is not None:
        plate = np.broadcast_to(srgb_to_linear(np.array(look.polish_srgb) / 255.0), skin.shape)
        gloss = 0.16
    albedo[on_nail] = skin + nail * (plate - skin)
    roughness[on_nail] += nail[:, 0] * (gloss - roughness[on_nail])
    return albedo, roughness
