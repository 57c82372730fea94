"""
Compiled kernels of FastHandModel: one hand, forward and derivatives in closed form.

They stay in one file because numba's cache on disk only notices changes of a kernel's own file.

Notation, for joint j with parent p: R local rotation, G = G_p R global rotation, r rest position,
q = q_p + G_p (r - r_p) posed position. A vertex with blended rest position v and skin weights w_j
ends at ``sum_j w_j (G_j (v - r_j) + q_j) = B v + b``, with B and b its blended transform. The 145
blend directions are the 10 shape directions, then those of the 135 elements of R - I of joints
1..15. What belongs to joints is float64, what belongs to vertices has the model's own type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_JOINTS,
    NUM_POSE,
    NUM_SHAPE,
    TIP_VERTEX_IDS,
)

Array = NDArray[Any]
Function = TypeVar('Function', bound=Callable[..., Any])

NUM_PARAMETERS = NUM_POSE + NUM_SHAPE + 3

_PARENTS = np.array(JOINT_PARENTS)
_TIPS = np.array([TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES])
_KEYPOINT_SOURCES = np.array(KEYPOINTS_FROM_JOINTS_AND_TIPS)

# Below this angle (radians) the closed forms cancel while the series are exact to float64: the
# first term left out is angle^10 / 11! = 3e-18.
_SMALL_ANGLE = 0.1


class ModelArrays(NamedTuple):
    """
    The hand model as the kernels read it.

    template (2334,), directions (145, 2334); joint_template (16, 3), joint_directions (16, 3, 10);
    the joints of vertex i and their weights are skin_joints and skin_weights from skin_starts[i]
    to skin_starts[i + 1]. For the Jacobian the directions once more: shape_directions
    (778, 3, 10), and in pose_directions (N, 9, 3), joint by joint, those of the N_j vertices that
    the elements of R - I of joint j move: of pose_vertices from pose_starts[j - 1] to
    pose_starts[j], laid out as (9, N_j, 3).
    """

    template: Array
    directions: Array
    joint_template: Array
    joint_directions: Array
    skin_starts: Array
    skin_joints: Array
    skin_weights: Array
    shape_directions: Array
    pose_starts: Array
    pose_vertices: Array
    pose_directions: Array


class PosedState(NamedTuple):
    """
    What the forward pass leaves for the derivatives, before translation.

    rotations R, left_jacobians (columns: rotation vector per unit of each pose component) and
    global_rotations G, all (16, 3, 3); rest_joints r and posed_joints q, (16, 3); transforms
    (16, 3, 4) = [G | q - G r]; coefficients (145,); v_posed (778, 3); blended (778, 3, 3) B.
    """

    rotations: Array
    left_jacobians: Array
    global_rotations: Array
    rest_joints: Array
    posed_joints: Array
    transforms: Array
    coefficients: Array
    v_posed: Array
    blended: Array


def _compiled(function: Function) -> Function:
    """Compile a kernel; sums may be reordered, so that loops over vertices use wide registers."""
    decorate = numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract', 'nsz'})
    return cast(Function, decorate(function))


@_compiled
def forward(
    model: ModelArrays,
    pose_aa: Array,
    shape: Array,
    translation: Array,
    state: PosedState,
    vertices: Array,
    joints: Array,
    keypoints: Array,
) -> None:
    """Fill ``state``, ``vertices`` (778, 3), ``joints`` (16, 3) and ``keypoints`` (21, 3)."""
    _pose_joints(model, pose_aa, shape, state)
    _blend(model, state)
    _skin(model, state, translation, vertices)
    for j in range(NUM_JOINTS):
        for c in range(3):
            joints[j, c] = state.posed_joints[j, c] + translation[c]
    _gather_keypoints(joints, vertices, keypoints)


@_compiled
def vector_jacobian_product(
    model: ModelArrays,
    state: PosedState,
    grad_vertices: Array,
    grad_keypoints: Array,
    grad_parameters: Array,
) -> None:
    """
    Fill ``grad_parameters`` (61,) with dL/d(pose, shape, translation).

    ``grad_vertices`` (778, 3) is overwritten: it takes up the fingertips' part of
    ``grad_keypoints`` (21, 3), and is then turned into the gradient of v_posed.
    """
    grad_joints = np.zeros((NUM_JOINTS, 3))
    for k in range(_KEYPOINT_SOURCES.shape[0]):
        source = _KEYPOINT_SOURCES[k]
        for c in range(3):
            if source < NUM_JOINTS:
                grad_joints[source, c] += grad_keypoints[k, c]
            else:
                grad_vertices[_TIPS[source - NUM_JOINTS], c] += grad_keypoints[k, c]
    for c in range(3):
        total = 0.0
        for j in range(NUM_JOINTS):
            total += grad_joints[j, c]
        for i in range(grad_vertices.shape[0]):
            total += grad_vertices[i, c]
        grad_parameters[NUM_POSE + NUM_SHAPE + c] = total
    grad_transforms = np.zeros(state.transforms.shape, state.transforms.dtype)
    _skin_backward(model, state, grad_vertices, grad_transforms)
    grad_coefficients = np.empty(model.directions.shape[0])
    _blend_backward(model, grad_vertices, grad_coefficients)
    _joints_backward(
        model, state, grad_transforms, grad_joints, grad_coefficients, grad_parameters
    )


@_compiled
def jacobian(
    model: ModelArrays, state: PosedState, vertices_jacobian: Array, keypoints_jacobian: Array
) -> None:
    """Fill (778, 3, 61) and (21, 3, 61) with the derivatives by the parameters."""
    joints_jacobian = np.zeros((NUM_PARAMETERS, NUM_JOINTS, 3))
    axes = np.empty((NUM_JOINTS, 3, 3))
    _world_axes(state, axes)
    _joints_jacobian(model, state, axes, joints_jacobian)
    vertices_jacobian[:] = 0.0
    _add_blending_by_pose(model, state, vertices_jacobian)
    _add_turning(model, state, axes, vertices_jacobian)
    _add_shape(model, state, joints_jacobian, vertices_jacobian)
    for i in range(vertices_jacobian.shape[0]):
        for c in range(3):
            vertices_jacobian[i, c, NUM_POSE + NUM_SHAPE + c] = 1.0
    for row in range(NUM_PARAMETERS):
        _gather_keypoints(
            joints_jacobian[row], vertices_jacobian[:, :, row], keypoints_jacobian[:, :, row]
        )


@_compiled
def _gather_keypoints(joints: Array, vertices: Array, keypoints: Array) -> None:
    for k in range(_KEYPOINT_SOURCES.shape[0]):
        source = _KEYPOINT_SOURCES[k]
        for c in range(3):
            if source < NUM_JOINTS:
                keypoints[k, c] = joints[source, c]
            else:
                keypoints[k, c] = vertices[_TIPS[source - NUM_JOINTS], c]


@_compiled
def _rotation(vector: Array, rotation: Array, left_jacobian: Array) -> None:
    """
    Fill R = exp(K) and J with dR = [J dvector]x R, K the cross-product matrix of ``vector``.

    R = I + a K + b K^2 and J = I + b K + c K^2 with a = sin(t)/t, b = (1 - cos t)/t^2,
    c = (t - sin t)/t^3, t the vector's length (Sola et al., "A micro Lie theory", eq. 132, 145).
    """
    x, y, z = vector[0], vector[1], vector[2]
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    if angle < _SMALL_ANGLE:
        a = 1 - squared / 6 * (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72)))
        b = 0.5 * (1 - squared / 12 * (1 - squared / 30 * (1 - squared / 56 * (1 - squared / 90))))
        c = (1 - squared / 20 * (1 - squared / 42 * (1 - squared / 72 * (1 - squared / 110)))) / 6
    else:
        a = np.sin(angle) / angle
        b = (1 - np.cos(angle)) / squared
        c = (1 - a) / squared
    _quadratic(x, y, z, squared, a, b, rotation)
    _quadratic(x, y, z, squared, b, c, left_jacobian)


@_compiled
def _quadratic(
    x: float, y: float, z: float, squared: float, first: float, second: float, out: Array
) -> None:
    """Fill ``out`` (3, 3) with I + first K + second K^2, K of (x, y, z); K^2 = v v^T - |v|^2 I."""
    diagonal = 1 - second * squared
    out[0, 0] = diagonal + second * x * x
    out[1, 1] = diagonal + second * y * y
    out[2, 2] = diagonal + second * z * z
    out[0, 1] = second * x * y - first * z
    out[1, 0] = second * x * y + first * z
    out[0, 2] = second * x * z + first * y
    out[2, 0] = second * x * z - first * y
    out[1, 2] = second * y * z - first * x
    out[2, 1] = second * y * z + first * x


@_compiled
def _pose_joints(model: ModelArrays, pose_aa: Array, shape: Array, state: PosedState) -> None:
    """Fill everything of ``state`` that belongs to joints, and the blend coefficients."""
    for j in range(NUM_JOINTS):
        _rotation(pose_aa[3 * j : 3 * j + 3], state.rotations[j], state.left_jacobians[j])
        for c in range(3):
            rest = model.joint_template[j, c]
            for s in range(NUM_SHAPE):
                rest += model.joint_directions[j, c, s] * shape[s]
            state.rest_joints[j, c] = rest
    state.global_rotations[0] = state.rotations[0]
    state.posed_joints[0] = state.rest_joints[0]
    for j in range(1, NUM_JOINTS):
        _chain_joint(j, _PARENTS[j], state)
    for j in range(NUM_JOINTS):
        for c in range(3):
            offset = state.posed_joints[j, c]
            for d in range(3):
                offset -= state.global_rotations[j, c, d] * state.rest_joints[j, d]
                state.transforms[j, c, d] = state.global_rotations[j, c, d]
            state.transforms[j, c, 3] = offset
    for s in range(NUM_SHAPE):
        state.coefficients[s] = shape[s]
    for j in range(1, NUM_JOINTS):
        for c in range(3):
            for d in range(3):
                element = state.rotations[j, c, d] - (1.0 if c == d else 0.0)
                state.coefficients[NUM_SHAPE + 9 * (j - 1) + 3 * c + d] = element


@_compiled
def _chain_joint(j: int, parent: int, state: PosedState) -> None:
    for c in range(3):
        position = state.posed_joints[parent, c]
        for d in range(3):
            element = 0.0
            for e in range(3):
                element += state.global_rotations[parent, c, e] * state.rotations[j, e, d]
            state.global_rotations[j, c, d] = element
            bone = state.rest_joints[j, d] - state.rest_joints[parent, d]
            position += state.global_rotations[parent, c, d] * bone
        state.posed_joints[j, c] = position


@_compiled
def _blend(model: ModelArrays, state: PosedState) -> None:
    """v_posed = template + coefficients directions; four directions at a time save traffic."""
    out = state.v_posed.reshape(-1)
    coefficients, directions = state.coefficients, model.directions
    out[:] = model.template
    whole = directions.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        c0, c1 = coefficients[k], coefficients[k + 1]
        c2, c3 = coefficients[k + 2], coefficients[k + 3]
        for i in range(out.shape[0]):
            out[i] += (
                c0 * directions[k, i]
                + c1 * directions[k + 1, i]
                + c2 * directions[k + 2, i]
                + c3 * directions[k + 3, i]
            )
    for k in range(whole, directions.shape[0]):
        for i in range(out.shape[0]):
            out[i] += coefficients[k] * directions[k, i]


@_compiled
def _blend_backward(model: ModelArrays, grad_v_posed: Array, grad_coefficients: Array) -> None:
    flat = grad_v_posed.reshape(-1)
    directions = model.directions
    for k in range(directions.shape[0]):
        total = flat[0] * directions[k, 0]
        for i in range(1, flat.shape[0]):
            total += flat[i] * directions[k, i]
        grad_coefficients[k] = total


@_compiled
def _skin(model: ModelArrays, state: PosedState, translation: Array, vertices: Array) -> None:
    """Linear blend skinning; keeps the blended rotations B for the derivatives."""
    blend = np.empty((3, 4), state.transforms.dtype)
    for i in range(vertices.shape[0]):
        for c in range(3):
            for d in range(3):
                blend[c, d] = 0.0
            blend[c, 3] = translation[c]
        for entry in range(model.skin_starts[i], model.skin_starts[i + 1]):
            weight = model.skin_weights[entry]
            transform = state.transforms[model.skin_joints[entry]]
            for c in range(3):
                for d in range(4):
                    blend[c, d] += weight * transform[c, d]
        for c in range(3):
            position = blend[c, 3]
            for d in range(3):
                position += blend[c, d] * state.v_posed[i, d]
                state.blended[i, c, d] = blend[c, d]
            vertices[i, c] = position


@_compiled
def _skin_backward(
    model: ModelArrays, state: PosedState, grad_vertices: Array, grad_transforms: Array
) -> None:
    """Add up dL/dtransforms and turn dL/dvertices into dL/dv_posed in place."""
    grad = np.empty((3, 4), grad_vertices.dtype)
    for i in range(grad_vertices.shape[0]):
        for c in range(3):
            grad[c, 3] = grad_vertices[i, c]
            for d in range(3):
                grad[c, d] = grad_vertices[i, c] * state.v_posed[i, d]
        for entry in range(model.skin_starts[i], model.skin_starts[i + 1]):
            weight = model.skin_weights[entry]
            target = grad_transforms[model.skin_joints[entry]]
            for c in range(3):
                for d in range(4):
                    target[c, d] += weight * grad[c, d]
        for d in range(3):
            total = state.blended[i, 0, d] * grad[0, 3]
            total += state.blended[i, 1, d] * grad[1, 3]
            total += state.blended[i, 2, d] * grad[2, 3]
            grad_vertices[i, d] = total


@_compiled
def _joints_backward(
    model: ModelArrays,
    state: PosedState,
    grad_transforms: Array,
    grad_joints: Array,
    grad_coefficients: Array,
    grad_parameters: Array,
) -> None:
    """
    Fill the pose and shape parts of ``grad_parameters``.

    Every joint passes on to its parent the gradient of its position q (in ``grad_joints``) and of
    its global rotation G.
    """
    grad_global = np.zeros((NUM_JOINTS, 3, 3))
    grad_rest = np.zeros((NUM_JOINTS, 3))
    grad_local = np.zeros((3, 3))
    for j in range(NUM_JOINTS):
        for c in range(3):
            moved = float(grad_transforms[j, c, 3])
            grad_joints[j, c] += moved
            for d in range(3):
                grad_global[j, c, d] = grad_transforms[j, c, d] - moved * state.rest_joints[j, d]
                grad_rest[j, d] -= state.global_rotations[j, c, d] * moved
    for j in range(NUM_JOINTS - 1, 0, -1):
        _joint_backward(j, _PARENTS[j], state, grad_global, grad_joints, grad_rest, grad_local)
        for c in range(3):
            for d in range(3):
                grad_local[c, d] += grad_coefficients[NUM_SHAPE + 9 * (j - 1) + 3 * c + d]
        _rotation_backward(j, state, grad_local, grad_parameters)
    _rotation_backward(0, state, grad_global[0], grad_parameters)
    for c in range(3):
        grad_rest[0, c] += grad_joints[0, c]
    for s in range(NUM_SHAPE):
        total = grad_coefficients[s]
        for j in range(NUM_JOINTS):
            for c in range(3):
                total += grad_rest[j, c] * model.joint_directions[j, c, s]
        grad_parameters[NUM_POSE + s] = total


@_compiled
def _joint_backward(
    j: int,
    parent: int,
    state: PosedState,
    grad_global: Array,
    grad_joints: Array,
    grad_rest: Array,
    grad_local: Array,
) -> None:
    """Undo G = G_p R and q = q_p + G_p (r - r_p)."""
    for d in range(3):
        bone = state.rest_joints[j, d] - state.rest_joints[parent, d]
        grad_bone = 0.0
        for c in range(3):
            local, upstream = 0.0, grad_joints[j, c] * bone
            for e in range(3):
                local += state.global_rotations[parent, e, c] * grad_global[j, e, d]
                upstream += grad_global[j, c, e] * state.rotations[j, d, e]
            grad_local[c, d] = local
            grad_global[parent, c, d] += upstream
            grad_bone += state.global_rotations[parent, c, d] * grad_joints[j, c]
        grad_rest[j, d] += grad_bone
        grad_rest[parent, d] -= grad_bone
    for c in range(3):
        grad_joints[parent, c] += grad_joints[j, c]


@_compiled
def _rotation_backward(
    j: int, state: PosedState, grad_local: Array, grad_parameters: Array
) -> None:
    """As dR = [J dpose]x R, dL/dpose is J^T times the axial part of (dL/dR) R^T."""
    moment = np.zeros((3, 3))
    for c in range(3):
        for d in range(3):
            for e in range(3):
                moment[c, d] += grad_local[c, e] * state.rotations[j, d, e]
    x = moment[2, 1] - moment[1, 2]
    y = moment[0, 2] - moment[2, 0]
    z = moment[1, 0] - moment[0, 1]
    jacobian_j = state.left_jacobians[j]
    for c in range(3):
        grad_parameters[3 * j + c] = (
            jacobian_j[0, c] * x + jacobian_j[1, c] * y + jacobian_j[2, c] * z
        )


@_compiled
def _world_axes(state: PosedState, axes: Array) -> None:
    """Fill axes[j, a]: the rotation vector of joint j's subtree per unit of pose component a."""
    axes[0] = state.left_jacobians[0].T
    for j in range(1, NUM_JOINTS):
        for a in range(3):
            for c in range(3):
                total = 0.0
                for d in range(3):
                    total += (
                        state.global_rotations[_PARENTS[j], c, d] * state.left_jacobians[j, d, a]
                    )
                axes[j, a, c] = total


