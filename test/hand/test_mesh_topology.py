"""A topology's key tells hands and models apart."""

import numpy as np

from realhands_ros.hand.mesh_topology import load_mesh_topology
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.uv_atlas import load_uv_atlas


def test_a_right_topology_has_the_key_of_its_atlas():
    folder = default_model_folder()
    assert load_mesh_topology(folder, 'right').key == load_uv_atlas(folder, 'right').key


def test_the_hands_have_topologies_of_their_own():
    folder = default_model_folder()
    right, left = (load_mesh_topology(folder, side) for side in ('right', 'left'))
    assert right.key != left.key
    assert np.array_equal(right.uv, left.uv)
    assert not np.array_equal(right.faces, left.faces)


def test_faces_are_counter_clockwise_seen_from_outside():
    """Else the enclosed volume would be negative."""
    folder = default_model_folder()
    for side in ('right', 'left'):
        corners = load_hand_model_data(folder, side).v_template[
            load_mesh_topology(folder, side).faces
        ]
        volumes = np.einsum('fi,fi->f', corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
        assert volumes.sum() > 0
