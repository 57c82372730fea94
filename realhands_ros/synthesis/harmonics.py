"""Real spherical harmonics up to order 2, the basis of the soft environment light."""

from __future__ import annotations

import torch

# Band of each of the nine functions.
BANDS = (0, 1, 1, 1, 2, 2, 2, 2, 2)


def sh_basis(directions: torch.Tensor) -> torch.Tensor:
    """Return the nine functions at unit directions (N, 3), (N, 9)."""
    x, y, z = directions.unbind(1)
    return torch.stack(
        [
            torch.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        dim=1,
    )
