"""The live view gathers what a running system publishes, over DDS."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from rosbags.rosbag2 import StoragePlugin, Writer

from realhands_ros.messages.topics import MESH, REGRESSED
from realhands_ros.messages.types import bag_typestore, stamp_ns
from realhands_ros.recordings.bag import BagFile
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.system.dds_profile import environment_with_profile
from realhands_ros.system.live_view import LiveTopics, show_live

NAMESPACE = 'test_live_view'
# How much later the results of a frame are published, nanoseconds.
DELAYS = {REGRESSED: 4_000_000, MESH: 8_000_000}


class Frames(list):
    """Takes frames as a scene does."""

    log = list.append


@pytest.fixture(scope='module')
def system(tmp_path_factory):
    """A bag of images and, some milliseconds later, of the true hands as both results."""
    folder = tmp_path_factory.mktemp('system')
    record_bag(folder / 'film', FilmSettings(seconds=0.3, seed=3), wrappers=('5.1',), processes=1)
    store = bag_typestore()
    with (
        BagFile(folder / 'film') as source,
        Writer(folder / 'bag', version=8, storage_plugin=StoragePlugin.MCAP) as out,
    ):
        kinds = {topic: kind for topic, kind in source.topics.items() if 'ground' not in topic}
        kinds |= {f'/{NAMESPACE}/{end}': 'realhands/msg/HandMeshArray' for end in DELAYS}
        outputs = {t: out.add_connection(t, kind, typestore=store) for t, kind in kinds.items()}
        for topic, message in source.messages({*outputs, '/ground_truth/hands'}):
            targets = {topic: 0} if topic in outputs else DELAYS
            for target, delay in targets.items():
                name = target if topic in outputs else f'/{NAMESPACE}/{target}'
                data = store.serialize_cdr(message, kinds[name])
                out.write(outputs[name], stamp_ns(message) + delay, data)
    return folder / 'bag'


def test_what_belongs_together_is_shown_together(system):
    command = [sys.executable, '-m', 'realhands_ros.system.player', str(system), '--loop']
    environment = environment_with_profile(os.environ)
    topics = LiveTopics.of_zed('5.1', 'zed', namespace=NAMESPACE)
    player = subprocess.Popen([*command, '--rate', '0.5'], env=environment)
    try:
        frames = Frames()
        shown, meshes = show_live(frames, topics, every=2, frames=6)
    finally:
        player.terminate()
        player.wait()
    assert (shown, meshes) == (len(frames), sum(len(frame.meshes) for frame in frames)) == (6, 6)
    # The first frames may lack what was not connected yet.
    complete = [frame for frame in frames if len(frame.images) == 2 and frame.regressed]
    assert len(complete) >= 3, [(len(f.images), len(f.regressed)) for f in frames]
    for frame in complete:
        (mesh,), (regressed,) = frame.meshes, frame.regressed
        np.testing.assert_array_equal(mesh.vertices_cam, regressed.vertices_cam)
        assert frame.images[0].shape == (376, 672, 3)
    assert len(frames[-1].cameras) == 2
    # Images of one stamp show the hand where its mesh is: the truth of that very frame.
    with BagFile(system) as bag:
        truth = {
            stamp_ns(message): np.asarray(message.hands[0].vertices).reshape(-1, 3)
            for _, message in bag.messages({f'/{NAMESPACE}/{MESH}'})
        }
    for frame in frames:
        np.testing.assert_array_equal(frame.meshes[0].vertices_cam, truth[frame.stamp_ns])


def test_topics():
    both = LiveTopics.of_zed('5.1', 'zed')
    assert both.images == tuple(
        f'/zed/zed_node/{eye}/color/rect/image' for eye in ('left', 'right')
    )
    assert both.infos[1] == '/zed/zed_node/right/color/rect/camera_info'
    assert LiveTopics.of_zed('5.0', 'z', mono=True).images == (
        '/z/zed_node/left/image_rect_color',
    )
    assert LiveTopics.of_zed('5.1', 'zed', left='/a/image').infos == ('/a/camera_info',)
    assert LiveTopics(('/a/image',), '/one/').hands(MESH) == '/one/hands/mesh'
