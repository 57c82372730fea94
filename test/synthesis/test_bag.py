"""The bag is what a ZED would have recorded, and its truth is true."""

import json
import resource

import numpy as np
import pytest
from rosbags.interfaces import QosDurability, QosHistory, QosReliability
from rosbags.rosbag2 import Reader

from realhands_ros.cli.main import main
from realhands_ros.data.topology import NUM_VERTICES
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.messages.topics import (
    EYES,
    TRUTH_TOPIC,
    TRUTH_TOPOLOGY_TOPIC,
    WRAPPER_VERSIONS,
    ZedNames,
)
from realhands_ros.messages.types import bag_typestore
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.film import Film
from realhands_ros.synthesis.film_rendering import render_film
from realhands_ros.synthesis.rigs import zed_rig
from realhands_ros.synthesis.scene import Label
from realhands_ros.synthesis.zed_bag.record import record_bag
from realhands_ros.synthesis.zed_bag.writer import ZedBagWriter, whole_or_nothing

SETTINGS = FilmSettings(seconds=1.0, rate=5.0, hands=2, seed=1)
STEREO_TOPICS = {
    '5.0': {
        '/zed/zed_node/left/image_rect_color': 'zed_left_camera_optical_frame',
        '/zed/zed_node/left/camera_info': 'zed_left_camera_optical_frame',
        '/zed/zed_node/right/image_rect_color': 'zed_right_camera_optical_frame',
        '/zed/zed_node/right/camera_info': 'zed_right_camera_optical_frame',
    },
    '5.1': {
        '/zed/zed_node/left/color/rect/image': 'zed_left_camera_frame_optical',
        '/zed/zed_node/left/color/rect/camera_info': 'zed_left_camera_frame_optical',
        '/zed/zed_node/right/color/rect/image': 'zed_right_camera_frame_optical',
        '/zed/zed_node/right/color/rect/camera_info': 'zed_right_camera_frame_optical',
    },
}


class Bag:
    """All messages of a bag, by topic."""

    def __init__(self, path):
        self.path = path
        self.raw, self.messages, self.qos = {}, {}, {}
        with Reader(path) as reader:
            self.custom_data = reader.storage.metadata.custom
            for connection in reader.connections:
                self.messages[connection.topic], self.raw[connection.topic] = [], []
                (self.qos[connection.topic],) = connection.ext.offered_qos_profiles
            for connection, logged_ns, data in reader.messages():
                message = bag_typestore().deserialize_cdr(data, connection.msgtype)
                self.messages[connection.topic].append((logged_ns, message))
                self.raw[connection.topic].append(data)

    def stamps(self, topic):
        """Return the stamps of a topic in nanoseconds."""
        headers = [message.header for _, message in self.messages[topic]]
        return [header.stamp.sec * 10**9 + header.stamp.nanosec for header in headers]


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bags') / 'hands'
    record_bag(path, SETTINGS, wrappers=WRAPPER_VERSIONS, processes=1)
    return Bag(path)


@pytest.fixture(scope='module')
def film():
    return Film(SETTINGS)


def test_it_has_the_topics_and_frames_of_both_generations(bag):
    for topics in STEREO_TOPICS.values():
        for topic, frame in topics.items():
            frames = {message.header.frame_id for _, message in bag.messages[topic]}
            assert frames == {frame}, topic
    truth = {message.header.frame_id for _, message in bag.messages[TRUTH_TOPIC]}
    assert truth == {'zed_left_camera_frame_optical'}


def test_all_stamps_of_a_frame_are_the_same(bag):
    expected = bag.stamps(TRUTH_TOPIC)
    assert len(expected) == SETTINGS.num_frames == 5
    assert np.array_equal(np.diff(expected), np.full(4, 200_000_000))
    for topics in STEREO_TOPICS.values():
        for topic in topics:
            assert bag.stamps(topic) == expected, topic


