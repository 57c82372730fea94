"""
From linear light to the picture a stereo camera delivers.

In the order in which a camera does it: motion and lens blur, vignetting, exposure, sensor noise,
white balance, tone curve, saturation, sharpening, JPEG.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.synthesis.colour import linear_to_srgb
from realhands_ros.synthesis.lighting import illuminant
from realhands_ros.synthesis.rendering import RenderedView
from realhands_ros.synthesis.scene import CameraEffects, Lighting
from realhands_ros.synthesis.sensor_kernels import join_layers, saturate, sense, sharpen

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
# Automatic exposure aims at this mean of the linear image.
_MIDDLE_GREY = 0.26
# ... and at most at this level of the brightest parts.
_HIGHLIGHT = 0.6
# What is left of a lamp's light far away: walls throw it to and fro.
_LEAST_LIGHT = 0.03
_CURVE_STEPS, _CURVE_TOP = 4096, 4.0


def sample_effects(rng: np.random.Generator, lighting: Lighting, focal_px: float) -> CameraEffects:
    """Draw a camera's state; lengths in pixels grow with the focal length ``focal_px``."""
    exposure = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.03, 2))
    balance = illuminant(lighting) ** -rng.uniform(0.7, 1.0)
    balance = balance * np.exp(rng.normal(0, 0.03, 3)) * np.exp(rng.normal(0, 0.008, (2, 3)))
    motion = rng.normal(0, 0.008, 2) * focal_px * (rng.random() < 0.3)
    shake = rng.normal(0, 0.003, 2) * focal_px * (rng.random() < 0.2)
    gain = rng.beta(1.2, 3.0)
    return CameraEffects(
        exposure=exposure,
        white_balance=balance,
        blur_sigma=rng.uniform(0.6, 1.2),
        motion_px=motion,
        shake_px=shake,
        vignetting=rng.uniform(0, 0.25),
        shot_noise=0.004 + 0.02 * gain,
        read_noise=0.0006 + 0.003 * gain,
        sharpening=rng.uniform(0.0, 0.6),
        contrast=rng.uniform(1.0, 1.25),
        saturation=rng.uniform(0.9, 1.25),
        jpeg_quality=int(rng.integers(60, 97)) if rng.random() < 0.6 else None,
        seed=int(rng.integers(2**31)),
    )


def grey(effects: CameraEffects) -> CameraEffects:
    """Return the effects of a camera without colour."""
    return replace(effects, saturation=0.0)


def infrared(
    rng: np.random.Generator, effects: CameraEffects, distance_m: float
) -> tuple[CameraEffects, Lighting]:
    """
    Return camera and light of an infrared camera with its own lamp.

    The lamp is right for a hand at ``distance_m``; everything is lit from the front.
    """
    environment = np.zeros((9, 3))
    environment[0] = rng.uniform(0.05, 0.4) / 0.282095
    beside = np.array([*rng.uniform(-0.15, 0.15, 2), -1.0])
    lighting = Lighting(
        environment=environment,
        key_direction=beside / np.linalg.norm(beside),
        key_irradiance=np.full(3, rng.uniform(1.5, 4.0)),
        key_radius=0.05,
    )
    effects = replace(
        effects,
        white_balance=np.ones((2, 3)),
        saturation=0.0,
        lamp_distance_m=distance_m * rng.uniform(0.8, 1.2),
    )
    return effects, lighting


def develop(
    views: tuple[RenderedView, RenderedView], effects: CameraEffects
) -> tuple[Image, Image]:
    """Return the left and right picture, (H, W, 3) uint8 RGB; both share one exposure."""
    exposed = [_expose(view, effects) for view in views]
    # A ZED exposes both sensors by the left image.
    gain = _automatic_exposure(exposed[0])
    curve = _tone_curve(effects.contrast)
    left, right = (
        _develop_one(light, gain * effects.exposure[eye], curve, effects, eye)
        for eye, light in enumerate(exposed)
    )
    return left, right


def _automatic_exposure(light: Floats) -> float:
    """Return the gain that makes the picture middle grey, less where its lights would burn out."""
    luminance = light[::2, ::2] @ _LUMINANCE
    by_mean = _MIDDLE_GREY / max(float(luminance.mean()), 1e-6)
    by_highlights = _HIGHLIGHT / max(float(np.percentile(luminance, 98)), 1e-6)
    return min(by_mean, by_highlights)


