""""""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.build_uv_atlas import MARGIN, atlas_coverage, stretch_outliers
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    FILE_KEYS,
    FILE_NAME,
    HandModelData,
    UvAtlas,
    default_model_folder,
    hand_model_data_from_arrays,
    load_hand_model_data,
    load_mesh_topology,
    load_uv_atlas,
    mirrored_hand_model_data,
    save_hand_model_data,
)


def test_round_trip_through_a_folder(random_model_data, tmp_path: Path) -> None:
    data = random_model_data()
    path = save_hand_model_data(data, tmp_path / 'new')
    assert path == tmp_path / 'new' / 'MANO_RIGHT.npz'
    loaded = load_hand_model_data(tmp_path / 'new')
    for name, value in vars(data).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)


def test_default_folder_is_the_source_tree() -> None:
    assert default_model_folder() == Path(__file__).parents[2] / 'models' / 'mano'


def test_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r'MANO_LEFT\.npz does not exist.*hand import'):
        load_hand_model_data(tmp_path, 'left')


@pytest.mark.parametrize('keep', [0, 10, 5000])
def test_truncated_file(random_model_data, tmp_path: Path, keep: int) -> None:
    path = save_hand_model_data(random_model_data(), tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match='cannot be read'):
        load_hand_model_data(tmp_path)


def test_flipped_bytes_are_noticed(random_model_data, tmp_path: Path) -> None:
    path = save_hand_model_data(random_model_data(), tmp_path)
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match='cannot be read'):
        load_hand_model_data(tmp_path)


def test_pickled_objects_are_refused(random_model_arrays, tmp_path: Path) -> None:
    arrays = random_model_arrays()
    arrays['J_regressor'] = np.array({'an': 'object'}, dtype=object)
    np.savez(tmp_path / 'MANO_RIGHT.npz', **arrays)
    with pytest.raises(ModelFileError, match='hand import'):
        load_hand_model_data(tmp_path)


@pytest.mark.parametrize('key', FILE_KEYS)
def test_missing_key_is_named(random_model_arrays, key: str) -> None:
    arrays = random_model_arrays()
    del arrays[key]
    with pytest.raises(ModelFileError, match=f'this file lacks {key}'):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


@pytest.mark.parametrize('key', FILE_KEYS)
def test_wrong_shape_is_named(random_model_arrays, key: str) -> None:
    arrays = random_model_arrays()
    arrays[key] = arrays[key][:-1]
    with pytest.raises(ModelFileError, match=f'{key} of this file has shape'):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


def _set(key: str, index: tuple[int, ...], value: float):
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[key] = arrays[key].astype(np.float64)
        arrays[key][index] = value

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_set('v_template', (3, 1), np.nan), 'v_template of this file holds NaN'),
        (_set('f', (0, 0), 778), r'faces .* name vertices 0\.\.778'),
        (_set('weights', (5, 2), 2.0), 'skin weights .* must sum to 1'),
        (_set('kintree_table', (0, 4), 3), 'kintree_table .* has parents'),
        (lambda arrays: arrays.update(f=np.array(['a'])), 'f of this file has type'),
    ],
)
def test_bad_values_are_named(random_model_arrays, change, message: str) -> None:
    arrays = random_model_arrays()
    change(arrays)
    with pytest.raises(ModelFileError, match=message):
        hand_model_data_from_arrays(arrays, 'right', source='this file')


def test_official_conventions_are_accepted(random_model_arrays) -> None:
    arrays = random_model_arrays()
    arrays['kintree_table'] = arrays['kintree_table'].astype(np.uint32)  # -1 wraps around
    extra = np.ones((778, 3, 10))
    expected = arrays['shapedirs']
    arrays['shapedirs'] = np.concatenate([expected, extra], axis=2)
    data = hand_model_data_from_arrays(arrays, 'right', source='this file')
    assert data.parents[0] == -1
    np.testing.assert_array_equal(data.shapedirs, expected)


