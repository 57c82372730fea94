"""OBJ, MTL and texture belong together."""

import cv2
import numpy as np
import pytest
import trimesh

from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.wavefront import write_obj


@pytest.mark.parametrize('side', ['right', 'left'])
def test_it_comes_back_with_its_texture(rigs, tmp_path, side) -> None:
    written = write_obj(rigs[side], tmp_path / 'me.obj')
    assert {path.name for path in written} == {'me.obj', 'me.mtl', 'me_skin.png'}
    mesh = trimesh.load(tmp_path / 'me.obj', process=False)
    assert len(mesh.faces) == 1538
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    expected = rigs[side].vertices[rigs[side].faces].reshape(-1, 3)
    np.testing.assert_allclose(corners.mean(axis=0), expected.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(mesh.visual.uv.min(axis=0), rigs[side].uv.min(axis=0), atol=1e-6)
    picture = cv2.imread(str(tmp_path / 'me_skin.png'))[..., ::-1]
    np.testing.assert_array_equal(picture, rigs[side].atlas)
    assert 'map_Kd me_skin.png' in (tmp_path / 'me.mtl').read_text()
    assert 'mtllib me.mtl' in (tmp_path / 'me.obj').read_text()


def test_unwritable_places_are_named(rigs, tmp_path) -> None:
    with pytest.raises(ConfigError, match='cannot be written'):
        write_obj(rigs['right'], tmp_path / 'missing' / 'me.obj')
