"""Procedural surfaces of rooms and clothes: cloth, wood, plaster, tiles, shelves, prints."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.synthesis.colour import srgb_to_linear
from realhands_ros.synthesis.scene import Material

Floats = NDArray[np.float32]
Painter = Callable[[np.random.Generator], Material]

_SIZE = 256
VARIANTS = 8


def sample_texture(rng: np.random.Generator, kind: str) -> Material:
    """
    Return one of the VARIANTS textures of a kind: the keys of PAINTERS.

    Textures are made once a process and shared between scenes; a scene varies them by tint.
    """
    return _texture(kind, int(rng.integers(VARIANTS)))


def plain(srgb: tuple[float, float, float], roughness: float = 0.6) -> Material:
    """Return a material of one colour, sRGB 0..1."""
    albedo = np.broadcast_to(srgb_to_linear(np.array(srgb)), (2, 2, 3)).copy()
    return Material(albedo, np.full((2, 2), roughness, dtype=np.float32))


@lru_cache(maxsize=256)
def _texture(kind: str, variant: int) -> Material:
    seed = [sorted(PAINTERS).index(kind), variant]
    return PAINTERS[kind](np.random.default_rng(seed))


def _cloud(rng: np.random.Generator, sigma: float, stretch: float = 1.0) -> Floats:
    """Return smooth noise (S, S) of unit deviation whose spots are ``sigma`` texels wide."""
    field = rng.standard_normal((_SIZE, _SIZE)).astype(np.float32)
    smooth = cv2.GaussianBlur(
        field, (0, 0), sigma, sigmaY=sigma * stretch, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1e-9), dtype=np.float32)


def _material(srgb: ArrayLike, roughness: float, height: Floats | None = None) -> Material:
    albedo = srgb_to_linear(np.clip(np.asarray(srgb), 0.01, 0.97))
    return Material(
        albedo, np.full(albedo.shape[:2], roughness, dtype=np.float32), height, specular=0.03
    )


def _cloth(rng: np.random.Generator) -> Material:
    """Cloth, mid grey before tint: weave, and now and then stripes or checks."""
    y, x = np.mgrid[:_SIZE, :_SIZE].astype(np.float32)
    period = rng.choice([4.0, 6.0, 9.0])
    weave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
    shade = 0.72 + 0.05 * weave + 0.03 * _cloud(rng, 1.0) + 0.04 * _cloud(rng, 20.0)
    colour = np.repeat(shade[..., None], 3, axis=2)
    pattern = rng.random()
    if pattern < 0.5:
        width = rng.choice([16, 32, 64])
        bands = ((x // width) % 2 == 0).astype(np.float32)
        if pattern < 0.25:
            bands = 0.5 * bands + 0.5 * ((y // width) % 2 == 0)
        other = rng.uniform(0.2, 1.0, 3)
        colour = colour * (1 - bands[..., None] * (1 - other))
    return _material(colour, 0.85, (0.00015 * weave + 0.0002 * _cloud(rng, 6.0)).astype('f4'))


def _wood(rng: np.random.Generator) -> Material:
    grain = _cloud(rng, 1.2, 40.0) * 0.35 + _cloud(rng, 6.0, 60.0) * 0.6
    y, x = np.mgrid[:_SIZE, :_SIZE].astype(np.float32)
    rings = np.sin(2 * np.pi * (x / rng.uniform(14, 40) + 0.6 * _cloud(rng, 40.0, 2.0)))
    base = np.array([(0.72, 0.53, 0.35), (0.55, 0.36, 0.22), (0.36, 0.23, 0.15), (0.8, 0.68, 0.5)])
    shade = 1 + 0.08 * grain + 0.07 * rings
    planks = rng.choice([0, 64, 128])
    if planks:
        shade = shade * (1 - 0.5 * ((x % planks) < 1.5))
    return _material(base[rng.integers(len(base))] * shade[..., None], rng.uniform(0.3, 0.6))


def _plaster(rng: np.random.Generator) -> Material:
    shade = 0.85 + 0.02 * _cloud(rng, 1.5) + 0.03 * _cloud(rng, 30.0)
    tint = 1 + rng.normal(0, 0.03, 3)
    return _material(shade[..., None] * tint, 0.9)


def _tiles(rng: np.random.Generator) -> Material:
    y, x = np.mgrid[:_SIZE, :_SIZE]
    side = int(rng.choice([32, 64, 128]))
    joint = ((x % side) < 2) | ((y % side) < 2)
    tone = rng.normal(0, 0.05, (_SIZE // side, _SIZE // side)).repeat(side, 0).repeat(side, 1)
    base = rng.uniform(0.4, 0.85) * (1 + rng.normal(0, 0.06, 3))
    shade = np.where(joint, 0.6, 1 + tone + 0.04 * _cloud(rng, 5.0))
    return _material(base * shade[..., None], rng.uniform(0.15, 0.5))


def _carpet(rng: np.random.Generator) -> Material:
    base = rng.uniform(0.15, 0.6) * (1 + rng.normal(0, 0.12, 3))
    shade = 1 + 0.16 * _cloud(rng, 0.8) + 0.08 * _cloud(rng, 12.0)
    return _material(base * shade[..., None], 0.95)


def _shelf(rng: np.random.Generator) -> Material:
    """Shelves of books and boxes: upright edges in many colours."""
    picture = np.full((_SIZE, _SIZE, 3), rng.uniform(0.05, 0.5), dtype=np.float32)
    rows = int(rng.integers(2, 5))
    for row in range(rows):
        floor = (row + 1) * _SIZE // rows - 6
        x = 4
        while x < _SIZE - 8:
            width = int(rng.integers(4, 26))
            top = floor - int(rng.uniform(0.35, 0.9) * (_SIZE // rows - 8))
            if rng.random() < 0.85:
                colour = rng.uniform(0.05, 0.9) * (1 + rng.uniform(-0.5, 0.5, 3))
                picture[top:floor, x : x + width - 1] = colour
                label = top + (floor - top) // 3
                picture[label : label + 4, x + 1 : x + width - 2] *= rng.uniform(0.5, 1.6)
            x += width
    return _material(cv2.GaussianBlur(picture, (0, 0), 0.6), 0.5)


def _clutter(rng: np.random.Generator) -> Material:
    """Overlapping shapes in many colours, as a full desk or a poster from afar."""
    picture = np.empty((_SIZE, _SIZE, 3), dtype=np.float32)
    picture[:] = rng.uniform(0.1, 0.9, 3)
    for _ in range(int(rng.integers(12, 60))):
        colour = tuple(float(v) for v in rng.uniform(0, 1) * (1 + rng.uniform(-0.6, 0.6, 3)))
        centre = rng.integers(0, _SIZE, 2).tolist()
        size = float(np.exp(rng.uniform(np.log(4), np.log(70))))
        axes = (int(size), int(size * rng.uniform(0.2, 1)) + 1)
        if rng.random() < 0.4:
            cv2.ellipse(
                picture, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA
            )
        else:
            corners = cv2.boxPoints((centre, axes, rng.uniform(0, 180)))
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    light = 1 + 0.25 * _cloud(rng, 50.0)[..., None] + 0.05 * _cloud(rng, 1.0)[..., None]
    return _material(cv2.GaussianBlur(picture * light, (0, 0), rng.uniform(0.5, 2.5)), 0.5)


def _print(rng: np.random.Generator) -> Material:
    """Paint a sheet with lines of text, a screen, or a keyboard."""
    dark = rng.random() < 0.35
    picture = np.full((_SIZE, _SIZE, 3), 0.08 if dark else 0.93, dtype=np.float32)
    ink = rng.uniform(0.6, 0.95, 3) if dark else rng.uniform(0.0, 0.3, 3)
    step = int(rng.integers(8, 26))
    for y in range(step, _SIZE - step, step):
        x = step
        stop = _SIZE - step - int(rng.uniform(0, 80)) * (rng.random() < 0.4)
        while x < stop:
            width = int(rng.integers(2, 3 * step))
            picture[y : y + max(step // 2 - 1, 2), x : x + width] = ink
            x += width + max(step // 3, 2)
    return _material(cv2.GaussianBlur(picture, (0, 0), 0.7), 0.35)


PAINTERS: dict[str, Painter] = {
    'cloth': _cloth,
    'wood': _wood,
    'plaster': _plaster,
    'tiles': _tiles,
    'carpet': _carpet,
    'shelf': _shelf,
    'clutter': _clutter,
    'print': _print,
}