@_compiled
def _joints_jacobian(
    model: ModelArrays, state: PosedState, axes: Array, joints_jacobian: Array
) -> None:
    """Fill the derivatives (61, 16, 3) of the posed joints, which is zero so far."""
    for k in range(NUM_JOINTS):
        ancestor = _PARENTS[k]
        while ancestor >= 0:
            x, y, z = state.posed_joints[k] - state.posed_joints[ancestor]
            for a in range(3):
                _add_cross(axes[ancestor, a], x, y, z, joints_jacobian[3 * ancestor + a, k])
            ancestor = _PARENTS[ancestor]
        parent = _PARENTS[k]
        for s in range(NUM_SHAPE):
            row = NUM_POSE + s
            for c in range(3):
                if parent < 0:
                    joints_jacobian[row, k, c] = model.joint_directions[k, c, s]
                    continue
                total = joints_jacobian[row, parent, c]
                for d in range(3):
                    bone = model.joint_directions[k, d, s] - model.joint_directions[parent, d, s]
                    total += state.global_rotations[parent, c, d] * bone
                joints_jacobian[row, k, c] = total
        for c in range(3):
            joints_jacobian[NUM_POSE + NUM_SHAPE + c, k, c] = 1.0


@_compiled
def _add_cross(axis: Array, x: float, y: float, z: float, out: Array) -> None:
    """Add axis x (x, y, z) to ``out`` (3,)."""
    out[0] += axis[1] * z - axis[2] * y
    out[1] += axis[2] * x - axis[0] * z
    out[2] += axis[0] * y - axis[1] * x


