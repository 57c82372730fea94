"""Remeshing of a patch, and strips of triangles that join it to its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from realhands_ros.errors import ModelFileError
from tools.open_hand.source import FloatArray, IntArray

# Incremental remeshing of a patch to a given edge length and an exact number of vertices.
#
# After Botsch and Kobbelt, "A Remeshing Approach to Multiresolution Modeling" (2004): split long
# edges, collapse short ones, flip edges towards regular valences, relax tangentially and project
# back onto the smooth surface. Some vertices are fixed: they keep their place and are never
# collapsed.

Edge = tuple[int, int]
Triangle = tuple[int, int, int]
SizeField = Callable[[FloatArray], FloatArray]
Projection = Callable[[FloatArray], FloatArray]
Distance = Callable[[FloatArray], FloatArray]

_TOO_LONG = 4.0 / 3.0
_TOO_SHORT = 4.0 / 5.0
# No operation may turn a face by more than this (cosine) or leave it flatter than this shape
# (4 sqrt(3) area / sum of squared edges, 1 for an equilateral triangle).
_MIN_NORMAL_COSINE = 0.5
_MIN_SHAPE = 0.25
# The middle of a new edge keeps within this distance of the smooth surface, metres: an edge across
# a web would close the space between two fingers.
_MAX_DEVIATION = 0.002
# What a rise of the worse face's shape by 1 is worth, in squared valence excess.
_SHAPE_WEIGHT = 20.0


class PatchMesh:
    """
    A triangle patch that can be edited edge by edge.

    Its boundary vertices must be fixed. No edit joins two fixed vertices by an edge, so that there
    is always a free vertex on the way from one boundary loop to another, as in the webs; nor makes
    it an edge that leaves the smooth surface, to which ``distance`` measures.
    """

    def __init__(
        self, vertices: FloatArray, faces: IntArray, fixed: set[int], distance: Distance
    ) -> None:
        self.points: dict[int, FloatArray] = dict(enumerate(np.asarray(vertices, dtype=float)))
        self.triangles: dict[int, Triangle] = {}
        self.fans: dict[int, set[int]] = {vertex: set() for vertex in self.points}
        self.fixed = set(fixed)
        self._distance = distance
        for a, b, c in faces.tolist():
            self._add((a, b, c))
        self._next_vertex = len(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def edges(self) -> list[Edge]:
        """Return each edge once, lower vertex first, in a fixed order."""
        return sorted({(min(e), max(e)) for t in self.triangles.values() for e in _sides(t)})

    def length(self, edge: Edge) -> float:
        """Return the length of an edge."""
        return float(np.linalg.norm(self.points[edge[0]] - self.points[edge[1]]))

    def neighbours(self, vertex: int) -> set[int]:
        """Return the vertices joined to ``vertex`` by an edge."""
        return {v for face in self.fans[vertex] for v in self.triangles[face]} - {vertex}

    def faces_at(self, edge: Edge) -> set[int]:
        """Return the one or two faces at an edge; none when there is no such edge."""
        return self.fans.get(edge[0], set()) & self.fans.get(edge[1], set())

    def split(self, edge: Edge) -> bool:
        """Put a vertex on the middle of an inner edge."""
        shared = self.faces_at(edge)
        if len(shared) != 2:
            return False
        middle = self._next_vertex
        self._next_vertex += 1
        self.points[middle] = 0.5 * (self.points[edge[0]] + self.points[edge[1]])
        self.fans[middle] = set()
        for face in sorted(shared):
            triangle = self.triangles[face]
            self._remove(face)
            for end in edge:
                self._add(_replaced(triangle, end, middle))
        return True

    def collapse(self, edge: Edge) -> bool:
        """Merge an edge into its middle or its fixed end; refuse what would harm the mesh."""
        kept, gone = edge if edge[0] in self.fixed else edge[::-1]
        shared = self.faces_at(edge)
        common = self.neighbours(kept) & self.neighbours(gone)
        if gone in self.fixed or len(shared) != 2 or len(common) != 2:
            return False
        if any(len(self.fans[v]) <= 4 and v not in self.fixed for v in common):
            return False
        new_neighbours = self.neighbours(gone) - self.neighbours(kept) - {kept}
        if kept in self.fixed and new_neighbours & self.fixed:
            return False
        place = self.points[kept]
        if kept not in self.fixed:
            place = 0.5 * (place + self.points[gone])
        moved = (self.fans[kept] | self.fans[gone]) - shared
        if not all(self._stays_sound(face, {kept: place, gone: place}) for face in moved):
            return False
        ring = (self.neighbours(kept) | self.neighbours(gone)) - {kept, gone}
        if not self._near_surface([0.5 * (place + self.points[v]) for v in sorted(ring)]):
            return False
        self.points[kept] = place
        for face in shared:
            self._remove(face)
        for face in sorted(self.fans[gone]):
            triangle = self.triangles[face]
            self._remove(face)
            self._add(_replaced(triangle, gone, kept))
        del self.points[gone], self.fans[gone]
        return True

    def flip(self, edge: Edge) -> bool:
        """Turn an inner edge into the other diagonal when that makes the valences more even."""
        shared = sorted(self.faces_at(edge))
        if len(shared) != 2:
            return False
        first, second = (self.triangles[face] for face in shared)
        (c,), (d,) = set(first) - set(edge), set(second) - set(edge)
        if d in self.neighbours(c) or {c, d} <= self.fixed:
            return False
        new = (_replaced(first, edge[0], d), _replaced(second, edge[1], c))
        if self._flip_gain(edge, (c, d), new) <= 0.0:
            return False
        if not self._near_surface([0.5 * (self.points[c] + self.points[d])]):
            return False
        for face in shared:
            self._remove(face)
        for triangle in new:
            self._add(triangle)
        return True

    def relax(self, project: Projection, step: float = 0.6) -> None:
        """Move free vertices towards the area-weighted middle of their fans, along the surface."""
        free = sorted(set(self.points) - self.fixed)
        targets = np.stack([self._relaxed(vertex, step) for vertex in free])
        projected = project(targets)
        for vertex, place in zip(free, projected, strict=True):
            if all(self._stays_sound(face, {vertex: place}) for face in self.fans[vertex]):
                self.points[vertex] = place

    def arrays(self) -> tuple[FloatArray, IntArray]:
        """Return vertices and faces; the vertices keep their order."""
        kept = sorted(self.points)
        index = {vertex: row for row, vertex in enumerate(kept)}
        triangles = [self.triangles[face] for face in sorted(self.triangles)]
        faces = np.array([[index[vertex] for vertex in triangle] for triangle in triangles])
        return np.stack([self.points[vertex] for vertex in kept]), faces

    def _flip_gain(self, edge: Edge, tips: Edge, new: tuple[Triangle, Triangle]) -> float:
        old = [self.triangles[face] for face in self.faces_at(edge)]
        normals = [_normal(*(self.points[v] for v in triangle)) for triangle in (*old, *new)]
        mean = normals[0] + normals[1]
        if any(normal @ mean <= _MIN_NORMAL_COSINE * np.linalg.norm(normal) * np.linalg.norm(mean)
               for normal in normals[2:]):  # fmt: skip
            return -1.0
        shape_before = min(self._shape(triangle) for triangle in old)
        shape_after = min(self._shape(triangle) for triangle in new)
        if shape_after < _MIN_SHAPE and shape_after < shape_before:
            return -1.0
        change = 0
        for vertex, delta in ((edge[0], -1), (edge[1], -1), (tips[0], 1), (tips[1], 1)):
            if vertex not in self.fixed:
                excess = len(self.fans[vertex]) - 6
                change += excess**2 - (excess + delta) ** 2
        return change + _SHAPE_WEIGHT * (shape_after - shape_before)

    def _near_surface(self, points: list[FloatArray]) -> bool:
        return bool((self._distance(np.stack(points)) <= _MAX_DEVIATION).all())

    def _shape(self, triangle: Triangle) -> float:
        return _triangle_shape(*(self.points[v] for v in triangle))

    def _relaxed(self, vertex: int, step: float) -> FloatArray:
        place = self.points[vertex]
        middle, normal, total = np.zeros(3), np.zeros(3), 0.0
        for face in sorted(self.fans[vertex]):
            corners = [self.points[v] for v in self.triangles[face]]
            face_normal = _normal(*corners)
            area = float(np.linalg.norm(face_normal))
            middle += area * (corners[0] + corners[1] + corners[2]) / 3.0
            normal += face_normal
            total += area
        shift = middle / total - place
        normal /= np.linalg.norm(normal)
        return np.asarray(place + step * (shift - (shift @ normal) * normal))

    def _stays_sound(self, face: int, moved: dict[int, FloatArray]) -> bool:
        triangle = self.triangles[face]
        old = [self.points[v] for v in triangle]
        new = [moved.get(v, self.points[v]) for v in triangle]
        before, after = _normal(*old), _normal(*new)
        limit = _MIN_NORMAL_COSINE * np.linalg.norm(before) * np.linalg.norm(after)
        shape_after = _triangle_shape(*new)
        return bool(
            before @ after > limit
            and (shape_after > _MIN_SHAPE or shape_after > _triangle_shape(*old))
        )

    def _add(self, triangle: Triangle) -> None:
        face = next(reversed(self.triangles), -1) + 1
        self.triangles[face] = triangle
        for vertex in triangle:
            self.fans[vertex].add(face)

    def _remove(self, face: int) -> None:
        for vertex in self.triangles.pop(face):
            self.fans[vertex].discard(face)


def remeshed(
    patch: PatchMesh, size: SizeField, project: Projection, num_vertices: int
) -> tuple[FloatArray, IntArray]:
    """
    Remesh a patch to ``num_vertices`` vertices, its edges in proportion to ``size``.

    Returns vertices and faces. The fixed vertices come first if they were the patch's first.
    Raises ModelFileError when no further edit reaches the number.
    """
    factor = 1.0
    for _ in range(8):
        for _ in range(3):
            _improve(patch, size, factor, project)
        factor *= (len(patch) / num_vertices) ** 0.4
    for _ in range(8):
        _reach_count(patch, size, num_vertices)
        _flip_all(patch)
        for _ in range(4):
            patch.relax(project)
    for _ in range(10):
        _flip_all(patch)
        patch.relax(project)
    return patch.arrays()


def _improve(patch: PatchMesh, size: SizeField, factor: float, project: Projection) -> None:
    for edge, ratio in _edges_by_ratio(patch, size, factor, longest_first=True):
        if ratio <= _TOO_LONG:
            break
        patch.split(edge)
    for edge, ratio in _edges_by_ratio(patch, size, factor, longest_first=False):
        if ratio >= _TOO_SHORT:
            break
        if patch.faces_at(edge):
            patch.collapse(edge)
    _flip_all(patch)
    patch.relax(project)


def _reach_count(patch: PatchMesh, size: SizeField, num_vertices: int) -> None:
    while len(patch) != num_vertices:
        too_many = len(patch) > num_vertices
        for edge, _ in _edges_by_ratio(patch, size, 1.0, longest_first=not too_many):
            if patch.collapse(edge) if too_many else patch.split(edge):
                break
        else:
            message = (
                f'the palm cannot be brought from {len(patch)} to {num_vertices} vertices; the '
                'source is not the hand that this script was written for'
            )
            raise ModelFileError(message)


def _flip_all(patch: PatchMesh) -> None:
    for edge in patch.edges():
        if len(patch.faces_at(edge)) == 2:
            patch.flip(edge)


def _edges_by_ratio(
    patch: PatchMesh, size: SizeField, factor: float, *, longest_first: bool
) -> Iterator[tuple[Edge, float]]:
    """Yield edges with length over ``factor * size``, as they were when the iteration began."""
    edges = patch.edges()
    ends = np.array([[patch.points[a], patch.points[b]] for a, b in edges])
    wanted = factor * size(ends.mean(axis=1))
    ratios = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) / wanted
    order = np.argsort(-ratios if longest_first else ratios, kind='stable')
    for row in order.tolist():
        yield edges[row], float(ratios[row])


def _sides(triangle: Triangle) -> tuple[Edge, Edge, Edge]:
    a, b, c = triangle
    return (a, b), (b, c), (c, a)


def _replaced(triangle: Triangle, old: int, new: int) -> Triangle:
    a, b, c = (new if vertex == old else vertex for vertex in triangle)
    return a, b, c


def _normal(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Return the face normal with twice the area as its length."""
    (x1, y1, z1), (x2, y2, z2) = (b - a).tolist(), (c - a).tolist()
    return np.array([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2])


