"""What is behind the hands: a furnished room, a table, a person, or a photograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.synthesis.colour import linear_to_srgb
from realhands_ros.synthesis.mesh import (
    MeshGeometry,
    box,
    cylinder,
    ellipsoid,
    quad,
    unit,
)
from realhands_ros.synthesis.photographs import PhotoLibrary
from realhands_ros.synthesis.scene import HandTruth, Label, Lighting, Material, SceneMesh
from realhands_ros.synthesis.skin import SkinLook, skin_colour
from realhands_ros.synthesis.textures import plain, sample_texture

FloatArray = NDArray[np.float64]
Tint = tuple[float, float, float]

_WALL_KINDS = ('plaster', 'plaster', 'plaster', 'plaster', 'wood', 'tiles', 'shelf')
_FLOOR_KINDS = ('wood', 'carpet', 'tiles')
_TABLE_KINDS = ('wood', 'wood', 'wood', 'plaster', 'plaster', 'cloth')
_FURNITURE_KINDS = ('wood', 'wood', 'shelf', 'plaster', 'plaster', 'cloth', 'clutter')
_DESK_KINDS = ('print', 'clutter', 'wood', 'plaster', 'cloth')


@dataclass(frozen=True, eq=False)
class World:
    """
    The room's axes in the rig's frame.

    ``axes`` (3, 3): columns right, up, forward, unit. The camera is at the origin.
    """

    axes: FloatArray

    @classmethod
    def with_up(cls, up: FloatArray) -> World:
        """Return the axes of a room whose ceiling is in direction ``up`` (3,)."""
        forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
        if np.linalg.norm(forward) < 0.05:
            forward = np.array([0.0, -1.0, 0.0]) + up[1] * up
        forward = unit(forward)
        return cls(np.stack([np.cross(up, forward), up, forward], axis=1))

    def place(
        self, geometry: MeshGeometry, position: FloatArray, turn: float = 0.0
    ) -> MeshGeometry:
        """Turn a mesh about the vertical (radians), move it to room coordinates (3,)."""
        turned = Rotation.from_rotvec([0.0, turn, 0.0]).as_matrix()
        return geometry.transformed(self.axes @ turned, self.axes @ position)


def photo_backdrop(
    rng: np.random.Generator, library: PhotoLibrary, rig: StereoRig, lighting: Lighting
) -> list[SceneMesh]:
    """Return a photograph on a plane that fills both views, as bright as the scene."""
    distance = rng.uniform(0.9, 3.0)
    seen = np.concatenate([_seen_at(camera, distance) for camera in rig.views])
    low, high = seen.min(0), seen.max(0)
    border = 0.05 * (high - low)
    (left, top), (right, bottom) = low - border, high + border
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    material = library.sample(rng)
    geometry = quad([(x, y, distance) for x, y in corners])
    start, extent = _covering_window(rng, material, high - low + 2 * border)
    geometry = geometry._replace(uv=start + geometry.uv * extent)
    brightness = _scene_level(lighting) * np.exp(rng.normal(0, 0.3))
    return [_mesh(geometry, material, _tint(brightness * np.ones(3)))]


def _seen_at(camera: PinholeCamera, distance: float) -> FloatArray:
    """Return where the corners of a camera's image lie on the plane z = ``distance``, (4, 2)."""
    last_x, last_y = camera.width - 0.5, camera.height - 0.5
    pixels = [(-0.5, -0.5, 1), (last_x, -0.5, 1), (last_x, last_y, 1), (-0.5, last_y, 1)]
    rays = np.array(pixels) @ np.linalg.inv(camera.intrinsics).T @ camera.rotation
    steps = (distance - camera.centre[2]) / rays[:, 2:]
    return np.asarray((camera.centre + steps * rays)[:, :2])