def _expose(view: RenderedView, effects: CameraEffects) -> Floats:
    """Return the light on the sensor: both layers joined, blurred by motion and lens."""
    foreground, background = view.foreground, view.background
    if effects.lamp_distance_m is not None:
        # Pixels at an outline belong to what is in front, whatever their centre sees.
        near = np.asarray(cv2.erode(view.depth, np.ones((3, 3), np.uint8)), dtype=np.float32)
        lit = [_falloff(near, effects.lamp_distance_m)] * 3
        foreground = foreground * np.stack([*lit, np.ones_like(near)], axis=-1)
        background = background * _falloff(view.depth, effects.lamp_distance_m)[..., None]
    foreground = _motion_blur(foreground, effects.motion_px)
    light = np.empty_like(background)
    join_layers(foreground, background, light)
    light = _motion_blur(light, effects.shake_px)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), effects.blur_sigma), dtype=np.float32)


def _falloff(depth: Floats, distance: float) -> Floats:
    """Return how much of a lamp's light arrives at ``depth`` (H, W), 1 at ``distance``."""
    ratio = distance / np.maximum(depth, 0.3 * distance)
    return np.asarray(np.maximum(ratio * ratio, _LEAST_LIGHT), dtype=np.float32)


def _motion_blur(image: Floats, path: NDArray[np.float64]) -> Floats:
    """Average along a straight path of (x, y) pixels."""
    length = float(np.hypot(*path))
    if length < 0.7:
        return image
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    end = np.round(path / 2 * 16).astype(int) + (half << 4)
    start = np.round(-path / 2 * 16).astype(int) + (half << 4)
    cv2.line(kernel, start.tolist(), end.tolist(), (1.0,), 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.float32)


def _develop_one(
    light: Floats, gain: float, curve: Floats, effects: CameraEffects, eye: int
) -> Image:
    height, width = light.shape[:2]
    rng = np.random.default_rng([effects.seed, eye])
    picture = np.empty_like(light)
    sense(
        light,
        np.float32(gain),
        _vignette(height, width, effects.vignetting),
        rng.standard_normal(light.shape, dtype=np.float32),
        np.float32(effects.read_noise**2),
        np.float32(effects.shot_noise**2),
        effects.white_balance[eye].astype(np.float32),
        curve,
        np.float32((_CURVE_STEPS - 1) / _CURVE_TOP),
        picture,
    )
    saturate(picture, picture @ _LUMINANCE, np.float32(effects.saturation))
    # Demosaicing has smoothed the noise of neighbours; sharpening brings edges back.
    soft = cv2.GaussianBlur(picture, (0, 0), 0.9)
    levels = np.empty(light.shape, dtype=np.uint8)
    sharpen(picture, soft, np.float32(effects.sharpening - 0.35), levels)
    return _jpeg(levels, effects.jpeg_quality)


def _tone_curve(contrast: float) -> Floats:
    """
    Return display values 0..1 of light from 0 to _CURVE_TOP.

    A soft shoulder, the sRGB curve, contrast about the middle.
    """
    x = np.linspace(0, _CURVE_TOP, _CURVE_STEPS, dtype=np.float32)
    shoulder = np.where(x < 0.6, x, 0.6 + 0.4 * (1 - np.exp(-(x - 0.6) / 0.4)))
    value = linear_to_srgb(shoulder)
    return np.clip(0.46 + contrast * (value - 0.46), 0, 1).astype(np.float32)


def _vignette(height: int, width: int, loss: float) -> Floats:
    y = ((np.arange(height) - (height - 1) / 2) / (height / 2))[:, None]
    x = ((np.arange(width) - (width - 1) / 2) / (width / 2))[None]
    radius2 = (x * x + y * y * (height / width) ** 2) / (1 + (height / width) ** 2)
    return np.asarray(1 - loss * radius2, dtype=np.float32)


def _jpeg(picture: Image, quality: int | None) -> Image:
    if quality is None:
        return picture
    encoded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), dtype=np.uint8)
