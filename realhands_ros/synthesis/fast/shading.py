"""
Light on surfaces: an environment in spherical harmonics and one key light, on skin and the rest.

Skin is an approximation of subsurface scattering: light wraps around the terminator by channel
(red farthest), fine relief shows less in red (Penner, "Pre-integrated skin shading", 2011), and
shadows and crevices are redder than on paper (Jimenez et al., "Practical real-time strategies for
accurate indirect occlusion", 2016, for the colour of crevices).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from realhands_ros.synthesis.fast.geometry_buffer import Surface
from realhands_ros.synthesis.harmonics import BANDS, sh_basis
from realhands_ros.synthesis.scene import Lighting

# Cosine lobe over pi in bands 0, 1, 2 (Ramamoorthi and Hanrahan, 2001).
COSINE_LOBE = (1.0, 2.0 / 3.0, 0.25)

# Of red, green and blue on skin: how far light wraps past the terminator, how much of the normal
# comes from the surface without fine relief, and the exponent on the shadow.
WRAP = (0.20, 0.08, 0.05)
SMOOTHING = (0.70, 0.40, 0.25)
SHADOW_EXPONENT = (0.70, 0.98, 1.05)
# What a rough surface keeps of its reflectance at grazing angles.
GRAZING = 0.4
# How much of each further band of the environment a glossy reflection keeps.
AMBIENT_DAMPING = 0.8


def shade(
    surface: Surface, lighting: Lighting, lit: torch.Tensor, viewer: NDArray[np.float64]
) -> torch.Tensor:
    """
    Return the radiance (N, 3) that ``surface`` sends to the viewer.

    ``lit`` (N, 1) is the share of the key light that is not in shadow; ``viewer`` (3,) the
    camera's centre in the rig's frame.
    """
    device = surface.position.device
    to_light = torch.as_tensor(lighting.key_direction, dtype=torch.float32, device=device)
    irradiance = torch.as_tensor(lighting.key_irradiance, dtype=torch.float32, device=device)
    environment = torch.as_tensor(lighting.environment, dtype=torch.float32, device=device)
    eye = torch.as_tensor(viewer, dtype=torch.float32, device=device)
    to_viewer = functional.normalize(eye - surface.position, dim=1)
    diffuse = _ambient(surface, environment) + _key_diffuse(surface, to_light, lit) * (
        irradiance / math.pi
    )
    glossy = _key_specular(surface, to_light, to_viewer, lit, lighting.key_radius) * irradiance
    glossy = glossy + _ambient_specular(surface, environment, to_viewer)
    lit_colour = surface.albedo * diffuse + glossy
    return torch.where(surface.emissive > 0, surface.albedo, lit_colour)


def _ambient(surface: Surface, environment: torch.Tensor) -> torch.Tensor:
    """Return irradiance over pi from the environment, dimmed and reddened in crevices."""
    scale = torch.tensor([COSINE_LOBE[band] for band in BANDS], device=environment.device)
    light = (sh_basis(surface.normal) @ (environment * scale[:, None])).clamp(min=0)
    visible, albedo = surface.visibility, surface.albedo
    a = 2.0404 * albedo - 0.3324
    b = -4.7951 * albedo + 0.6417
    c = 2.7552 * albedo + 0.6903
    with_bounces = torch.maximum(visible, ((visible * a + b) * visible + c) * visible)
    return light * with_bounces


def _key_diffuse(surface: Surface, to_light: torch.Tensor, lit: torch.Tensor) -> torch.Tensor:
    """Return the cosine of the key light's incidence, wrapped on skin, times its visibility."""

    def on_skin(values: tuple[float, float, float]) -> torch.Tensor:
        return torch.tensor(values, device=lit.device) * surface.subsurface

    smoothing, wrap = on_skin(SMOOTHING), on_skin(WRAP)
    fine = (surface.normal @ to_light)[:, None]
    coarse = (surface.smooth_normal @ to_light)[:, None]
    cosine = fine + smoothing * (coarse - fine)
    wrapped = ((cosine + wrap) / (1 + wrap) ** 2).clamp(min=0)
    exponent = 1 + on_skin(tuple(e - 1 for e in SHADOW_EXPONENT))  # type: ignore[arg-type]
    return wrapped * lit**exponent


def _key_specular(
    surface: Surface,
    to_light: torch.Tensor,
    to_viewer: torch.Tensor,
    lit: torch.Tensor,
    light_radius: float,
) -> torch.Tensor:
    """Return the GGX reflection of the key light (N, 1); a large light widens the highlight."""
    half = functional.normalize(to_light + to_viewer, dim=1)
    n_l = (surface.normal @ to_light)[:, None].clamp(min=0)
    n_v = (surface.normal * to_viewer).sum(1, keepdim=True).clamp(min=0.05)
    n_h = (surface.normal * half).sum(1, keepdim=True).clamp(min=0)
    v_h = (to_viewer * half).sum(1, keepdim=True).clamp(min=0)
    alpha = (surface.roughness**2 + 0.5 * light_radius).clamp(max=1.0)
    alpha2 = alpha * alpha
    lobe = alpha2 / (math.pi * (n_h * n_h * (alpha2 - 1) + 1) ** 2)
    masking = 1.0 / (n_l + n_v + 1e-4) / (2 - alpha).clamp(min=1.0)
    fresnel = surface.specular + (1 - surface.specular) * (1 - v_h) ** 5
    return lobe * masking * fresnel * n_l * lit


def _ambient_specular(
    surface: Surface, environment: torch.Tensor, to_viewer: torch.Tensor
) -> torch.Tensor:
    n_v = (surface.normal * to_viewer).sum(1, keepdim=True).clamp(min=0)
    mirrored = functional.normalize(2 * n_v * surface.normal - to_viewer, dim=1)
    damping = torch.tensor([AMBIENT_DAMPING**band for band in BANDS], device=environment.device)
    light = (sh_basis(mirrored) @ (environment * damping[:, None])).clamp(min=0)
    grazing = GRAZING * torch.maximum(1 - surface.roughness, surface.specular)
    fresnel = surface.specular + (grazing - surface.specular).clamp(min=0) * (1 - n_v) ** 5
    return light * fresnel * surface.visibility**2
