"""
The silhouette term of the energy (paper, L_sil, eq. 8) with its derivatives by projected vertices.

Per view, the squared difference between rendered silhouette and target, summed over pixels and
divided by the number of hand pixels of the target; of that the mean over views. So it is about the
share of the hand that is wrong, whatever the resolution and however tight the crop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realhands_ros.refinement import soft_silhouette_cpu
from realhands_ros.refinement.hand_estimate import FloatArray, FloatImage
from realhands_ros.refinement.mesh_terms import IntArray
from realhands_ros.refinement.silhouette_settings import Renderer, SilhouetteSettings
from realhands_ros.refinement.view_set import ViewSet

# A target smaller than this share of the crop is no hand to divide by.
_MIN_TARGET_SHARE = 0.01


class SilhouetteValue(NamedTuple):
    """The term and, if wanted, its derivatives by the projected vertices (B, 778, 2)."""

    value: float
    gradient_px: FloatArray | None


class SilhouetteTerm:
    """
    The silhouette term for the targets of some views, times ``weight``.

    ``pixel_weights`` (B, H, W) are what the squared error of each pixel counts. With
    ``weigh_by_confidence`` a target of probability t counts ``|2 t - 1|``. ``renderer`` as in
    SoftSilhouette; 'auto' is the compiled one.
    """

    def __init__(
        self,
        faces: IntArray,
        views: ViewSet,
        weight: float,
        *,
        weigh_by_confidence: bool,
        renderer: Renderer,
    ) -> None:
        self.pixel_weights = _pixel_weights(views, weight, weigh_by_confidence)
        self._faces = faces
        self._views = views
        self._renderer = renderer

    def evaluate(
        self, vertices_px: FloatArray, sigma: float, *, with_gradient: bool
    ) -> SilhouetteValue:
        """Return the term at projected vertices (B, 778, 2), for silhouettes of one softness."""
        settings = SilhouetteSettings(self._views.height, self._views.width, sigma)
        vertices = np.ascontiguousarray(vertices_px, dtype=np.float32)
        if self._renderer in ('auto', 'cpu'):
            return self._compiled(vertices, settings, with_gradient)
        return self._by_autograd(vertices, settings, with_gradient)

    def _compiled(
        self, vertices: FloatImage, settings: SilhouetteSettings, with_gradient: bool
    ) -> SilhouetteValue:
        scene = vertices, self._faces, settings
        silhouettes, transmittance = soft_silhouette_cpu.render(*scene)
        residual = silhouettes - self._views.targets
        weighted = self.pixel_weights * residual
        value = float(np.vdot(weighted, residual))
        if not with_gradient:
            return SilhouetteValue(value, None)
        gradient_px = soft_silhouette_cpu.backward(*scene, transmittance, 2.0 * weighted)
        return SilhouetteValue(value, gradient_px.astype(np.float64))

    def _by_autograd(
        self, vertices: FloatImage, settings: SilhouetteSettings, with_gradient: bool
    ) -> SilhouetteValue:
        # The compiled renderer does without: a node that uses it starts a second sooner.
        import torch

        from realhands_ros.refinement.soft_silhouette import SoftSilhouette

        leaf = torch.from_numpy(vertices).requires_grad_(with_gradient)
        render = SoftSilhouette(torch.from_numpy(self._faces), settings, renderer=self._renderer)
        residual = render(leaf) - torch.from_numpy(self._views.targets)
        value = (torch.from_numpy(self.pixel_weights) * residual * residual).sum()
        if not with_gradient:
            return SilhouetteValue(float(value), None)
        (gradient_px,) = torch.autograd.grad(value, leaf)
        return SilhouetteValue(value.item(), gradient_px.double().numpy())


def _pixel_weights(views: ViewSet, weight: float, weigh_by_confidence: bool) -> FloatImage:
    targets = views.targets
    area = np.maximum(targets.sum(axis=(1, 2)), _MIN_TARGET_SHARE * views.height * views.width)
    per_view = weight * views.has_target / (area * max(int(views.has_target.sum()), 1))
    weights = np.broadcast_to(per_view[:, None, None].astype(np.float32), targets.shape)
    if weigh_by_confidence:
        weights = weights * np.abs(2.0 * targets - 1.0)
    return np.ascontiguousarray(weights, dtype=np.float32)
