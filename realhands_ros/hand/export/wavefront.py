"""A hand in its rest pose as Wavefront OBJ, with MTL and texture beside it."""

from __future__ import annotations

from pathlib import Path

import trimesh
from PIL import Image as PillowImage

from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.rig import HandRig

# The material leaves the texture's colours as they are.
_WHITE, _BLACK = (255, 255, 255, 255), (0, 0, 0, 255)


def write_obj(rig: HandRig, path: Path | str) -> tuple[Path, ...]:
    """
    Write ``NAME.obj``, ``NAME.mtl`` and the texture ``NAME_skin.png``; return their paths.

    Raises ConfigError when they cannot be written.
    """
    path = Path(path)
    vertex, uv, faces = rig.split_at_seams()
    picture = PillowImage.fromarray(rig.atlas)
    material = trimesh.visual.material.SimpleMaterial(  # type: ignore[no-untyped-call]
        image=picture, diffuse=_WHITE, ambient=_WHITE, specular=_BLACK, name=f'{path.stem}_skin'
    )
    skin = trimesh.visual.TextureVisuals(  # type: ignore[no-untyped-call]
        uv=rig.uv[uv], material=material
    )
    mesh = trimesh.Trimesh(
        rig.vertices[vertex], faces, vertex_normals=rig.normals[vertex], visual=skin, process=False
    )
    text, files = trimesh.exchange.obj.export_obj(  # type: ignore[no-untyped-call]
        mesh, include_normals=True, return_texture=True, mtl_name=f'{path.stem}.mtl'
    )
    contents = {path.name: text.encode(), **files}
    try:
        for name, data in contents.items():
            (path.parent / name).write_bytes(data)
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error
    return tuple(path.parent / name for name in contents)
