"""
The energy that the refinement minimises (paper, eq. 5 and 8, and terms beyond the paper).

    E = l1 L_sil + l2 L_v + l3 L_n + l4 L_lap + l5 L_e
      + keypoints + joint limits + shape prior + nearness to the start + nearness to the last frame

L_sil is in silhouette_term.py and L_e, L_lap, L_n in mesh_terms.py. L_v is the mean over vertices
of the squared offset, in units of LENGTH_UNIT_M.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_VERTICES
from realhands_ros.hand.fast_model import FastHandOutput
from realhands_ros.keypoints.keypoint_marks import (
    KeypointMarks,
    marks_matrix,
    marks_noise,
    world_marks_matrix,
)
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters
from realhands_ros.refinement.input_check import MIN_DEPTH_M
from realhands_ros.refinement.keypoint_noise import depth_behind, keypoint_precision
from realhands_ros.refinement.keypoint_term import KeypointTerm, keypoint_term
from realhands_ros.refinement.mesh_terms import LENGTH_UNIT_M
from realhands_ros.refinement.parameter_terms import (
    FINGERS,
    NUM_PARAMETERS,
    ROOT,
    SHAPE,
    TRANSLATION,
    ParameterTerms,
)
from realhands_ros.refinement.refinement_model import TIP_KEYPOINTS, TIP_VERTICES, RefinementModel
from realhands_ros.refinement.sharp_silhouette import draw_faces
from realhands_ros.refinement.silhouette_settings import Renderer
from realhands_ros.refinement.silhouette_term import SilhouetteTerm
from realhands_ros.refinement.view_set import ViewSet
from realhands_ros.refinement.world_term import WorldLandmarks, WorldTerm


@dataclass(frozen=True)
class EnergyConfig:
    """
    Weights of the energy's terms; zero switches a term off.

    The first five are the paper's l1..l5. ``keypoints`` weighs the squared distance to detected
    keypoints in their standard deviations, ``keypoint_scale`` of which are where it stops growing;
    ``keypoint_marks`` says who marked them, and thereby what their deviations are where they are
    seen, and ``hidden_noise`` what is added (shares of the hand) for each metre that they lie
    behind the hand's surface. ``world_landmarks`` and ``world_scale`` are the same for the
    detector's own 3D guess. ``joint_limits`` is per squared radian beyond a limit,
    ``shape_prior`` per squared shape coefficient. ``start_...`` hold parameters near those that
    came in and ``last_...`` near those of the last frame, where there is one: per squared radian
    of a finger joint or the root, per squared LENGTH_UNIT_M of translation. In two
    views ``shape_prior`` counts half, because what they observe is a mean over them, and
    ``start_...`` the share ``start_in_stereo``: two views measure what the network guesses.
    ``weigh_by_confidence`` counts a pixel of target probability t by |2 t - 1|. ``renderer`` draws
    the soft silhouettes (SoftSilhouette).
    """

    silhouette: float = 1.0
    vertex_offsets: float = 1.0
    normal_consistency: float = 1.0
    laplacian: float = 1.0
    edge_length: float = 0.1
    keypoints: float = 0.015
    keypoint_marks: KeypointMarks = 'mediapipe'
    keypoint_scale: float = 2.5
    hidden_noise: float = 2.0
    world_landmarks: float = 0.0
    world_scale: float = 3.0
    joint_limits: float = 0.2
    shape_prior: float = 1e-3
    start_fingers: float = 0.1
    start_root: float = 0.05
    start_translation: float = 0.003
    start_in_stereo: float = 0.4
    last_fingers: float = 0.0
    last_root: float = 0.0
    last_translation: float = 0.0
    weigh_by_confidence: bool = True
    renderer: Renderer = 'auto'

    @classmethod
    def for_exact_keypoints(cls) -> EnergyConfig:
        """
        Return weights for keypoints that are better than the mesh that comes in.

        Say, errors of 1.5 % of the hand. The defaults are for MediaPipe's keypoints and the
        network's meshes: there, this trust costs accuracy.
        """
        return cls(
            # The noise of exact keypoints is one number, so this is 20 a squared NDC of theirs.
            keypoints=0.01,
            keypoint_marks='exact',
            keypoint_scale=9.0,
            hidden_noise=0.0,
            world_landmarks=0.0,
            start_fingers=0.01,
            start_root=0.005,
            start_translation=0.05,
            weigh_by_confidence=False,
        )

    @classmethod
    def paper(cls) -> EnergyConfig:
        """Return the paper's energy (eq. 5), without terms of our own."""
        return cls(
            keypoints=0.0,
            world_landmarks=0.0,
            joint_limits=0.0,
            shape_prior=0.0,
            start_fingers=0.0,
            start_root=0.0,
            start_translation=0.0,
            weigh_by_confidence=False,
        )