def test_images_are_bgra8(bag):
    for version in WRAPPER_VERSIONS:
        for eye in EYES:
            for _, image in bag.messages[ZedNames(version).image(eye)]:
                assert (image.encoding, image.width, image.height) == ('bgra8', 672, 376)
                assert image.step == 4 * image.width
                pixels = image.data.reshape(image.height, image.width, 4)
                assert (pixels[..., 3] == 255).all()
                assert pixels[..., :3].std() > 10


def test_both_generations_show_the_same_pictures(bag):
    for eye in EYES:
        old, new = (
            [image.data for _, image in bag.messages[ZedNames(version).image(eye)]]
            for version in WRAPPER_VERSIONS
        )
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
        assert not np.array_equal(new[0], new[1])


def test_camera_info_is_filled_as_the_wrapper_does(bag, film):
    for version in WRAPPER_VERSIONS:
        left, right = (bag.messages[ZedNames(version).camera_info(eye)][0][1] for eye in EYES)
        for info in (left, right):
            assert np.array_equal(info.k.reshape(3, 3), film.rig.left.intrinsics)
            assert np.array_equal(info.r, np.eye(3).ravel())
            assert np.array_equal(info.p.reshape(3, 4)[:, :3], info.k.reshape(3, 3))
            assert info.distortion_model == 'rational_polynomial'
            assert np.array_equal(info.d, np.zeros(8))
        assert left.p[3] == 0.0
        assert right.p[3] == -right.p[0] * film.rig.baseline
        assert right.p[7] == right.p[11] == 0.0


def test_truth_is_complete_and_consistent(bag, film):
    _, first = bag.messages[TRUTH_TOPIC][0]
    assert [hand.handedness for hand in first.hands] == [2, 1]
    ids = {tuple(hand.id for hand in m.hands) for _, m in bag.messages[TRUTH_TOPIC]}
    assert len(ids) == 1 and len(set(first.hands[0].id) | set(first.hands[1].id)) > 2
    for hand, truth in zip(first.hands, film.frame(0).hands, strict=True):
        assert hand.stage == hand.STAGE_GROUND_TRUTH
        assert np.allclose(hand.vertices.reshape(NUM_VERTICES, 3), truth.vertices, atol=1e-6)
        assert np.allclose(hand.pose, truth.pose_aa, atol=1e-6)
        assert np.allclose(hand.shape, truth.shape, atol=1e-6)
        assert np.allclose(hand.translation, truth.translation, atol=1e-6)
        for view, camera in zip(hand.views, film.rig.views, strict=True):
            projected = camera.project(hand.keypoints.reshape(21, 3))
            assert np.allclose(view.keypoints_px.reshape(21, 2), projected, atol=1e-2)
            assert 0.3 < view.keypoint_scores.mean() <= 1.0


def test_truth_projects_to_where_the_hand_is_drawn(bag, film):
    _, message = bag.messages[TRUTH_TOPIC][0]
    views = FastRenderer().render(film.frame(0).scene)
    for hand, label in zip(message.hands, (Label.HAND, Label.OTHER_HAND), strict=True):
        side = 'right' if hand.handedness == hand.HANDEDNESS_RIGHT else 'left'
        faces = load_hand_model_data(default_model_folder(), side).faces
        for view, camera in zip(views, film.rig.views, strict=True):
            vertices = camera.to_camera(hand.vertices.reshape(-1, 3))
            mesh, drawn = rasterize(vertices, faces, camera).mask, view.labels == label
            assert drawn.sum() > 500
            # A sleeve or the other arm may hide some of the mesh.
            assert (drawn & mesh).sum() > 0.99 * drawn.sum()
            assert (drawn & mesh).sum() > 0.85 * mesh.sum()


def test_topologies_are_latched_and_named_by_the_meshes(bag):
    topologies = {message.key: message for _, message in bag.messages[TRUTH_TOPOLOGY_TOPIC]}
    assert len(topologies) == 2
    for _, message in bag.messages[TRUTH_TOPIC]:
        assert {hand.topology_key for hand in message.hands} == set(topologies)
    for topology in topologies.values():
        assert len(topology.faces) == len(topology.face_uv) == 3 * 1538
        assert topology.face_uv.max() < len(topology.uv) // 2
    assert bag.messages[TRUTH_TOPOLOGY_TOPIC][0][0] <= bag.messages[TRUTH_TOPIC][0][0]
    assert bag.qos[TRUTH_TOPOLOGY_TOPIC].durability is QosDurability.TRANSIENT_LOCAL


