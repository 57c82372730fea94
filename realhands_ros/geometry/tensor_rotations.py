"""
Rotations as in rotations.py, on torch tensors: by a Rodrigues formula of our own.

Its gradient is finite everywhere, the zero rotation included.
"""

from __future__ import annotations

import torch

# Below this squared angle (0.01 rad) the series are exact to float64: the first term left out is
# angle^6 / 5040 = 2e-16.
_SMALL_SQUARED_ANGLE = 1e-4


def axis_angle_to_matrix_torch(axis_angle: torch.Tensor) -> torch.Tensor:
    """
    Return the matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians.

    Rodrigues: ``R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2`` with K the cross-product matrix of the
    vector and a its length. Values and gradients are exact at a = 0.
    """
    squared_angle = (axis_angle * axis_angle).sum(-1)
    is_small = squared_angle < _SMALL_SQUARED_ANGLE
    # The branch not taken must not see zero, or its NaN gradient would leak through where().
    angle = torch.where(is_small, torch.ones_like(squared_angle), squared_angle).sqrt()
    half_sine = torch.sin(0.5 * angle)
    sine_factor = torch.where(
        is_small, 1 - squared_angle / 6 + squared_angle**2 / 120, torch.sin(angle) / angle
    )
    cosine_factor = torch.where(
        is_small,
        0.5 - squared_angle / 24 + squared_angle**2 / 720,
        2 * (half_sine / angle) ** 2,
    )
    cross = _cross_product_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return (
        identity
        + sine_factor[..., None, None] * cross
        + cosine_factor[..., None, None] * (cross @ cross)
    )


def _cross_product_matrix(vectors: torch.Tensor) -> torch.Tensor:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    elements = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    return elements.reshape(*vectors.shape[:-1], 3, 3)