def room(rng: np.random.Generator, world: World) -> list[SceneMesh]:
    """Return a furnished room around the camera."""
    floor, ceiling = -rng.uniform(1.0, 1.7), rng.uniform(0.9, 1.6)
    left, right = -rng.uniform(0.9, 3.5), rng.uniform(0.9, 3.5)
    front, behind = rng.uniform(1.2, 4.5), -1.5

    def surface(corners: list[tuple[float, float, float]], kinds: tuple[str, ...]) -> SceneMesh:
        kind = kinds[rng.integers(len(kinds))]
        points = np.array(corners) @ world.axes.T
        metres = 2.5 if kind == 'shelf' else rng.uniform(0.7, 2.0)
        scale = (
            float(np.linalg.norm(points[1] - points[0])) / metres,
            float(np.linalg.norm(points[2] - points[1])) / metres,
        )
        return _mesh(quad(points, uv_scale=scale), sample_texture(rng, kind), _paint(rng))

    far = [(left, front), (right, front)]
    near = [(left, behind), (right, behind)]
    walls = [
        _upright(start, stop, floor, ceiling)
        for start, stop in (far, (near[0], far[0]), (far[1], near[1]))
    ]
    ground = [(x, floor, z) for x, z in (*near, *reversed(far))]
    top = [(x, ceiling, z) for x, z in (*far, *reversed(near))]
    meshes = [surface(wall, _WALL_KINDS) for wall in walls]
    meshes += [surface(ground, _FLOOR_KINDS), surface(top, ('plaster',))]
    bounds = np.array([left, right, floor, ceiling, front])
    meshes += [_furniture(rng, world, bounds) for _ in range(rng.integers(2, 9))]
    meshes += [_picture(rng, world, bounds) for _ in range(rng.integers(0, 4))]
    return meshes


def _upright(
    start: tuple[float, float], stop: tuple[float, float], floor: float, ceiling: float
) -> list[tuple[float, float, float]]:
    """Return the corners of a wall from (x, z) to (x, z)."""
    (x0, z0), (x1, z1) = start, stop
    return [(x0, floor, z0), (x1, floor, z1), (x1, ceiling, z1), (x0, ceiling, z0)]


def table(
    rng: np.random.Generator, world: World, height: float, hand: HandTruth
) -> list[SceneMesh]:
    """
    Return a table whose top is at ``height`` along the room's up axis, with things on it.

    Things keep clear of the hand.
    """
    size = np.array([rng.uniform(0.9, 1.8), 0.04, rng.uniform(0.7, 1.2)])
    hand_room = hand.keypoints @ world.axes
    middle = hand_room.mean(0) + [rng.uniform(-0.3, 0.3), 0, rng.uniform(-0.1, 0.3)]
    middle[1] = height - size[1] / 2
    turn = rng.normal(0, 0.25)
    kind = _TABLE_KINDS[rng.integers(len(_TABLE_KINDS))]
    top = world.place(box(size, texels_per_metre=rng.uniform(0.6, 1.5)), middle, turn)
    meshes = [_mesh(top, sample_texture(rng, kind), _paint(rng))]
    for _ in range(rng.integers(0, 9)):
        place = middle + np.array([rng.uniform(-0.5, 0.5), 0, rng.uniform(-0.4, 0.4)]) * size
        reach = np.linalg.norm((hand_room - place)[:, [0, 2]], axis=1).min()
        if reach > 0.11:
            place[1] = height
            meshes.append(_desk_object(rng, world, place, min(reach - 0.04, 0.2)))
    return meshes


def person(
    rng: np.random.Generator,
    world: World,
    shoulder: FloatArray,
    handedness: Handedness,
    skin: SkinLook,
) -> list[SceneMesh]:
    """Return the torso and head of one who faces the camera; ``shoulder`` (3,) ends the arm."""
    side = 1.0 if handedness == 'right' else -1.0
    chest = shoulder @ world.axes + [side * 0.16, -0.12, 0.03]
    brightness = np.exp(rng.uniform(np.log(0.03), np.log(1.1)))
    cloth = _tint(brightness * (1 + rng.uniform(-0.4, 0.4, 3)))
    skin_tone = plain(_tint(linear_to_srgb(skin_colour(skin))), 0.5)
    hair_tone = plain(_tint(rng.uniform(0.02, 0.5) * np.array([1.0, 0.8, 0.6])), 0.5)
    yaw = rng.normal(0, 0.4)
    torso = sample_texture(rng, 'cloth')
    parts = [
        ([0.20, 0.19, 0.12], [0, 0.0, 0], torso, cloth),
        ([0.17, 0.42, 0.12], [0, -0.35, 0], torso, cloth),
        ([0.055, 0.12, 0.055], [0, 0.20, 0.01], skin_tone, (1.0, 1.0, 1.0)),
        ([0.075, 0.11, 0.09], [0, 0.33, 0.0], skin_tone, (1.0, 1.0, 1.0)),
        ([0.082, 0.10, 0.095], [0, 0.365, 0.025], hair_tone, (1.0, 1.0, 1.0)),
    ]
    # Poles up and down, where nobody looks.
    upright = Rotation.from_rotvec([-np.pi / 2, 0, 0]).as_matrix()
    meshes = []
    for (width, height, depth), offset, material, tint in parts:
        body = ellipsoid([width, depth, height]).transformed(upright, np.zeros(3))
        meshes.append(_mesh(world.place(body, chest + offset, yaw), material, tint))
    return meshes