def test_mirrored_model_gives_the_mirror_image(random_model_data) -> None:
    right = random_model_data()
    left = mirrored_hand_model_data(right)
    assert (right.handedness, left.handedness) == ('right', 'left')
    generator = torch.Generator().manual_seed(0)
    pose = 0.5 * torch.randn(8, 48, generator=generator, dtype=torch.float64)
    shape = torch.randn(8, 10, generator=generator, dtype=torch.float64)
    mirrored_pose = pose * torch.tensor([1.0, -1.0, -1.0]).repeat(16)
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    for relative_to in ('flat', 'mean'):
        expected = HandModel(right, dtype=torch.float64)(pose, shape, relative_to=relative_to)
        result = HandModel(left, dtype=torch.float64)(
            mirrored_pose, shape, relative_to=relative_to
        )
        for ours, theirs in zip(result, expected, strict=True):
            torch.testing.assert_close(ours, theirs * mirror, rtol=0, atol=1e-12)


def test_mirroring_twice_is_the_identity(random_model_data) -> None:
    data = random_model_data()
    twice = mirrored_hand_model_data(mirrored_hand_model_data(data))
    for name, value in vars(data).items():
        np.testing.assert_array_equal(getattr(twice, name), value)


# The committed texture atlas, and how atlases are read and made.

TEXELS = 1024


@pytest.fixture(scope='module')
def data() -> HandModelData:
    return load_hand_model_data(default_model_folder())


@pytest.fixture(scope='module')
def atlas() -> UvAtlas:
    return load_uv_atlas(default_model_folder())


@pytest.fixture(scope='module')
def islands(atlas: UvAtlas) -> np.ndarray:
    """Return the island of each face, found by walking over shared uv corners."""
    labels = np.arange(len(atlas.uv))
    while True:
        lowest = labels[atlas.face_uv].min(axis=1)
        spread = labels.copy()
        np.minimum.at(spread, atlas.face_uv, lowest[:, None])
        if np.array_equal(spread, labels):
            return np.unique(labels[atlas.face_uv[:, 0]], return_inverse=True)[1]
        labels = spread


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the open hand's folder."""
    return Path(shutil.copytree(default_model_folder(), tmp_path / 'mano'))