@_compiled
def _add_blending_by_pose(model: ModelArrays, state: PosedState, out: Array) -> None:
    """Add B dv_posed by the pose, where it is not zero."""
    change = np.empty(9, out.dtype)
    moved = np.empty(3 * out.shape[0], out.dtype)
    for j in range(1, NUM_JOINTS):
        start, stop = model.pose_starts[j - 1], model.pose_starts[j]
        directions = model.pose_directions[start:stop].reshape(9, -1)
        for a in range(3):
            _rotation_derivative(state.left_jacobians[j, :, a], state.rotations[j], change)
            for i in range(directions.shape[1]):
                total = change[0] * directions[0, i]
                for f in range(1, 9):
                    total += change[f] * directions[f, i]
                moved[i] = total
            for n in range(stop - start):
                vertex = model.pose_vertices[start + n]
                x, y, z = moved[3 * n], moved[3 * n + 1], moved[3 * n + 2]
                for c in range(3):
                    blended = state.blended[vertex, c]
                    out[vertex, c, 3 * j + a] += blended[0] * x + blended[1] * y + blended[2] * z


@_compiled
def _rotation_derivative(axis: Array, rotation: Array, out: Array) -> None:
    """Fill ``out`` (9,) with [axis]x R, row-major."""
    for d in range(3):
        x, y, z = rotation[0, d], rotation[1, d], rotation[2, d]
        out[d] = axis[1] * z - axis[2] * y
        out[3 + d] = axis[2] * x - axis[0] * z
        out[6 + d] = axis[0] * y - axis[1] * x