def _triangle_shape(a: FloatArray, b: FloatArray, c: FloatArray) -> float:
    squares = sum(float((p - q) @ (p - q)) for p, q in ((a, b), (b, c), (c, a)))
    return float(2.0 * np.sqrt(3.0) * np.linalg.norm(_normal(a, b, c)) / squares)


# Boundary loops of a mesh, and strips of triangles that join them to new loops.


def bridged(
    vertices: FloatArray, faces: IntArray, loops: list[FloatArray]
) -> tuple[FloatArray, IntArray]:
    """Join each boundary loop of the faces to the nearest of ``loops``; these come first."""
    used, compact = np.unique(faces, return_inverse=True)
    num_fixed = sum(len(loop) for loop in loops)
    patch_faces = compact.reshape(-1, 3) + num_fixed
    joined = np.vstack([*loops, vertices[used]])
    all_faces = [patch_faces]
    starts = np.cumsum([0, *(len(loop) for loop in loops)])
    for boundary in boundary_loops(patch_faces):
        middle = joined[boundary].mean(axis=0)
        nearest = int(np.argmin([np.linalg.norm(loop.mean(axis=0) - middle) for loop in loops]))
        ring = np.arange(starts[nearest], starts[nearest + 1])
        all_faces.append(_zipped(joined, boundary, ring))
    return joined, np.vstack(all_faces)