def _texels_inside(triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the texel centres strictly inside a uv triangle."""
    corners = triangle.astype(np.float64) * TEXELS - 0.5
    low = np.ceil(corners.min(axis=0)).astype(int)
    high = np.floor(corners.max(axis=0)).astype(int)
    columns, rows = np.meshgrid(
        np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)
    )  # fmt: skip
    inside = np.ones(columns.shape, dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge = end - start
        inside &= edge[0] * (rows - start[1]) - edge[1] * (columns - start[0]) > 1e-9
    return rows[inside], columns[inside]


def test_no_texel_belongs_to_two_faces_and_none_is_turned_over(atlas: UvAtlas) -> None:
    count = np.zeros((TEXELS, TEXELS), dtype=int)
    for triangle in atlas.uv[atlas.face_uv]:
        count[_texels_inside(triangle)] += 1
    assert count.max() == 1
    # Turned over, a triangle would have no texel inside.
    assert count.sum() / TEXELS**2 == pytest.approx(atlas_coverage(atlas), rel=0.01)
    a, b, c = np.moveaxis(atlas.uv[atlas.face_uv], 1, 0)
    assert (np.cross(b - a, c - a) > 0).all()


def test_islands_keep_their_margins(atlas: UvAtlas, islands: np.ndarray) -> None:
    assert islands.max() == 1
    margin = int(MARGIN * TEXELS)
    masks = np.zeros((2, TEXELS, TEXELS), dtype=np.uint8)
    for island, triangle in zip(islands, atlas.uv[atlas.face_uv], strict=True):
        masks[island][_texels_inside(triangle)] = 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin - 1, 2 * margin - 1))
    assert not (cv2.dilate(masks[0], kernel) & masks[1]).any()
    used = masks.any(axis=0)
    border = margin - 1
    assert not used[:border].any()
    assert not used[-border:].any()
    assert not used[:, :border].any()
    assert not used[:, -border:].any()


def test_few_faces_are_stretched(data: HandModelData, atlas: UvAtlas) -> None:
    assert stretch_outliers(data, atlas).mean() < 0.10


def test_stretch_outliers_are_found(data: HandModelData, atlas: UvAtlas) -> None:
    squeezed = UvAtlas(atlas.uv * np.float32([1, 0.3]), atlas.face_uv, atlas.key)
    assert stretch_outliers(data, squeezed).mean() > 0.9


def test_the_square_is_used(atlas: UvAtlas) -> None:
    assert atlas_coverage(atlas) > 0.38


def test_seams_run_along_the_sides(data: HandModelData, islands: np.ndarray) -> None:
    """The middles of palm, back and every finger's front and back are far from any seam."""
    corners = data.v_template[data.faces]
    centres = corners.mean(axis=1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    fingers = data.skin_weights[data.faces][:, :, 1:13].sum(axis=(1, 2)) > 1.5
    thumb = data.skin_weights[data.faces][:, :, 13:].sum(axis=(1, 2)) > 0.6
    palm_island = islands[(normals[:, 1] < -0.95) & ~thumb][0]
    facing = np.abs(normals[:, 1]) > np.where(fingers, 0.6, 0.75)
    expected = np.where(normals[:, 1] < 0, palm_island, 1 - palm_island)
    checked = facing & ~thumb
    assert np.array_equal(islands[checked], expected[checked])
    # No seam within 15 mm of the middle of the palm and of the back.
    joints = data.joint_regressor @ data.v_template
    middle = (joints[0] + joints[4]) / 2
    near = np.linalg.norm((centres - middle)[:, [0, 2]], axis=1) < 0.015
    assert near.sum() > 10
    assert np.array_equal(islands[near], expected[near])


def test_both_hands_share_the_atlas(data: HandModelData, atlas: UvAtlas) -> None:
    left_data = load_hand_model_data(default_model_folder(), 'left')
    left = load_uv_atlas(default_model_folder(), 'left')
    assert left.key == atlas.key
    assert np.array_equal(left.uv, atlas.uv)
    by_corner = {
        (frozenset(face), vertex): uv
        for face, corners in zip(data.faces.tolist(), atlas.face_uv.tolist(), strict=True)
        for vertex, uv in zip(face, corners, strict=True)
    }
    for face, corners in zip(left_data.faces.tolist(), left.face_uv.tolist(), strict=True):
        assert corners == [by_corner[frozenset(face), vertex] for vertex in face]


def test_a_folder_without_an_atlas_gets_one(folder: Path, atlas: UvAtlas) -> None:
    (folder / FILE_NAME).unlink()
    made = load_uv_atlas(folder)
    assert (folder / FILE_NAME).is_file()
    assert np.abs(made.uv - atlas.uv).max() < 0.01
    assert np.array_equal(load_uv_atlas(folder).uv, made.uv)


def test_a_folder_that_cannot_be_written_is_named(folder: Path, monkeypatch) -> None:
    (folder / FILE_NAME).unlink()

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'replace', refuse)
    with pytest.raises(ModelFileError, match='cannot be written .Permission denied'):
        load_uv_atlas(folder)


def test_an_atlas_of_another_mesh_is_refused(folder: Path) -> None:
    with np.load(folder / FILE_NAME) as archive:
        arrays = dict(archive)
    arrays['uv'][0] += 0.001
    np.savez(folder / FILE_NAME, **arrays)
    with pytest.raises(ModelFileError, match='another mesh'):
        load_uv_atlas(folder)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 cut off', b'not an archive'])
def test_a_damaged_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / FILE_NAME).write_bytes(content)
    with pytest.raises(ModelFileError, match='cannot be read'):
        load_uv_atlas(folder)


def test_wrong_shapes_are_refused(folder: Path) -> None:
    np.savez(folder / FILE_NAME, uv=np.zeros((5, 2)), face_uv=np.zeros((3, 3)), key='x')
    with pytest.raises(ModelFileError, match='no atlas'):
        load_uv_atlas(folder)


# A topology's key tells hands and models apart.


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
