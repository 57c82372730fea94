"""
What synthetic datasets and films are made of: cameras, view mix, size of the images, backgrounds.

This module imports no numerical library, so that the command line reads its defaults quickly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from realhands_ros.errors import ConfigError

ViewMix = Literal['egocentric', 'tabletop', 'frontal']
VIEW_MIXES: tuple[ViewMix, ...] = ('egocentric', 'tabletop', 'frontal')

Motion = Literal['gestures', 'grips', 'objects']
MOTIONS: tuple[Motion, ...] = ('gestures', 'grips', 'objects')

# The paper's set is egocentric; the other two are what a camera on a desk sees.
DEFAULT_MIX: dict[ViewMix, float] = {'egocentric': 0.5, 'tabletop': 0.25, 'frontal': 0.25}

# About as far as MediaPipe finds hands in the full images of these wide lenses.
DEFAULT_DISTANCE_M = (0.18, 0.30)


# The parameters that are shares, and what each is a share of.
SHARES: dict[str, str] = {
    'left_hand_share': 'samples whose hand is a left one',
    'real_skin_share': 'people whose skin is uneven as one of the skins is',
    'interior_light_share': 'samples lit by one of the panoramas',
    'grasp_share': 'hands that grasp or make a fist; the others make gestures',
    'held_object_share': 'grasps with an object in them',
    'second_hand_share': 'samples with a second hand',
    'glove_share': 'people who wear gloves',
    'ring_share': 'hands with a ring',
    'touching_share': 'second hands that touch, cross or hold the first',
    'grey_share': 'samples of a camera without colour',
    'infrared_share': 'samples of an infrared camera with its own lamp',
    'occluder_share': 'samples with something before the hand or against the palm',
}

# The shares of a set of single bare hands that make gestures before a colour camera: what a
# detector of hands is sure to know.
BARE_HANDS: dict[str, Any] = dict.fromkeys(
    (
        'grasp_share',
        'second_hand_share',
        'glove_share',
        'ring_share',
        'grey_share',
        'infrared_share',
        'occluder_share',
    ),
    0.0,
)


class ZedModel(NamedTuple):
    """Focal length in pixels at 1280 x 720 and baseline in metres."""

    focal_hd720: float
    baseline: float


class Resolution(NamedTuple):
    """Image size, and the focal length relative to 1280 x 720 (HD1080 crops the sensor)."""

    width: int
    height: int
    focal_scale: float


# From the maker's calibration files, for the rectified left camera.
ZED_MODELS = {
    'zed2i': ZedModel(530.0, 0.12),
    'zed2i_4mm': ZedModel(960.0, 0.12),
    'zed2': ZedModel(525.0, 0.12),
    'zed': ZedModel(700.0, 0.12),
    'zedm': ZedModel(675.0, 0.063),
}

RESOLUTIONS = {
    'VGA': Resolution(672, 376, 0.5),
    'HD720': Resolution(1280, 720, 1.0),
    'HD1080': Resolution(1920, 1080, 2.0),
}


@dataclass(frozen=True)
class SynthesisConfig:
    """
    The parameters of a synthetic dataset.

    ``cameras`` are keys of ZED_MODELS, ``resolutions`` of RESOLUTIONS; each sample draws one of
    each. ``mix`` gives the share of each view, ``distance_m`` the nearest and farthest distance
    of a hand. ``crop_size`` renders a square crop of that many pixels around the hand in each
    view instead of the full images. ``backgrounds`` is a folder of
    photographs; without one all backgrounds are procedural rooms. ``model_folder`` holds the hand
    model (None: the open hand), ``skins`` textures in MakeHuman's layout,
    ``lights`` panoramas.
    The shares are explained in SHARES.
    Raises ConfigError for a value out of range.
    """

    mix: Mapping[ViewMix, float] = field(default_factory=lambda: dict(DEFAULT_MIX))
    cameras: tuple[str, ...] = ('zed2i', 'zed2', 'zedm')
    resolutions: tuple[str, ...] = ('VGA',)
    distance_m: tuple[float, float] = DEFAULT_DISTANCE_M
    crop_size: int | None = None
    backgrounds: Path | None = None
    model_folder: Path | None = None
    skins: Path | None = None
    lights: Path | None = None
    left_hand_share: float = 0.5
    real_skin_share: float = 0.6
    interior_light_share: float = 0.5
    grasp_share: float = 0.5
    held_object_share: float = 0.6
    second_hand_share: float = 0.2
    glove_share: float = 0.08
    ring_share: float = 0.12
    touching_share: float = 0.7
    occluder_share: float = 0.1
    grey_share: float = 0.04
    infrared_share: float = 0.03

    def __post_init__(self) -> None:
        """Check the ranges."""
        unknown = sorted(set(self.mix) - set(VIEW_MIXES))
        if unknown or not self.mix or sum(self.mix.values()) <= 0 or min(self.mix.values()) < 0:
            message = (
                f'the view mix is {dict(self.mix)}; give non-negative shares, at least one above '
                f'zero, of {", ".join(VIEW_MIXES)}'
            )
            raise ConfigError(message)
        for name in SHARES:
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                message = f'{name} is {share:g}; it is a share and must lie between 0 and 1'
                raise ConfigError(message)
        near, far = self.distance_m
        if not 0.1 <= near < far <= 3.0:
            message = (
                f'distance_m is {near:g} to {far:g}; give two rising distances, 0.1 to 3 metres'
            )
            raise ConfigError(message)
        if self.crop_size is not None and not 32 <= self.crop_size <= 1024:
            message = f'crop_size is {self.crop_size} pixels; it must lie between 32 and 1024'
            raise ConfigError(message)

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as plain values that JSON can hold."""
        values = asdict(self)
        values['mix'] = dict(self.mix)
        for name in ('cameras', 'resolutions', 'distance_m'):
            values[name] = list(values[name])
        for name in ('backgrounds', 'model_folder', 'skins', 'lights'):
            values[name] = None if values[name] is None else str(values[name])
        return values