@_compiled
def _add_turning(model: ModelArrays, state: PosedState, axes: Array, out: Array) -> None:
    """
    Add what turning a joint does to the skin that hangs from it.

    The part of vertex i that is bound to the subtree of j turns about q_j: with y = sum w_k (G_k
    (v - r_k) + q_k) and s = sum w_k over the subtree, the derivative is axis x (y - s q_j).
    """
    bound = np.zeros((NUM_JOINTS, 4), out.dtype)
    turning_axes = axes.astype(out.dtype)
    posed_joints = state.posed_joints.astype(out.dtype)
    for i in range(out.shape[0]):
        bound[:] = 0.0
        for entry in range(model.skin_starts[i], model.skin_starts[i + 1]):
            weight = model.skin_weights[entry]
            joint = model.skin_joints[entry]
            transform = state.transforms[joint]
            for c in range(3):
                position = transform[c, 3]
                for d in range(3):
                    position += transform[c, d] * state.v_posed[i, d]
                bound[joint, c] += weight * position
            bound[joint, 3] += weight
        for j in range(NUM_JOINTS - 1, -1, -1):
            if bound[j, 3] == 0.0:  # most joints do not touch this vertex
                continue
            if j > 0:
                for c in range(4):
                    bound[_PARENTS[j], c] += bound[j, c]
            x = bound[j, 0] - bound[j, 3] * posed_joints[j, 0]
            y = bound[j, 1] - bound[j, 3] * posed_joints[j, 1]
            z = bound[j, 2] - bound[j, 3] * posed_joints[j, 2]
            for a in range(3):
                _add_cross(turning_axes[j, a], x, y, z, out[i, :, 3 * j + a])