@dataclass(frozen=True, eq=False)
class PosedHand:
    """
    The hand at some parameters, in the rig's frame and in every view.

    ``vertices`` (778, 3) with offsets, ``keypoints`` (21, 3), metres; their projections
    ``vertices_px`` (B, 778, 2) and ``keypoints_px`` (B, 21, 2), with depths (B, ...) in metres.
    The projected keypoints are those that a detector would mark (keypoints/keypoint_marks.py).
    """

    parameters: HandParameters
    output: FastHandOutput
    vertices: FloatArray
    keypoints: FloatArray
    vertices_px: FloatArray
    vertices_depth: FloatArray
    keypoints_px: FloatArray
    keypoints_depth: FloatArray

    @property
    def is_before_cameras(self) -> bool:
        """Return whether all of the mesh is at a depth that can be projected."""
        return bool(self.vertices_depth.min() > MIN_DEPTH_M)


@dataclass(frozen=True, eq=False)
class EnergyGradient:
    """Derivatives of the energy by pose, shape and translation (61,) and by offsets (778, 3)."""

    vector: FloatArray
    vertex_offsets: FloatArray


class Energy:
    """
    The energy of one hand in its views.

    ``start`` are the parameters that came in and ``last`` those of the last frame, if there is
    one. The attribute ``start`` is the hand at the first, whose mesh says which keypoints it
    hides.
    """

    def __init__(
        self,
        model: RefinementModel,
        views: ViewSet,
        config: EnergyConfig,
        start: HandParameters,
        last: HandParameters | None = None,
    ) -> None:
        self.model = model
        self.views = views
        self.config = config
        self.marks = marks_matrix(config.keypoint_marks)
        self.parameter_terms = _parameter_terms(
            model, config, start, last, observed=_observing_views(views)
        )
        self.start = self.pose(start)
        self.start_face_ids = _drawn(self.start, model, views)
        self.precision = self._precision()
        self.world = WorldLandmarks(views, views.world_landmarks, _world_marks(config))
        self.silhouettes = SilhouetteTerm(
            model.faces,
            views,
            config.silhouette,
            weigh_by_confidence=config.weigh_by_confidence,
            renderer=config.renderer,
        )

    def pose(self, parameters: HandParameters, output: FastHandOutput | None = None) -> PosedHand:
        """Pose the hand, unless the layer's ``output`` is known, and project it into all views."""
        output, vertices, keypoints = self.model.pose(parameters, output)
        return PosedHand(
            parameters,
            output,
            vertices,
            keypoints,
            *self.views.project(vertices),
            *self.views.project(self.marks @ keypoints),
        )

    def _precision(self) -> FloatArray:
        """Return how precise the detected keypoints are (B, 21), 1/NDC, if the start is right."""
        start, config = self.start, self.config
        behind = depth_behind(
            self.start_face_ids, self.model.faces, start.vertices_depth, start.keypoints_px,
            start.keypoints_depth,
        )  # fmt: skip
        noise = marks_noise(config.keypoint_marks)
        return keypoint_precision(self.views, noise, config.hidden_noise, behind)

    def drawn(self, posed: PosedHand) -> tuple[NDArray[np.int32], ...]:
        """Return the triangles (H, W) that the pixels of each view see, NO_FACE where none."""
        if posed is self.start:
            return self.start_face_ids
        return _drawn(posed, self.model, self.views)

    def value(self, posed: PosedHand, sigma: float) -> float:
        """Return the energy with silhouettes of softness ``sigma`` (NDC squared)."""
        value, _ = self._silhouettes(posed, sigma, with_gradient=False)
        return value + self.value_without_silhouettes(posed)

    def value_without_silhouettes(self, posed: PosedHand) -> float:
        """Return all terms of the energy but the silhouettes."""
        keypoints = self.config.keypoints * self.keypoint_term(posed).value
        if self.has_world_landmarks:
            keypoints += self.config.world_landmarks * self.world_term(posed).value
        parameters = self.parameter_terms.value(posed.parameters.vector)
        return keypoints + self._mesh(posed, None) + parameters

    def value_and_gradient(self, posed: PosedHand, sigma: float) -> tuple[float, EnergyGradient]:
        """Return the energy with silhouettes of softness ``sigma``, and its derivatives."""
        silhouette, by_silhouette = self._silhouettes(posed, sigma, with_gradient=True)
        by_vertices = by_silhouette
        mesh = self._mesh(posed, by_vertices)
        keypoints, by_keypoints = self._keypoints(posed)
        if self.has_world_landmarks:
            world, weight = self.world_term(posed), self.config.world_landmarks
            keypoints += weight * world.value
            by_keypoints = by_keypoints + weight * world.gradient
        parameters, by_vector, _ = self.parameter_terms.derivatives(posed.parameters.vector)
        by_model = self.model.hand.vjp(posed.output, by_vertices, by_keypoints)
        by_vector += np.concatenate([by_model.pose_aa, by_model.shape, by_model.translation])
        by_offsets = 2.0 * self._offset_weight * posed.parameters.vertex_offsets + by_vertices
        by_offsets[TIP_VERTICES] += by_keypoints[TIP_KEYPOINTS]
        value = silhouette + mesh + keypoints + parameters
        return value, EnergyGradient(by_vector, by_offsets)

    @property
    def has_keypoints(self) -> bool:
        """Return whether keypoints were detected and count."""
        return bool(self.config.keypoints > 0.0 and self.views.keypoint_weights.any())

    @property
    def has_world_landmarks(self) -> bool:
        """Return whether there are world landmarks and they count."""
        return bool(self.config.world_landmarks > 0.0 and self.world)

    def world_term(self, posed: PosedHand) -> WorldTerm:
        """Return the term of the world landmarks, not weighted."""
        return self.world.term(posed.keypoints, self.config.world_scale)

    @property
    def has_silhouettes(self) -> bool:
        """Return whether there are target masks and they count."""
        return bool(self.config.silhouette > 0.0 and self.views.has_target.any())

    def keypoint_term(self, posed: PosedHand, scale: float | None = None) -> KeypointTerm:
        """Return the keypoint term, not weighted; ``scale`` (NDC) as configured, or another."""
        return keypoint_term(
            posed.keypoints_px, self.views, self.precision, scale or self.config.keypoint_scale
        )

    def _silhouettes(
        self, posed: PosedHand, sigma: float, *, with_gradient: bool
    ) -> tuple[float, FloatArray]:
        """Return l1 L_sil and its derivatives by the vertices (778, 3), zeros if not wanted."""
        value, gradient_px = self.silhouettes.evaluate(
            posed.vertices_px, sigma, with_gradient=with_gradient
        )
        if gradient_px is None:
            return value, np.zeros_like(posed.vertices)
        return value, self.views.pull_back(gradient_px, posed.vertices_px, posed.vertices_depth)

    def _keypoints(self, posed: PosedHand) -> tuple[float, FloatArray]:
        """Return the keypoint term and its derivatives by the keypoints (21, 3)."""
        weight, term = self.config.keypoints, self.keypoint_term(posed)
        gradient = self.views.pull_back(
            weight * term.gradient_px, posed.keypoints_px, posed.keypoints_depth
        )
        return weight * term.value, self.marks.T @ gradient

    @property
    def _offset_weight(self) -> float:
        """Return what a squared metre of one vertex's offset counts."""
        return self.config.vertex_offsets / (NUM_VERTICES * LENGTH_UNIT_M**2)

    def _mesh(self, posed: PosedHand, by_vertices: FloatArray | None) -> float:
        """Return l2 L_v + ... + l5 L_e; add the derivatives of all but L_v, if wanted."""
        config, terms = self.config, self.model.mesh_terms
        value = terms.normal_consistency(posed.vertices, config.normal_consistency, by_vertices)
        value += terms.laplacian(posed.vertices, config.laplacian, by_vertices)
        value += terms.edge_length(posed.vertices, config.edge_length, by_vertices)
        offsets = posed.parameters.vertex_offsets
        return value + self._offset_weight * float(np.vdot(offsets, offsets))


