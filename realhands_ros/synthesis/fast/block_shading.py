"""
The mathematics of ``shading`` and ``shadows`` on a block of fragments, compiled for the CPU.

A block holds one quantity after the other, each a row of BLOCK values, at offsets that are known
when this is compiled; loops run over whole blocks and do not branch; matrices and lights come as
tuples, which nothing written can change. So the compiler computes many fragments at once. Only
shadows, which are looked up here and there, go one by one. What lies behind the last fragment of a
block is computed with the rest and never read.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from realhands_ros.synthesis.fast.shading import GRAZING, SHADOW_EXPONENT, SMOOTHING, WRAP
from realhands_ros.synthesis.fast.shadows import (
    BIAS_M,
    LIFT_M,
    MAX_RADIUS_TEXELS,
    NOISE,
    SHADED_COSINE,
)

BLOCK = 256

# First rows of what is given of a fragment; directions and colours take three.
NORMAL, VISIBILITY, ALBEDO, ROUGHNESS, SLOPES, SUBSURFACE, SPECULAR, EMISSIVE = (
    0, 3, 4, 7, 8, 10, 11, 12,
)  # fmt: skip
ALONG_U, ALONG_V, COLUMN, LINE, DEPTH, NUM_GIVEN = 13, 16, 19, 20, 21, 22
# ... of how it lies to the viewer and to the key light: normal with relief, direction to the
# viewer, cosine to the light without relief, place in the shadow map (u, v, distance), and how the
# pattern of look-ups there is turned.
_FINE, _VIEW, _COARSE, _IN_LIGHT, _TURN, NUM_POSED = 0, 3, 6, 7, 10, 12
# ... of the share of the key light that reaches it: under the skin by colour, and on it.
_REACHES, _LIT, NUM_SHARES = 0, 3, 4

# Python's floats would make all that they touch float64.
_BIAS, _LIFT = np.float32(BIAS_M), np.float32(LIFT_M)
_MAX_RADIUS, _SHADED = np.float32(MAX_RADIUS_TEXELS), np.float32(SHADED_COSINE)
_GRAZING, _PER_PI = np.float32(GRAZING), np.float32(1 / math.pi)
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)

# No fast-math: what is reordered or fused would differ between a kernel that was just compiled,
# together with those it calls, and one that was loaded from numba's cache.
compiled = numba.njit(nogil=True, cache=True, error_model='numpy')
inlined = numba.njit(nogil=True, cache=True, error_model='numpy', inline='always')


@inlined
def at(number, n):  # type: ignore[no-untyped-def]
    """Return where row ``number`` of a block holds what belongs to fragment ``n``."""
    return number * BLOCK + n


@inlined
def vector_at(block, first, n):  # type: ignore[no-untyped-def]
    """Return a direction or a colour of fragment ``n``, of three rows."""
    return block[at(first, n)], block[at(first + 1, n)], block[at(first + 2, n)]


@inlined
def _put(block, first, n, vector):  # type: ignore[no-untyped-def]
    block[at(first, n)] = vector[0]
    block[at(first + 1, n)] = vector[1]
    block[at(first + 2, n)] = vector[2]


@inlined
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    length = np.float32(math.sqrt(x * x + y * y + z * z))
    scale = _ONE / max(length, np.float32(1e-12))
    return x * scale, y * scale, z * scale


@inlined
def _turned(matrix, x, y, z):  # type: ignore[no-untyped-def]
    return (
        matrix[0][0] * x + matrix[0][1] * y + matrix[0][2] * z,
        matrix[1][0] * x + matrix[1][1] * y + matrix[1][2] * z,
        matrix[2][0] * x + matrix[2][1] * y + matrix[2][2] * z,
    )


@inlined
def _fraction(value):  # type: ignore[no-untyped-def]
    return value - np.floor(value)


@inlined
def _sine(turns):  # type: ignore[no-untyped-def]
    """Return the sine of an angle of -1/2 to 1/2 turns, to 4e-6, without a call."""
    from_zero = min(abs(turns), np.float32(0.5) - abs(turns))
    x = np.float32(6.2831853) * (from_zero if turns >= _ZERO else -from_zero)
    x2 = x * x
    series = _ONE - x2 / np.float32(42) * (_ONE - x2 / np.float32(72))
    return x * (_ONE - x2 / np.float32(6) * (_ONE - x2 / np.float32(20) * series))


@compiled
def pose(given, posed, to_rig, centre, key, light_rotation, light_translation, light_lens):  # type: ignore[no-untyped-def]
    """
    Find directions to the viewer, normals with relief, and places in the shadow map.

    ``to_rig`` (3, 3) makes of a pixel its ray in the rig's frame; ``light_lens`` is the focal
    length of the shadow map, its middle and its side, in texels.
    """
    focal, middle, _ = light_lens
    for n in range(BLOCK):
        column, line, depth = given[at(COLUMN, n)], given[at(LINE, n)], given[at(DEPTH, n)]
        x, y, z = _turned(to_rig, column * depth, line * depth, depth)
        to_x, to_y, to_z = _unit(-x, -y, -z)
        normal_x, normal_y, normal_z = vector_at(given, NORMAL, n)
        smooth_x, smooth_y, smooth_z = _unit(normal_x, normal_y, normal_z)
        side = _ONE if smooth_x * to_x + smooth_y * to_y + smooth_z * to_z >= _ZERO else -_ONE
        smooth_x, smooth_y, smooth_z = smooth_x * side, smooth_y * side, smooth_z * side
        rise_u, rise_v = side * given[at(SLOPES, n)], side * given[at(SLOPES + 1, n)]
        u_x, u_y, u_z = vector_at(given, ALONG_U, n)
        v_x, v_y, v_z = vector_at(given, ALONG_V, n)
        fine = _unit(
            smooth_x - rise_u * u_x - rise_v * v_x,
            smooth_y - rise_u * u_y - rise_v * v_y,
            smooth_z - rise_u * u_z - rise_v * v_z,
        )
        light_x, light_y, light_z = _turned(
            light_rotation,
            x + centre[0] + _LIFT * smooth_x,
            y + centre[1] + _LIFT * smooth_y,
            z + centre[2] + _LIFT * smooth_z,
        )
        distance = light_translation[2] + light_z
        scale = focal / distance
        map_u = middle + scale * (light_translation[0] + light_x)
        map_v = middle + scale * (light_translation[1] + light_y)
        jitter = np.float32(NOISE[0]) * column + np.float32(NOISE[1]) * line
        turns = _fraction(np.float32(NOISE[2]) * _fraction(jitter)) - np.float32(0.5)
        _put(posed, _FINE, n, fine)
        _put(posed, _VIEW, n, (to_x, to_y, to_z))
        _put(posed, _IN_LIGHT, n, (map_u, map_v, distance))
        posed[at(_COARSE, n)] = smooth_x * key[0] + smooth_y * key[1] + smooth_z * key[2]
        posed[at(_TURN, n)] = _sine(np.float32(0.25) - abs(turns))
        posed[at(_TURN + 1, n)] = _sine(turns)


@inlined
def _tap(depth_map, u, v, offset, along, across):  # type: ignore[no-untyped-def]
    """Return the shadow map's depth at a turned and scaled offset from (u, v)."""
    last = np.float32(depth_map.shape[0] - 1)
    x = np.rint(u + offset[0] * along - offset[1] * across)
    y = np.rint(v + offset[0] * across + offset[1] * along)
    return depth_map[int(min(max(y, _ZERO), last)), int(min(max(x, _ZERO), last))]