def _zipped(vertices: FloatArray, boundary: IntArray, ring: IntArray) -> IntArray:
    """
    Fill the strip between a boundary and a ring with triangles.

    ``boundary`` runs with its faces on the left; the ring may run either way.
    """
    middle = vertices[boundary].mean(axis=0)
    turn = _loop_normal(vertices[boundary]) @ _loop_normal(vertices[ring])
    if turn < 0.0:
        ring = ring[::-1]
    first = int(np.argmin(np.linalg.norm(vertices[ring] - vertices[boundary[0]], axis=1)))
    ring = np.roll(ring, -first)
    normal = _loop_normal(vertices[boundary])
    outer = _turns(vertices[np.append(boundary, boundary[0])] - middle, normal)
    inner = _turns(vertices[np.append(ring, ring[0])] - middle, normal, outer[0])
    i = j = 0
    faces = []
    while i < len(boundary) or j < len(ring):
        a, b = boundary[i % len(boundary)], ring[j % len(ring)]
        advance = i < len(boundary) and (j == len(ring) or outer[i + 1] <= inner[j + 1])
        if advance:
            i += 1
            faces.append((boundary[i % len(boundary)], a, b))
        else:
            j += 1
            faces.append((ring[j % len(ring)], a, b))
    return np.array(faces)


def _turns(arms: FloatArray, normal: FloatArray, near: float = 0.0) -> FloatArray:
    """Return the unwrapped angles of arms about a normal; the first lies within pi of ``near``."""
    across = np.cross(normal, [0.36, 0.48, 0.8])
    across /= np.linalg.norm(across)
    angles = np.unwrap(np.arctan2(arms @ np.cross(normal, across), arms @ across))
    return np.asarray(angles - 2.0 * np.pi * np.round((angles[0] - near) / (2.0 * np.pi)))


def _loop_normal(loop: FloatArray) -> FloatArray:
    """Return the unit normal about which a loop runs counter-clockwise."""
    arms = loop - loop.mean(axis=0)
    normal = np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0)
    return np.asarray(normal / np.linalg.norm(normal))


def boundary_loops(faces: IntArray) -> list[IntArray]:
    """Return the boundary loops of a mesh, each running with its faces on the left."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, first, count = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    following = dict(edges[first[count == 1]].tolist())
    loops = []
    while following:
        vertex = min(following)
        loop = []
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(np.array(loop))
    return loops