def parse_mix(text: str) -> dict[ViewMix, float]:
    """
    Read a view mix: one name, or ``name=share,name=share``.

    Raises ConfigError for anything else.
    """
    mix: dict[ViewMix, float] = {}
    for part in text.split(','):
        name, _, share = part.strip().partition('=')
        try:
            mix[VIEW_MIXES[VIEW_MIXES.index(name)]] = float(share or 1.0)
        except ValueError as error:
            message = (
                f'cannot read {part!r} of the view mix {text!r}; write one of '
                f'{", ".join(VIEW_MIXES)}, or shares such as {VIEW_MIXES[0]}=0.5,...'
            )
            raise ConfigError(message) from error
    return mix


@dataclass(frozen=True)
class FilmSettings:
    """
    What a film of moving hands shows; film.py makes it.

    ``seconds``: its length; ``rate``: frames a second. ``camera`` is a key of ZED_MODELS and
    ``resolution`` one of RESOLUTIONS; ``hands`` 1 (right) or 2;
    ``motion``: gestures, grips (grasps without objects) or objects (grasps with them);
    ``model_folder`` holds the hand model (None: the open hand). Raises ConfigError for a value out
    of range.
    """

    seconds: float = 20.0
    rate: float = 30.0
    camera: str = 'zed2i'
    resolution: str = 'VGA'
    hands: Literal[1, 2] = 1
    seed: int = 0
    motion: Motion = 'gestures'
    model_folder: Path | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ('seconds', 'rate'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                message = f'{name} is {value:g}; it must be above zero'
                raise ConfigError(message)
        if self.hands not in (1, 2):
            message = f'hands is {self.hands}; a film shows 1 or 2'
            raise ConfigError(message)
        if self.motion not in MOTIONS:
            message = f'motion is {self.motion!r}; choose one of {", ".join(MOTIONS)}'
            raise ConfigError(message)
        if self.seed < 0:
            message = f'seed is {self.seed}; give 0 or more'
            raise ConfigError(message)

    @property
    def num_frames(self) -> int:
        """Return the number of frames, at least one."""
        return max(1, round(self.seconds * self.rate))
