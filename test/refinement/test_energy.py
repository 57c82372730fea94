from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from benchmarks.common.refinement_samples import RefinementSample, RefinementSampler
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.layer import HandModel
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.mesh_terms import LENGTH_UNIT_M
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.silhouette_settings import SilhouetteSettings
from realhands_ros.refinement.soft_silhouette_reference import soft_silhouette_reference
from realhands_ros.refinement.view_set import ViewSet

# What is no weight of a term.
SETTINGS = ('keypoint_scale', 'hidden_noise', 'world_scale', 'start_in_stereo')
NOTHING = EnergyConfig(
    **{
        field.name: 0.0
        for field in fields(EnergyConfig)
        if isinstance(field.default, float) and field.name not in SETTINGS
    }
)
SIGMA = 1e-4


@pytest.fixture(scope='module')
def precise_model(hand_data) -> RefinementModel:
    """A model in double precision, so that finite differences mean something."""
    model = RefinementModel(hand_data)
    model.hand = FastHandModel(hand_data, dtype=np.float64)
    return model


@pytest.fixture(scope='module')
def parameters(sample: RefinementSample) -> HandParameters:
    """Bent beyond its limits, with offsets: no term is at its minimum."""
    rng = np.random.default_rng(0)
    start = sample.estimate.parameters
    vector = start.vector + 0.2 * rng.normal(size=61) * ([1.0] * 58 + [0.02] * 3)
    vector[3:48] += 0.5
    offsets = rng.normal(scale=1e-3, size=start.vertex_offsets.shape)
    return replace(start.with_vector(vector), vertex_offsets=offsets)


def _energy(model: RefinementModel, sample: RefinementSample, config: EnergyConfig) -> Energy:
    last = sample.truth
    start = sample.estimate.parameters
    views = [
        replace(view, world_landmarks=_guess(model, sample, seed))
        for seed, view in enumerate(sample.estimate.views)
    ]
    return Energy(model, ViewSet(views), config, start, last)


def _guess(model: RefinementModel, sample: RefinementSample, seed: int) -> np.ndarray:
    """What a detector might think of the hand in 3D, for a view that is not turned."""
    keypoints = model.pose(sample.truth)[2]
    noise = np.random.default_rng(seed).normal(scale=0.01, size=(21, 3))
    return 0.8 * (keypoints - keypoints[0]) + noise


@pytest.mark.parametrize(
    'term',
    [
        'vertex_offsets', 'normal_consistency', 'laplacian', 'edge_length', 'keypoints',
        'world_landmarks', 'joint_limits', 'shape_prior', 'start_fingers', 'start_root',
        'start_translation', 'last_fingers', 'last_root', 'last_translation',
    ],
)  # fmt: skip
def test_each_term_agrees_with_finite_differences(precise_model, sample, parameters, term):
    energy = _energy(precise_model, sample, replace(NOTHING, **{term: 2.0}))
    value, gradient = energy.value_and_gradient(energy.pose(parameters), SIGMA)
    assert value > 0.0
    rng = np.random.default_rng(1)
    for _ in range(3):
        vector = rng.normal(size=61) * ([1.0] * 58 + [0.1] * 3)
        offsets = 0.01 * rng.normal(size=(778, 3))
        values = []
        for step in (1e-6, -1e-6):
            moved = replace(
                parameters.with_vector(parameters.vector + step * vector),
                vertex_offsets=parameters.vertex_offsets + step * offsets,
            )
            values.append(energy.value(energy.pose(moved), SIGMA))
        expected = (values[0] - values[1]) / 2e-6
        found = gradient.vector @ vector + np.vdot(gradient.vertex_offsets, offsets)
        assert found == pytest.approx(expected, rel=1e-3)


def test_the_silhouette_term_agrees_with_autograd_of_the_reference(
    precise_model, hand_data, parameters
):
    """Through dense reference, projection and the torch layer, back to all parameters."""
    sample = RefinementSampler(hand_data, size=48).draw(3)
    energy = _energy(precise_model, sample, replace(NOTHING, silhouette=1.0))
    value, gradient = energy.value_and_gradient(energy.pose(parameters), SIGMA)
    leaves = [
        torch.tensor(array[None], requires_grad=True)
        for array in (
            parameters.pose_aa, parameters.shape, parameters.translation,
            parameters.vertex_offsets,
        )
    ]  # fmt: skip
    layer = HandModel(precise_model.hand.data, dtype=torch.float64)
    expected = _silhouette_energy(layer(leaves[0], leaves[1], leaves[2], leaves[3]), sample)
    expected.backward()
    by_vector = np.concatenate([leaf.grad[0].numpy() for leaf in leaves[:3]])
    by_offsets = leaves[3].grad[0].numpy()
    assert value == pytest.approx(expected.item(), rel=1e-4)
    for found, wanted in ((gradient.vector, by_vector), (gradient.vertex_offsets, by_offsets)):
        assert np.linalg.norm(found - wanted) < 1e-3 * np.linalg.norm(wanted)


