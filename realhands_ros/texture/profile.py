"""
A user's hands in a file: atlas, shape and offsets of the right and the left hand.

One npz (no pickles) with ``format``, ``version`` and ``topology`` and, for each hand that it
holds, arrays named ``right/...`` or ``left/...``.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ProfileError
from realhands_ros.hand.topology import NUM_SHAPE, NUM_VERTICES, Handedness
from realhands_ros.texture.personal_shape import ShapeEstimate

Image = NDArray[np.uint8]

FORMAT = 'realhands profile'
VERSION = 1
SIDES: tuple[Handedness, ...] = ('right', 'left')

_ATLAS_SIZES = (64, 4096)


@dataclass(frozen=True, eq=False)
class ProfileHand:
    """
    One hand of a user.

    ``colours`` (T, T, 3) uint8 RGB and ``coverage_map`` (T, T) uint8 as HandTexture has them;
    ``atlas`` (T, T, 3) the same with unseen skin filled in; ``coverage`` the share of the skin
    that was seen; ``estimate`` the hand's shape.
    """

    colours: Image
    coverage_map: Image
    atlas: Image
    coverage: float
    estimate: ShapeEstimate


@dataclass(frozen=True, eq=False)
class HandProfile:
    """
    A user's hands, one or two.

    ``topology`` is the key of the texture atlas of the hand model that they belong to
    (UvAtlas.key); shapes and atlases mean nothing for another model.
    """

    topology: str
    hands: Mapping[Handedness, ProfileHand]


def save_profile(profile: HandProfile, path: Path | str) -> None:
    """
    Write a profile.

    What is at ``path`` stays whole until the new file is complete. Raises ProfileError when the
    place cannot be written or the profile holds no hand.
    """
    path = Path(path)
    if not profile.hands:
        message = 'the profile holds no hand: show a hand to the cameras first'
        raise ProfileError(message)
    arrays: dict[str, Any] = {
        'format': np.array(FORMAT),
        'version': np.array(VERSION),
        'topology': np.array(profile.topology),
    }
    for side, hand in profile.hands.items():
        arrays |= {
            f'{side}/colours': hand.colours,
            f'{side}/coverage_map': hand.coverage_map,
            f'{side}/atlas': hand.atlas,
            f'{side}/coverage': np.array(hand.coverage),
            f'{side}/shape': hand.estimate.shape,
            f'{side}/offsets': hand.estimate.offsets.astype(np.float32),
            f'{side}/frames': np.array(hand.estimate.frames),
        }
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with unfinished.open('wb') as file:
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ProfileError(message) from error


def load_profile(path: Path | str) -> HandProfile:
    """Read a profile; ProfileError when it is missing, damaged, foreign or of a later version."""
    path = Path(path)
    if not path.is_file():
        message = f'{path} does not exist: make a profile with `realhands profile save`'
        raise ProfileError(message)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        message = f'{path} cannot be read ({error}): it is damaged or no profile'
        raise ProfileError(message) from error
    _check_format(arrays, path)
    hands = {side: _hand(arrays, side, path) for side in SIDES if f'{side}/shape' in arrays}
    if not hands:
        message = f'{path} holds neither a right nor a left hand: make it anew'
        raise ProfileError(message)
    return HandProfile(str(arrays['topology']), hands)


def _check_format(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    found = str(arrays.get('format', 'nothing'))
    if found != FORMAT or 'topology' not in arrays:
        message = (
            f'{path} is no hand profile (format {found!r}, expected {FORMAT!r}): make one with '
            '`realhands profile save`'
        )
        raise ProfileError(message)
    version = arrays.get('version')
    if version is None or version.dtype.kind not in 'iu' or int(version) != VERSION:
        message = f'{path} has version {version}; this program reads {VERSION}: make it anew'
        raise ProfileError(message)


def _hand(arrays: Mapping[str, NDArray[Any]], side: Handedness, path: Path) -> ProfileHand:
    def part(name: str, kinds: str, shape: tuple[int, ...]) -> NDArray[Any]:
        array = arrays.get(f'{side}/{name}')
        found = None if array is None else f'{array.dtype} {array.shape}'
        if array is None or array.dtype.kind not in kinds or array.shape != shape:
            message = f'{side}/{name} of {path} is {found}, expected {shape}: make it anew'
            raise ProfileError(message)
        if array.dtype.kind == 'f' and not np.isfinite(array).all():
            message = f'{side}/{name} of {path} holds NaN or infinity: make it anew'
            raise ProfileError(message)
        return array

    size = len(np.atleast_1d(arrays.get(f'{side}/atlas', np.zeros(0))))
    low, high = _ATLAS_SIZES
    if not low <= size <= high:
        message = f'the {side} atlas of {path} has {size} rows, not {low} to {high}: make it anew'
        raise ProfileError(message)
    return ProfileHand(
        colours=part('colours', 'u', (size, size, 3)).astype(np.uint8),
        coverage_map=part('coverage_map', 'u', (size, size)).astype(np.uint8),
        atlas=part('atlas', 'u', (size, size, 3)).astype(np.uint8),
        coverage=float(part('coverage', 'f', ())),
        estimate=ShapeEstimate(
            part('shape', 'f', (NUM_SHAPE,)).astype(np.float64),
            part('offsets', 'f', (NUM_VERTICES, 3)).astype(np.float64),
            int(part('frames', 'iu', ())),
        ),
    )