@compiled
def _lit_share(depth_map, u, v, depth, texels_per_metre, turn, search, taps):  # type: ignore[no-untyped-def]
    cosine, sine = turn
    count, gap = 0, _ZERO
    along, across = cosine * _MAX_RADIUS, sine * _MAX_RADIUS
    for k in range(search.shape[0]):
        blocker = _tap(depth_map, u, v, search[k], along, across)
        if blocker < depth - _BIAS:
            count += 1
            gap += depth - blocker
    if count == 0:
        return _ONE
    radius = min(max(gap / np.float32(count) * texels_per_metre, _ONE), _MAX_RADIUS)
    along, across = cosine * radius, sine * radius
    dark = 0
    for k in range(taps.shape[0]):
        if _tap(depth_map, u, v, taps[k], along, across) < depth - _BIAS:
            dark += 1
    return _ONE - np.float32(dark) / np.float32(taps.shape[0])


@compiled
def shadow(given, posed, shares, count, depth_map, light_lens, light_radius, search, taps):  # type: ignore[no-untyped-def]
    """Find the share of the key light that reaches each of the first ``count`` fragments."""
    focal, _, size = light_lens
    for n in range(count):
        u, v, distance = vector_at(posed, _IN_LIGHT, n)
        share = _ONE
        is_on_map = _ZERO < u < size and _ZERO < v < size
        is_lit = posed[at(_COARSE, n)] > -_SHADED and given[at(EMISSIVE, n)] == _ZERO
        if is_on_map and is_lit:
            turn = posed[at(_TURN, n)], posed[at(_TURN + 1, n)]
            blur = light_radius * focal / distance
            share = _lit_share(depth_map, u, v, distance, blur, turn, search, taps)
        _put(shares, _REACHES, n, (share, share, share))
        shares[at(_LIT, n)] = share
        subsurface = given[at(SUBSURFACE, n)]
        if _ZERO < share < _ONE and subsurface > _ZERO:
            for channel in range(3):
                exponent = _ONE + np.float32(SHADOW_EXPONENT[channel] - 1) * subsurface
                shares[at(_REACHES + channel, n)] = share**exponent


