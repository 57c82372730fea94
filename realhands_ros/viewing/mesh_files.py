"""Meshes as Wavefront OBJ, one file a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trimesh

from realhands_ros.errors import ConfigError
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.viewing.picture_output import make_folder, refuse_existing


class MeshFolder:
    """
    A folder that gets an OBJ for each picture in which hands were found.

    A file has one object a hand, named by side and id. Its vertices are metres in the optical
    frame of the camera (x right, y down, z forward), so K projects them onto the picture.
    """

    def __init__(
        self, folder: Path, model_folder: Path | None = None, *, overwrite: bool = False
    ) -> None:
        """Make the folder; ConfigError when that is impossible."""
        model = model_folder or default_model_folder()
        self._faces = {side: load_hand_model_data(model, side).faces for side in ('right', 'left')}
        self._folder, self._overwrite = folder, overwrite
        make_folder(folder)

    def write(self, name: str, meshes: Sequence[HandMesh]) -> Path | None:
        """Write the hands of one picture; None without hands. ConfigError as for pictures."""
        if not meshes:
            return None
        path = self._folder / f'{name}.obj'
        refuse_existing(path, self._overwrite)
        scene = trimesh.Scene()
        for mesh in meshes:
            solid = trimesh.Trimesh(mesh.vertices_cam, self._faces[mesh.handedness], process=False)
            title = f'{mesh.handedness}_{mesh.id[:8]}'
            scene.add_geometry(solid, geom_name=title, node_name=title)
        text = trimesh.exchange.obj.export_obj(  # type: ignore[no-untyped-call]
            scene, include_normals=False, include_color=False, header=None, digits=6
        )
        try:
            path.write_text(str(text))
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror}): choose another --save-meshes'
            raise ConfigError(message) from error
        return path