def _furniture(rng: np.random.Generator, world: World, bounds: FloatArray) -> SceneMesh:
    left, right, floor, ceiling, front = bounds
    size = rng.uniform([0.3, 0.3, 0.25], [1.4, min(2.0, ceiling - floor), 0.7])
    wall = rng.integers(3)
    if wall == 0:
        place = np.array([rng.uniform(left, right), 0, front - size[2] / 2])
    else:
        size = size[[2, 1, 0]]
        x = left + size[0] / 2 if wall == 1 else right - size[0] / 2
        place = np.array([x, 0, rng.uniform(0.6, front)])
    place[1] = floor + size[1] / 2 + (rng.uniform(0, 0.8) if rng.random() < 0.3 else 0.0)
    kind = _FURNITURE_KINDS[rng.integers(len(_FURNITURE_KINDS))]
    scale = 0.0 if kind in ('shelf', 'clutter') else rng.uniform(0.7, 2.0)
    geometry = box(size, texels_per_metre=scale)
    return _mesh(world.place(geometry, place), sample_texture(rng, kind), _paint(rng))


def _picture(rng: np.random.Generator, world: World, bounds: FloatArray) -> SceneMesh:
    """Return a poster, a screen or a bright window on the front wall."""
    left, right, _, _, front = bounds
    half = rng.uniform(0.2, 0.8, 2)
    x, y, z = rng.uniform(left, right), rng.uniform(-0.4, 0.6), front - 0.02
    corners = np.array(
        [[x - half[0], y - half[1], z], [x + half[0], y - half[1], z],
         [x + half[0], y + half[1], z], [x - half[0], y + half[1], z]]
    )  # fmt: skip
    geometry = quad(corners @ world.axes.T)
    if rng.random() < 0.35:
        sky = plain((0.9, 0.95, 1.0))
        glow = Material(sky.albedo, sky.roughness, emissive=True)
        return _mesh(geometry, glow, _tint(rng.uniform(1.0, 2.5) * np.ones(3)))
    return _mesh(geometry, sample_texture(rng, 'clutter' if rng.random() < 0.6 else 'print'))


def _desk_object(
    rng: np.random.Generator, world: World, place: FloatArray, reach: float
) -> SceneMesh:
    kind = _DESK_KINDS[rng.integers(len(_DESK_KINDS))]
    material = sample_texture(rng, kind)
    if rng.random() < 0.3:
        radius, height = min(rng.uniform(0.02, 0.05), reach), rng.uniform(0.05, 0.14)
        upright = Rotation.from_rotvec([np.pi / 2, 0, 0]).as_matrix()
        geometry = cylinder(radius, height).transformed(upright, np.zeros(3))
        material = plain(tuple(rng.uniform(0.05, 0.95, 3)), rng.uniform(0.15, 0.6))
    else:
        low, high = [0.04, 0.002, 0.04], [0.32, 0.06, 0.25]
        size = np.minimum(rng.uniform(low, high), [1.4 * reach, 1.0, 1.4 * reach])
        height = size[1]
        geometry = box(size)
    standing = place + [0, height / 2, 0]
    return _mesh(world.place(geometry, standing, rng.uniform(-3, 3)), material, _paint(rng))


def _covering_window(
    rng: np.random.Generator, material: Material, shape: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return start and extent in uv of a part of a photograph that has the view's proportions."""
    height, width = material.albedo.shape[:2]
    fit = min(width / shape[0], height / shape[1])
    extent = np.array(shape) * fit / [width, height] * rng.uniform(0.6, 1.0)
    start = rng.uniform(0, 1, 2) * (1 - extent)
    if rng.random() < 0.5:
        return start + [extent[0], 0], extent * [-1, 1]
    return start, extent


def _scene_level(lighting: Lighting) -> float:
    """Return the radiance of white paper in this light, roughly."""
    ambient = float(lighting.environment[0].mean()) * 0.282095
    return ambient + 0.35 * float(lighting.key_irradiance.mean()) / np.pi


def _paint(rng: np.random.Generator) -> Tint:
    brightness = np.exp(rng.normal(-0.15, 0.45))
    return _tint(np.clip(brightness * (1 + rng.normal(0, 0.1, 3)), 0.03, 1.15))


def _tint(colour: NDArray[np.floating[Any]]) -> Tint:
    return float(colour[0]), float(colour[1]), float(colour[2])


def _mesh(geometry: MeshGeometry, material: Material, tint: Tint = (1.0, 1.0, 1.0)) -> SceneMesh:
    return SceneMesh(Label.BACKGROUND, *geometry, material, is_backdrop=True, tint=tint)
