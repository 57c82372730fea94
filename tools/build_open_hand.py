"""
Builds the open hand from its source: model files of both hands and the texture atlas.

    python -m tools.build_open_hand [--glb right.glb] [--out models/mano]

Fetches the source with ``npm pack`` when no glb is named; takes about two minutes. The same source
gives the same files.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from realhands_ros.data.topology import JOINT_PARENTS
from realhands_ros.hand.build_uv_atlas import build_and_save
from realhands_ros.hand.model_file import (
    NUM_FINGER_POSE,
    HandModelData,
    default_model_folder,
    save_hand_model_data,
)
from tools.build_pose_statistics import write_pose_statistics
from tools.open_hand.mesh import build_mesh
from tools.open_hand.pose_correctives import pose_correctives
from tools.open_hand.rest_pose import flat_adult_hand
from tools.open_hand.shape_space import build_shape_space, joint_regressor
from tools.open_hand.source import RiggedHand, download_glb, read_rigged_hand
from tools.open_hand.surface import subdivided, transferred_weights

_SUBDIVISION_LEVELS = 2

# Directions are kept to a tenth of a nanometre, so that the last digits of the linear algebra,
# which change with its number of threads, do not show in the file.
_DECIMALS = 10


def build_template(source: RiggedHand) -> RiggedHand:
    """Return the model's rest pose from the source hand: 778 vertices with skin weights."""
    surface = subdivided(flat_adult_hand(source), levels=_SUBDIVISION_LEVELS)
    mesh = build_mesh(surface)
    return RiggedHand(
        vertices=mesh.vertices,
        faces=mesh.faces,
        skin_weights=transferred_weights(surface, mesh.vertices),
        joints=surface.joints,
        tip_joints=surface.tip_joints,
    )


def build_model(glb_path: Path) -> HandModelData:
    """Build the right hand's model from the source's glb. Raises ModelFileError."""
    template = build_template(read_rigged_hand(glb_path))
    space = build_shape_space(template)
    return HandModelData(
        v_template=template.vertices,
        shapedirs=space.vertices.round(_DECIMALS),
        posedirs=pose_correctives(template).round(_DECIMALS),
        joint_regressor=joint_regressor(template, space),
        skin_weights=template.skin_weights,
        faces=template.faces,
        parents=np.array(JOINT_PARENTS),
        # Pose statistics need a finished model to draw poses of: see main().
        hands_mean=np.zeros(NUM_FINGER_POSE),
        hands_components=np.eye(NUM_FINGER_POSE),
        handedness='right',
    )


def main() -> None:
    """Build both hands and their atlas and write them to the model folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().splitlines()[0])
    parser.add_argument('--glb', type=Path, help='the source hand; else `npm pack` fetches it')
    parser.add_argument('--out', type=Path, help='folder to write to (default models/mano)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = build_model(args.glb or download_glb(Path(scratch)))
    folder = args.out or default_model_folder()
    save_hand_model_data(model, folder)
    write_pose_statistics(folder)
    atlas = build_and_save(folder)
    print(f'{folder}: both hands and their atlas with key {atlas.key}')


if __name__ == '__main__':
    main()
