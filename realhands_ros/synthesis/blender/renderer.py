"""Scenes to Blender and pictures back, over a folder; see worker.py for the other side."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, RealhandsError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.harmonics import sh_basis
from realhands_ros.synthesis.rendering import RenderedView
from realhands_ros.synthesis.scene import Scene, SceneMesh

# An interpreter that has bpy, when the one that runs realhands has not.
PYTHON_VARIABLE = 'REALHANDS_BLENDER_PYTHON'

_WORKER = Path(__file__).with_name('worker.py')
_ENVIRONMENT_SIZE = (32, 64)
_VIEW_NAMES = ('left', 'right')
_ERROR_TAIL = 2000


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
            arrays.update({f'{number}_{key}': value for key, value in _arrays(mesh).items()})
        np.savez(folder / 'arrays.npz', **arrays)
        description = {
            'samples': self._samples,
            'threads': self._threads,
            'key_radius': scene.lighting.key_radius,
            'meshes': [_description(mesh) for mesh in scene.meshes],
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


def _description(mesh: SceneMesh) -> dict[str, Any]:
    return {
        'label': int(mesh.label),
        'is_backdrop': mesh.is_backdrop,
        'subsurface': mesh.material.subsurface,
        'specular': mesh.material.specular,
        'emissive': mesh.material.emissive,
    }


def _arrays(mesh: SceneMesh) -> dict[str, NDArray[np.generic]]:
    material = mesh.material
    height, width = material.roughness.shape
    # Blender's v points up, and 0 and 1 are the edges of the picture, not the middles of texels.
    size = np.array([width, height])
    uv = (mesh.uv * (size - 1) + 0.5) / size
    corner_uv = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=-1)[mesh.face_uv]
    arrays = {
        'vertices': mesh.vertices,
        'faces': mesh.faces,
        'normals': mesh.normals,
        'corner_uv': corner_uv,
        'albedo': material.albedo * np.array(mesh.tint, dtype=np.float32),
        'roughness': material.roughness,
    }
    if material.height is not None:
        arrays['height'] = material.height
    return arrays


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