def _world_marks(config: EnergyConfig) -> FloatArray:
    """Return the matrix (21, 21) from the model's keypoints to the detector's world landmarks."""
    if config.keypoint_marks == 'mediapipe':
        return world_marks_matrix()
    return marks_matrix(config.keypoint_marks)


def _drawn(
    posed: PosedHand, model: RefinementModel, views: ViewSet
) -> tuple[NDArray[np.int32], ...]:
    return tuple(
        draw_faces(pixels, depth, model.faces, views.height, views.width)
        for pixels, depth in zip(posed.vertices_px, posed.vertices_depth, strict=True)
    )


def _observing_views(views: ViewSet) -> int:
    """Return how many views have keypoints or a mask, at least one."""
    return max(int((views.has_target | views.keypoint_weights.any(axis=1)).sum()), 1)


def _parameter_terms(
    model: RefinementModel,
    config: EnergyConfig,
    start: HandParameters,
    last: HandParameters | None,
    *,
    observed: int,
) -> ParameterTerms:
    length = LENGTH_UNIT_M**2
    near_start = _weights(
        fingers=config.start_fingers,
        root=config.start_root,
        translation=config.start_translation / length,
    )
    # What is observed is a mean over the views, and two of them know twice as much.
    prior = _weights(shape=config.shape_prior) / observed
    weights = [prior, near_start * (config.start_in_stereo if observed > 1 else 1.0)]
    centres = [np.zeros(NUM_PARAMETERS), start.vector]
    if last is not None:
        near_last = _weights(
            fingers=config.last_fingers,
            root=config.last_root,
            translation=config.last_translation / length,
        )
        weights.append(near_last)
        centres.append(last.vector)
    return ParameterTerms(
        model.skeleton, config.joint_limits, np.stack(weights), np.stack(centres)
    )


def _weights(
    *, fingers: float = 0.0, root: float = 0.0, shape: float = 0.0, translation: float = 0.0
) -> FloatArray:
    weights = np.zeros(NUM_PARAMETERS)
    weights[FINGERS], weights[ROOT] = fingers, root
    weights[SHAPE], weights[TRANSLATION] = shape, translation
    return weights