@_compiled
def _add_shape(model: ModelArrays, state: PosedState, joints_jacobian: Array, out: Array) -> None:
    """Add B dv_posed by the shape, and the skin's part sum_k w_k d(q_k - G_k r_k)/dshape."""
    offsets = np.empty((NUM_JOINTS, 3, NUM_SHAPE), out.dtype)
    for k in range(NUM_JOINTS):
        for s in range(NUM_SHAPE):
            for c in range(3):
                total = joints_jacobian[NUM_POSE + s, k, c]
                for d in range(3):
                    total -= state.global_rotations[k, c, d] * model.joint_directions[k, d, s]
                offsets[k, c, s] = total
    for i in range(out.shape[0]):
        directions = model.shape_directions[i]
        for c in range(3):
            x, y, z = state.blended[i, c]
            for s in range(NUM_SHAPE):
                out[i, c, NUM_POSE + s] += (
                    x * directions[0, s] + y * directions[1, s] + z * directions[2, s]
                )
        for entry in range(model.skin_starts[i], model.skin_starts[i + 1]):
            weight = model.skin_weights[entry]
            joint = model.skin_joints[entry]
            for c in range(3):
                for s in range(NUM_SHAPE):
                    out[i, c, NUM_POSE + s] += weight * offsets[joint, c, s]
