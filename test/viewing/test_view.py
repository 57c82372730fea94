"""Recordings as Rerun files: written, and read back."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.viewing import rerun_scene
from realhands_ros.viewing.rerun_scene import Destination, load_rerun


def rerun_problem() -> str | None:
    try:
        load_rerun()
    except ConfigError as error:
        return str(error)
    return None


needs_rerun = pytest.mark.skipif(rerun_problem() is not None, reason=rerun_problem() or '')


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Six frames of a ZED that sees a hand, with the truth."""
    path = tmp_path_factory.mktemp('bag') / 'bag'
    record_bag(path, FilmSettings(seconds=0.2, seed=3), wrappers=('5.1',), processes=1)
    return path


@pytest.fixture(scope='module')
def hands(bag, tmp_path_factory):
    """What the recorder would have written: the true hands, 2 mm too far, as hands/mesh."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from realhands_ros.messages.types import bag_typestore, stamp_ns
    from realhands_ros.recordings.bag import BagFile

    path = tmp_path_factory.mktemp('hands') / 'hands'
    store = bag_typestore()
    kind = 'realhands/msg/HandMeshArray'
    with BagFile(bag) as source, Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as out:
        delays = {'/ns/hands/mesh_regressed': 0, '/ns/hands/mesh': 5_000_000}
        outputs = {name: out.add_connection(name, kind, typestore=store) for name in delays}
        for _, message in source.messages({'/ground_truth/hands'}):
            for hand in message.hands:
                hand.vertices = np.asarray(hand.vertices) + np.tile([0, 0, 0.002], 778)
                hand.vertices = hand.vertices.astype(np.float32)
            for name, delay in delays.items():
                data = store.serialize_cdr(message, kind)
                out.write(outputs[name], stamp_ns(message) + delay, data)
    return path


def column(path, entity, name):
    """Return what is at an entity, one a frame, in the column whose name has ``name`` in it."""
    import rerun as rr

    view = rr.dataframe.load_recording(path).view(
        index='frame', contents=f'/{entity}/**', include_tombstone_columns=True
    )
    table = view.select().read_all()
    found = [key for key in table.column_names if name in key]
    assert len(found) == 1, table.column_names
    return table[found[0]].to_pylist()


def entities(path):
    import rerun as rr

    schema = rr.dataframe.load_recording(path).schema()
    return {column.entity_path.lstrip('/') for column in schema.component_columns()}


@needs_rerun
def test_recorded_hands(bag, hands, tmp_path):
    from realhands_ros.viewing.bag_view import save_rrd

    path = tmp_path / 'v.rrd'
    assert save_rrd(bag, hands, path, every=2) == 3
    expected = {
        'world/left_camera', 'world/left_camera/image', 'world/right_camera/image',
        'world/left_camera/right_hand/keypoints', 'world/left_camera/right_hand/skeleton',
        'world/hands/right/mesh', 'world/hands/right/wrist_path', 'world/regressed/right',
        'world/truth/right', 'error_mm/right/vertices', 'error_mm/right/aligned',
        'latency/refinement',
    }  # fmt: skip
    assert expected <= entities(path)
    # The plots say what was put in: 2 mm off, refined within 5 ms.
    for entity, value in (
        ('error_mm/right/vertices', 2.0), ('error_mm/right/aligned', 0.0),
        ('latency/refinement', 5.0),
    ):  # fmt: skip
        values = column(path, entity, 'Scalar')
        np.testing.assert_allclose(np.ravel(values), value, atol=1e-3)
        assert len(values) == 3
    assert all(column(path, 'world/left_camera/image', ':Blob'))
    with pytest.raises(ConfigError, match='--overwrite'):
        save_rrd(bag, hands, path)


@needs_rerun
def test_hands_are_found_where_none_are_recorded(bag, tmp_path):
    from realhands_ros.viewing.bag_view import save_rrd

    path = tmp_path / 'v.rrd'
    assert save_rrd(bag, None, path, every=5) == 2
    assert {'latency/keypoints', 'world/truth/right', 'world/left_camera/image'} <= entities(path)


@needs_rerun
def test_hands_without_images(hands, tmp_path):
    from realhands_ros.viewing.bag_view import BagView, save_rrd

    assert save_rrd(hands, None, tmp_path / 'v.rrd', every=1) == 6
    found = entities(tmp_path / 'v.rrd')
    assert 'world/hands/right/mesh' in found
    assert not any(path.endswith('image') for path in found)
    assert BagView(hands, every=4).expected == 2


@needs_rerun
def test_hands_that_leave_are_cleared(bag, hands, tmp_path):
    from dataclasses import replace

    from realhands_ros.viewing.bag_view import BagView
    from realhands_ros.viewing.rerun_scene import RerunScene, SceneConfig

    frames = list(BagView(bag, hands, frames=3))
    atlas = np.full((64, 64, 3), 200, np.uint8)
    frames[1] = replace(frames[1], meshes=(), regressed=(), truth=())
    frames[2] = replace(frames[2], atlases={frames[2].meshes[0].id: atlas})
    stream = Destination(save=tmp_path / 'v.rrd').open()
    scene = RerunScene(stream, SceneConfig(atlas_size=32))
    for frame in frames:
        scene.log(frame)
    stream.flush()
    stream.disconnect()
    cleared = column(tmp_path / 'v.rrd', 'world/hands/right', 'ClearIsRecursive')
    assert [bool(value) for value in cleared] == [False, True, False]
    texture = column(tmp_path / 'v.rrd', 'world/hands/right/mesh', 'ImageFormat')
    # There is no row for the frame without a hand.
    assert [bool(value) for value in texture] == [False, True]
    assert texture[1][0]['width'] == 32


def test_a_bag_without_hands_is_told(bag, tmp_path):
    from realhands_ros.viewing.bag_view import BagView

    with pytest.raises(DatasetError, match='no topic hands/mesh'):
        next(iter(BagView(bag, bag)))
    with pytest.raises(ConfigError, match='every is 0'):
        BagView(bag, every=0)


def test_without_rerun_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'rerun', None)
    with pytest.raises(ConfigError, match=r"'realhands\[view\]'"):
        Destination(save=tmp_path / 'v.rrd').check()


def test_destinations_that_cannot_be(monkeypatch, tmp_path):
    monkeypatch.setattr(rerun_scene, 'load_rerun', lambda: None)
    with pytest.raises(ConfigError, match=r'\.rrd'):
        Destination(save=tmp_path / 'v.txt').check()
    with pytest.raises(ConfigError, match='not both'):
        Destination(save=tmp_path / 'v.rrd', web=True).check()
    monkeypatch.setattr('sys.platform', 'linux')
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(ConfigError, match='--save'):
        Destination().check()
