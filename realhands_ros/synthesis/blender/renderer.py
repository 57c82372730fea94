"""Scenes to Blender and pictures back, over a folder; see worker.py for the other side."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, RealhandsError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.harmonics import sh_basis
from realhands_ros.synthesis.rendering import RenderedView
from realhands_ros.synthesis.scene import Label, Scene, SceneMesh

# An interpreter that has bpy, when the one that runs realhands has not.
PYTHON_VARIABLE = 'REALHANDS_BLENDER_PYTHON'

_WORKER = Path(__file__).with_name('worker.py')
_ENVIRONMENT_SIZE = (32, 64)
_VIEW_NAMES = ('left', 'right')
_ERROR_TAIL = 2000
_WELD_M = 1e-6

FloatArray = NDArray[np.float64]


def blender_python() -> str:
    """
    Return an interpreter that has bpy: this one, or the one that PYTHON_VARIABLE names.

    Raises ConfigError when there is none.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        return named
    if importlib.util.find_spec('bpy') is not None:
        return sys.executable
    message = (
        'Blender is not installed: `pip install realhands[blender]` (Python 3.11), or set '
        f'{PYTHON_VARIABLE} to the interpreter of an environment that has bpy'
    )
    raise ConfigError(message)


class BlenderRenderer:
    """
    Draws scenes with Cycles: path-traced light, random-walk subsurface scattering on skin.

    Every scene is rendered by a fresh process; the picture is one layer (no motion of the hand
    apart from the camera's).
    """

    def __init__(self, *, samples: int = 32, threads: int | None = None) -> None:
        """
        Look for Blender; ConfigError when it is not there.

        ``samples`` a pixel, before denoising; ``threads`` None for all cores.
        """
        self._python = blender_python()
        self._samples = samples
        self._threads = threads

    def render(self, scene: Scene) -> tuple[RenderedView, RenderedView]:
        """Return the left and the right view; RealhandsError with Blender's words if it fails."""
        with tempfile.TemporaryDirectory(prefix='realhands_blender_') as name:
            folder = Path(name)
            self._export(scene, folder)
            done = subprocess.run(
                [self._python, str(_WORKER), str(folder)], capture_output=True, text=True
            )
            if done.returncode != 0:
                message = f'Blender failed: {(done.stdout + done.stderr)[-_ERROR_TAIL:]}'
                raise RealhandsError(message)
            left, right = (_read_view(folder / f'{view}.npz') for view in _VIEW_NAMES)
        return left, right

    def _export(self, scene: Scene, folder: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            'environment_image': _environment_image(scene),
            'key_direction': scene.lighting.key_direction,
            'key_irradiance': scene.lighting.key_irradiance,
        }
        for number, mesh in enumerate(scene.meshes):
            textures = _textures(mesh)
            arrays.update({f'material{number}_{key}': value for key, value in textures.items()})
        groups = _objects(scene.meshes)
        for number, parts in enumerate(groups):
            geometry = _geometry([scene.meshes[part] for part in parts], parts)
            arrays.update({f'object{number}_{key}': value for key, value in geometry.items()})
        np.savez(folder / 'arrays.npz', **arrays)
        description = {
            'samples': self._samples,
            'threads': self._threads,
            'key_radius': scene.lighting.key_radius,
            'materials': [_material(mesh) for mesh in scene.meshes],
            'objects': [
                {'materials': parts, 'is_backdrop': scene.meshes[parts[0]].is_backdrop}
                for parts in groups
            ],
            'cameras': [
                _camera(name, camera)
                for name, camera in zip(_VIEW_NAMES, scene.rig.views, strict=True)
            ],
        }
        (folder / 'scene.json').write_text(json.dumps(description))


def _read_view(path: Path) -> RenderedView:
    with np.load(path) as result:
        radiance = result['radiance']
        return RenderedView(
            background=radiance,
            foreground=np.zeros((*radiance.shape[:2], 4), dtype=np.float32),
            labels=result['labels'],
            depth=result['depth'],
        )


def _objects(meshes: Sequence[SceneMesh]) -> list[list[int]]:
    """
    Return the meshes of each object by number.

    A hand and its bare arm are one, or light under the skin would stop at the wrist.
    """
    groups: dict[object, list[int]] = {}
    for number, mesh in enumerate(meshes):
        is_main = mesh.label in (Label.HAND, Label.ARM)
        key: object = is_main if mesh.material.subsurface > 0 else f'alone {number}'
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _material(mesh: SceneMesh) -> dict[str, Any]:
    return {
        'subsurface': mesh.material.subsurface,
        'specular': mesh.material.specular,
        'emissive': mesh.material.emissive,
    }


def _textures(mesh: SceneMesh) -> dict[str, NDArray[np.generic]]:
    material = mesh.material
    textures: dict[str, NDArray[np.generic]] = {
        'albedo': material.albedo * np.array(mesh.tint, dtype=np.float32),
        'roughness': material.roughness,
    }
    if material.height is not None:
        textures['height'] = material.height
    return textures


def _geometry(meshes: list[SceneMesh], numbers: list[int]) -> dict[str, NDArray[np.generic]]:
    """Return meshes as one, welded where their vertices coincide."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    normals = np.concatenate([mesh.normals for mesh in meshes])
    if len(meshes) > 1:
        cells = np.round(vertices / _WELD_M).astype(np.int64)
        _, first, place = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        vertices, normals, faces = vertices[first], normals[first], place.ravel()[faces]
    return {
        'vertices': vertices,
        'normals': normals,
        'faces': faces,
        'corner_uv': np.concatenate([_corner_uv(mesh) for mesh in meshes]),
        'face_label': np.repeat(
            [float(mesh.label) for mesh in meshes], [len(mesh.faces) for mesh in meshes]
        ),
        'face_part': np.repeat(np.arange(len(numbers)), [len(mesh.faces) for mesh in meshes]),
    }


def _corner_uv(mesh: SceneMesh) -> FloatArray:
    """Return uv (F, 3, 2) as Blender has it: v up, 0 and 1 the picture's edges."""
    height, width = mesh.material.roughness.shape
    size = np.array([width, height])
    uv = (mesh.uv * (size - 1) + 0.5) / size
    return np.asarray(np.stack([uv[:, 0], 1 - uv[:, 1]], axis=-1)[mesh.face_uv])


def _camera(name: str, camera: PinholeCamera) -> dict[str, Any]:
    to_rig = np.eye(4)
    to_rig[:3, :3] = camera.rotation.T
    to_rig[:3, 3] = camera.centre
    return {
        'name': name,
        'size': [camera.width, camera.height],
        'intrinsics': camera.intrinsics.tolist(),
        'to_rig': to_rig.tolist(),
    }


def _environment_image(scene: Scene) -> NDArray[np.float32]:
    """Return the environment as an equirectangular picture as Cycles lays it out."""
    height, width = _ENVIRONMENT_SIZE
    azimuth = np.pi * (1 - 2 * (np.arange(width) + 0.5) / width)
    elevation = np.pi * (0.5 - (np.arange(height) + 0.5) / height)[:, None]
    directions = np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.broadcast_to(np.sin(elevation), (height, width)),
        ],
        axis=-1,
    )
    basis = sh_basis(torch.from_numpy(directions.reshape(-1, 3))).numpy()
    radiance = np.maximum(basis @ scene.lighting.environment, 0.0)
    return radiance.reshape(height, width, 3).astype(np.float32)