def _silhouette_energy(output, sample: RefinementSample) -> torch.Tensor:
    faces = torch.as_tensor(HandModel.load().faces)
    total = torch.zeros((), dtype=torch.float64)
    for view in sample.estimate.views:
        camera = view.camera
        points = output.vertices @ torch.tensor(camera.rotation).T + torch.tensor(
            camera.translation
        )
        pixels = points @ torch.tensor(camera.intrinsics).T
        pixels = pixels[..., :2] / pixels[..., 2:]
        settings = SilhouetteSettings(camera.height, camera.width, SIGMA)
        target = torch.tensor(view.target.astype(np.float64))
        error = soft_silhouette_reference(pixels, faces, settings)[0] - target
        total = total + error.square().sum() / target.sum() / len(sample.estimate.views)
    return total


def test_the_value_is_the_sum_of_the_terms(model, sample, parameters):
    config = replace(EnergyConfig(), last_fingers=0.1)
    whole = _energy(model, sample, config)
    total = whole.value(whole.pose(parameters), SIGMA)
    terms = [
        field.name
        for field in fields(config)
        if getattr(NOTHING, field.name) == 0.0 and field.name not in SETTINGS
    ]
    parts = 0.0
    for name in terms:
        if isinstance(getattr(config, name), float):
            alone = replace(NOTHING, **{name: getattr(config, name)})
            alone = replace(alone, **{name: getattr(config, name) for name in SETTINGS})
            energy = _energy(model, sample, alone)
            parts += energy.value(energy.pose(parameters), SIGMA)
    assert total == pytest.approx(parts, rel=1e-5)
    value, _ = whole.value_and_gradient(whole.pose(parameters), SIGMA)
    assert value == pytest.approx(total, rel=1e-6)


def test_a_known_output_of_the_layer_is_not_calculated_again(model, sample, parameters):
    energy = _energy(model, sample, EnergyConfig())
    whole = energy.pose(parameters)
    bare = replace(parameters, vertex_offsets=np.zeros((778, 3)))
    again = energy.pose(parameters, energy.pose(bare).output)
    for name in ('vertices', 'keypoints', 'vertices_px', 'keypoints_px', 'vertices_depth'):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_the_silhouette_term_means_the_same_at_any_resolution(hand_data, model):
    values = []
    for size in (112, 224):
        same = RefinementSampler(hand_data, size=size).draw(3)
        energy = _energy(model, same, replace(NOTHING, silhouette=1.0))
        values.append(energy.value(energy.pose(same.estimate.parameters), SIGMA))
    assert values[0] == pytest.approx(values[1], rel=0.03)


def test_other_renderers_give_the_same(model, sample, parameters):
    config = replace(NOTHING, silhouette=1.0)
    results = []
    for renderer in ('auto', 'torch'):
        energy = _energy(model, sample, replace(config, renderer=renderer))
        posed = energy.pose(parameters)
        value, gradient = energy.value_and_gradient(posed, SIGMA)
        assert energy.value(posed, SIGMA) == pytest.approx(value, rel=1e-6)
        results.append((value, gradient.vector))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    difference = np.linalg.norm(results[0][1] - results[1][1])
    assert difference < 1e-3 * np.linalg.norm(results[1][1])


def test_outlying_and_unsure_keypoints_pull_less(model, sample):
    energy = _energy(model, sample, replace(NOTHING, keypoints=1.0))
    posed = energy.pose(sample.truth)
    views = energy.views
    views.keypoints_px[:] = posed.keypoints_px
    views.keypoints_px[0, 4] += [3.0, 0.0]
    views.keypoints_px[0, 8] += [60.0, 0.0]
    views.keypoints_px[0, 12] += [3.0, 0.0]
    views.keypoint_weights[:] = 1.0
    views.keypoint_weights[0, 12] = 0.1
    energy.precision[:] = energy.precision[0, 4]
    pull = np.abs(energy.keypoint_term(posed).gradient_px[0, :, 0])
    assert 0.0 < pull[8] < pull[4]
    assert pull[12] == pytest.approx(0.1 * pull[4], rel=1e-6)
    assert pull[0] == pytest.approx(0.0, abs=1e-12)


def test_confidence_weighting_ignores_undecided_pixels(model, sample):
    views = tuple(
        replace(view, target=np.where(view.target > 0.5, 1.0, 0.5))
        for view in sample.estimate.views
    )
    undecided = replace(sample, estimate=replace(sample.estimate, views=views))
    config = replace(NOTHING, silhouette=1.0, weigh_by_confidence=True)
    energy = _energy(model, undecided, config)
    missed = energy.value(energy.pose(sample.estimate.parameters), SIGMA)
    plain = _energy(model, undecided, replace(config, weigh_by_confidence=False))
    assert missed < 0.8 * plain.value(plain.pose(sample.estimate.parameters), SIGMA)


def test_the_paper_s_energy_has_no_other_terms():
    paper = EnergyConfig.paper()
    assert (paper.silhouette, paper.vertex_offsets, paper.normal_consistency) == (1.0, 1.0, 1.0)
    assert (paper.laplacian, paper.edge_length) == (1.0, 0.1)
    others = replace(
        paper, silhouette=0.0, vertex_offsets=0.0, normal_consistency=0.0, laplacian=0.0,
        edge_length=0.0,
    )  # fmt: skip
    nothing = replace(NOTHING, weigh_by_confidence=False)
    assert others == nothing
    assert LENGTH_UNIT_M == 0.1