@inlined
def _harmonics(light, x, y, z):  # type: ignore[no-untyped-def]
    """Return the light of nine coefficients in a direction; see harmonics.sh_basis."""
    return (
        np.float32(0.282095) * light[0]
        + np.float32(0.488603) * (y * light[1] + z * light[2] + x * light[3])
        + np.float32(1.092548) * (x * y * light[4] + y * z * light[5] + x * z * light[7])
        + np.float32(0.315392) * (np.float32(3) * z * z - _ONE) * light[6]
        + np.float32(0.546274) * (x * x - y * y) * light[8]
    )


@inlined
def _fifth_power(value):  # type: ignore[no-untyped-def]
    squared = value * value
    return squared * squared * value


@compiled
def light(given, posed, shares, colour, channel, irradiance, radiance, key_light, key, key_radius):  # type: ignore[no-untyped-def]
    """
    Light one colour ``channel`` of a block; the result goes to ``colour`` (BLOCK,).

    ``irradiance`` over pi and ``radiance`` for glossy reflection are harmonics (9,) of the
    environment, ``key_light`` is the key light's irradiance; all of this colour.
    """
    smoothing, wrapping = np.float32(SMOOTHING[channel]), np.float32(WRAP[channel])
    for n in range(BLOCK):
        x, y, z = vector_at(posed, _FINE, n)
        to_x, to_y, to_z = vector_at(posed, _VIEW, n)
        matte, gloss = given[at(ROUGHNESS, n)], given[at(SPECULAR, n)]
        visible, subsurface = given[at(VISIBILITY, n)], given[at(SUBSURFACE, n)]
        own, coarse = given[at(ALBEDO + channel, n)], posed[at(_COARSE, n)]
        reaches, lit = shares[at(_REACHES + channel, n)], shares[at(_LIT, n)]
        fine = x * key[0] + y * key[1] + z * key[2]
        n_v = x * to_x + y * to_y + z * to_z
        # GGX for the key light.
        half_x, half_y, half_z = _unit(key[0] + to_x, key[1] + to_y, key[2] + to_z)
        n_h = max(x * half_x + y * half_y + z * half_z, _ZERO)
        v_h = max(to_x * half_x + to_y * half_y + to_z * half_z, _ZERO)
        n_l = max(fine, _ZERO)
        alpha = min(matte * matte + np.float32(0.5) * key_radius, _ONE)
        alpha2 = alpha * alpha
        spread = n_h * n_h * (alpha2 - _ONE) + _ONE
        lobe = alpha2 * _PER_PI / (spread * spread)
        masking = _ONE / (
            (n_l + max(n_v, np.float32(0.05)) + np.float32(1e-4)) * max(_TWO - alpha, _ONE)
        )
        fresnel = gloss + (_ONE - gloss) * _fifth_power(_ONE - v_h)
        key_gloss = lobe * masking * fresnel * n_l * lit * key_light
        # Damped harmonics for what else is mirrored.
        facing = max(n_v, _ZERO)
        mirror_x, mirror_y, mirror_z = _unit(
            _TWO * facing * x - to_x, _TWO * facing * y - to_y, _TWO * facing * z - to_z
        )
        mirrored = max(_harmonics(radiance, mirror_x, mirror_y, mirror_z), _ZERO)
        grazing = max(_GRAZING * max(_ONE - matte, gloss) - gloss, _ZERO)
        sheen = (gloss + grazing * _fifth_power(_ONE - facing)) * visible * visible * mirrored
        # Diffuse: the environment, redder in crevices, and the key light, wrapped on skin.
        a = np.float32(2.0404) * own - np.float32(0.3324)
        b = np.float32(-4.7951) * own + np.float32(0.6417)
        c = np.float32(2.7552) * own + np.float32(0.6903)
        with_bounces = max(visible, ((visible * a + b) * visible + c) * visible)
        ambient = max(_harmonics(irradiance, x, y, z), _ZERO) * with_bounces
        wrap = wrapping * subsurface
        cosine = fine + smoothing * subsurface * (coarse - fine)
        wrapped = max((cosine + wrap) / ((_ONE + wrap) * (_ONE + wrap)), _ZERO)
        diffuse = ambient + wrapped * reaches * key_light * _PER_PI
        emits = given[at(EMISSIVE, n)] > _ZERO
        colour[n] = own if emits else own * diffuse + key_gloss + sheen
