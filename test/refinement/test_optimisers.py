from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.levenberg_marquardt import (
    LevenbergMarquardt,
    LevenbergMarquardtConfig,
)
from realhands_ros.refinement.optimiser import Deadline, Optimiser, OptimiserResult
from realhands_ros.refinement.view_set import ViewSet


def _energy(model, sample, config: EnergyConfig | None = None) -> Energy:
    views = ViewSet(sample.estimate.views)
    return Energy(model, views, config or EnergyConfig(), sample.estimate.parameters)


def _minimise(
    optimiser: Optimiser,
    energy: Energy,
    start: HandParameters,
    budget_ms: float | None = None,
) -> OptimiserResult:
    state = sharp_state(energy, energy.pose(start))
    return optimiser.minimise(energy, state, Deadline(budget_ms))


def test_gradient_descent_is_the_paper_s_update(model, sample):
    """Two steps by hand: V <- 0.9 V - 0.002 dE, for a block without units (pose)."""
    energy = _energy(model, sample, EnergyConfig.paper())
    start = sample.estimate.parameters
    config = GradientDescentConfig(iterations=1, sigma_end=1e-4)
    first = _minimise(GradientDescent(config), energy, start).parameters
    second = _minimise(GradientDescent(replace(config, iterations=2)), energy, start)
    _, gradient0 = energy.value_and_gradient(energy.pose(start), 1e-4)
    _, gradient1 = energy.value_and_gradient(energy.pose(first), 1e-4)
    step = -0.002 * gradient0.vector[:48]
    np.testing.assert_allclose(first.pose_aa - start.pose_aa, step, atol=1e-12)
    step = 0.9 * step - 0.002 * gradient1.vector[:48]
    moved = second.parameters.pose_aa - first.pose_aa
    np.testing.assert_allclose(moved, step, atol=1e-12)
    assert second.stopped_by == 'iterations'
    assert len(second.energies) == 2


def test_the_camera_s_step_is_in_weak_perspective_units(model, sample):
    """Twice as far away, a pixel is twice as many metres, and so is the step."""
    energy = _energy(model, sample, EnergyConfig.paper())
    start = sample.estimate.parameters
    descent = GradientDescent(GradientDescentConfig(iterations=1))
    moved = _minimise(descent, energy, start).parameters
    step_m = np.linalg.norm(moved.translation - start.translation)
    depth = energy.pose(start).vertices_depth[0].mean()
    camera = energy.views.cameras[0]
    ndc_per_metre = camera.intrinsics[0, 0] * energy.views.ndc_per_px / depth
    assert 1e-4 < step_m * ndc_per_metre < 0.1


@pytest.mark.parametrize('config', [EnergyConfig.paper(), EnergyConfig()])
def test_gradient_descent_gains_with_every_few_iterations(model, sampler, config):
    overlaps = np.zeros(4)
    for seed in range(6):
        sample = sampler.draw(seed)
        energy, start = _energy(model, sample, config), sample.estimate.parameters
        for index, iterations in enumerate((0, 3, 10, 15)):
            descent = GradientDescent(GradientDescentConfig(iterations=iterations))
            result = _minimise(descent, energy, start).parameters
            overlaps[index] += sampler.errors(sample, result).iou / 6
    assert (np.diff(overlaps) > 0.0).all()
    assert overlaps[-1] > overlaps[0] + 0.08


def test_the_second_order_optimiser_gets_further_in_three_iterations(model, sample, sampler):
    energy, start = _energy(model, sample), sample.estimate.parameters
    result = _minimise(LevenbergMarquardt(LevenbergMarquardtConfig()), energy, start)
    descent = _minimise(GradientDescent(GradientDescentConfig()), energy, start)
    assert all(np.diff(result.energies) < 0.0)
    better, worse = (
        sampler.errors(sample, parameters).iou
        for parameters in (result.parameters, descent.parameters)
    )
    assert better > worse + 0.05


def test_keypoints_alone_are_enough_to_go_on(model, sample, sampler):
    views = tuple(replace(view, target=None) for view in sample.estimate.views)
    blind = replace(sample, estimate=replace(sample.estimate, views=views))
    exact = EnergyConfig(keypoint_marks='exact', keypoint_scale=9.0)
    energy, start = _energy(model, blind, exact), sample.estimate.parameters
    for optimiser in (
        LevenbergMarquardt(LevenbergMarquardtConfig()),
        GradientDescent(GradientDescentConfig()),
    ):
        result = _minimise(optimiser, energy, start)
        before, after = (
            sampler.errors(sample, parameters) for parameters in (start, result.parameters)
        )
        assert after.iou > before.iou + 0.03


def test_a_budget_that_is_used_up_stops_both_optimisers(model, sample):
    energy, start = _energy(model, sample), sample.estimate.parameters
    for optimiser in (
        LevenbergMarquardt(LevenbergMarquardtConfig()),
        GradientDescent(GradientDescentConfig()),
    ):
        result = _minimise(optimiser, energy, start, 1e-3)
        assert result.stopped_by == 'budget'
        np.testing.assert_array_equal(result.parameters.vector, start.vector)


def test_a_deadline_leaves_room_for_the_longest_step():
    clock = Deadline(1e4)
    assert clock.step_fits()
    assert clock.elapsed_ms < 1e3
    assert not Deadline(0.0).step_fits()
    assert Deadline(None).step_fits()


def test_a_fit_that_cannot_improve_converges(model, sample):
    """From its own result, with nothing pulling back to the start."""
    energy = _energy(model, sample)
    optimiser = LevenbergMarquardt(LevenbergMarquardtConfig(iterations=60, offset_iterations=0))
    result = _minimise(optimiser, energy, sample.estimate.parameters)
    assert result.stopped_by == 'converged'
    again = optimiser.minimise(energy, result.state, Deadline(None))
    assert again.energies[-1] > 0.98 * again.energies[0]
