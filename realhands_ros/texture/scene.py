"""All hands of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SceneOfHands:
    """
    All hands of a frame, which hide one another.

    ``vertices`` (V, 3) metres in the rig's frame and ``faces`` (F, 3), the hands one after the
    other; those of hand i are ``vertex_starts[i]`` to ``[i + 1]``, its faces likewise.
    """

    vertices: FloatArray
    faces: NDArray[np.int64]
    vertex_starts: tuple[int, ...]
    face_starts: tuple[int, ...]

    @classmethod
    def of(cls, hands: Sequence[tuple[FloatArray, NDArray[np.int64]]]) -> SceneOfHands:
        """Join hands, each with vertices (778, 3) and faces (1538, 3)."""
        vertex_starts = [0, *np.cumsum([len(vertices) for vertices, _ in hands])]
        face_starts = [0, *np.cumsum([len(faces) for _, faces in hands])]
        return cls(
            np.concatenate([np.empty((0, 3)), *(vertices for vertices, _ in hands)]),
            np.concatenate(
                [np.empty((0, 3), np.int64)]
                + [faces + start for (_, faces), start in zip(hands, vertex_starts, strict=False)]
            ),
            tuple(int(start) for start in vertex_starts),
            tuple(int(start) for start in face_starts),
        )