def test_image_topics_offer_the_quality_of_service_of_the_wrapper(bag):
    for topics in STEREO_TOPICS.values():
        for topic in topics:
            qos = bag.qos[topic]
            assert qos.reliability is QosReliability.RELIABLE
            assert qos.durability is QosDurability.VOLATILE
            assert (qos.history, qos.depth) == (QosHistory.KEEP_LAST, 10)


def test_the_bag_says_how_it_was_made(bag):
    assert json.loads(bag.custom_data['film_settings'])['seed'] == SETTINGS.seed


def test_ros_reads_the_truth(bag):
    pytest.importorskip('rclpy')
    realhands = pytest.importorskip('realhands.msg')
    from rclpy.serialization import deserialize_message

    from realhands_ros.messages.decode import mesh_from_msg
    from realhands_ros.messages.validation import validate

    array = deserialize_message(bytes(bag.raw[TRUTH_TOPIC][0]), realhands.HandMeshArray)
    validate(array)
    mesh = mesh_from_msg(array.hands[1])
    assert mesh.handedness == 'left'
    assert np.array_equal(
        mesh.vertices_cam.ravel(), bag.messages[TRUTH_TOPIC][0][1].hands[1].vertices
    )
    validate(deserialize_message(bytes(bag.raw[TRUTH_TOPOLOGY_TOPIC][0]), realhands.HandTopology))


def test_frames_do_not_depend_on_the_number_of_processes(bag):
    settings = FilmSettings(seconds=0.4, rate=5.0, hands=2, seed=1)
    recorded = [
        [image.data for _, image in bag.messages[ZedNames('5.1').image(eye)]] for eye in EYES
    ]
    for frame in render_film(settings, processes=2):
        for eye in range(2):
            assert np.array_equal(frame.images[eye].ravel(), recorded[eye][frame.index])


def test_an_existing_bag_is_not_overwritten(bag, capsys):
    before = sorted((path, path.stat().st_mtime_ns) for path in bag.path.iterdir())
    assert main(['synth', 'bag', str(bag.path)]) == 1
    assert f'{bag.path} exists already' in capsys.readouterr().err
    assert sorted((path, path.stat().st_mtime_ns) for path in bag.path.iterdir()) == before


def test_an_unfinished_bag_of_another_run_is_left_alone(tmp_path):
    (tmp_path / 'out.partial').mkdir()
    with (
        pytest.raises(DatasetError, match='out.partial exists'),
        whole_or_nothing(tmp_path / 'out'),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['out.partial']


def test_an_interrupted_bag_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_or_nothing(tmp_path / 'out') as folder:
        folder.mkdir()
        (folder / 'some.mcap').write_bytes(b'half')
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path):
    rig = zed_rig('zed2i', 'VGA')
    noise = np.random.default_rng(0).integers(0, 256, (2, 376, 672, 4), dtype=np.uint8)

    def write_frames():
        with (
            whole_or_nothing(tmp_path / 'out') as folder,
            ZedBagWriter(folder, [ZedNames('5.1')], rig, 'zed2i', {}) as writer,
        ):
            for index in range(4):
                writer.write_frame(index, noise, [])

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 2**20, hard))
    try:
        with pytest.raises(DatasetError, match='cannot be written .*: make room'):
            write_frames()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    write_frames()
    assert (tmp_path / 'out' / 'metadata.yaml').is_file()


@pytest.mark.parametrize(
    'options', [{'seconds': 0.0}, {'rate': float('nan')}, {'hands': 3}, {'seed': -1}]
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        FilmSettings(**options)


def test_an_unknown_camera_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match='zed9'):
        record_bag(tmp_path / 'out', FilmSettings(camera='zed9'), wrappers=['5.1'], processes=1)
    assert list(tmp_path.iterdir()) == []
