"""Refinement and texture are fed meshes that cannot be: counted, said once, survived."""

from __future__ import annotations

import array
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from std_srvs.srv import Trigger

from realhands.msg import HandMeshArray
from realhands_ros.data.hands import MeshFlag
from realhands_ros.messages.encode import mesh_to_msg
from realhands_ros.nodes.refinement_node import RefinementNode
from realhands_ros.nodes.texture_node import TextureNode

# The texture node leaves out on purpose what comes sooner: its update_rate is 120 Hz here.
_PERIOD_S = 0.03

REGRESSED, REFINED, TEXTURE = 'hands/mesh_regressed', 'hands/mesh', 'hands/texture'


@pytest.fixture(scope='module')
def refinement(bench_of, shots):
    bench = bench_of(RefinementNode, REFINED)
    bench.start()
    calibrate(bench, shots)
    return bench


@pytest.fixture(scope='module')
def texture(bench_of, shots):
    bench = bench_of(
        TextureNode, TEXTURE, load_profile=False, texture_rate=30.0, update_rate=120.0
    )
    bench.start()
    calibrate(bench, shots)
    return bench


def calibrate(bench, shots):
    for eye, info in zip(('left', 'right'), shots.infos(), strict=True):
        bench.send(f'{eye}/camera_info', info)
    bench.wait(lambda: bench.node.facts()['calibration'] == 'valid', 'the calibration')


def spoilt(name, value):
    def damage(mesh):
        values = np.array(getattr(mesh, name), np.float32)
        values[4] = value
        is_fixed = isinstance(getattr(mesh, name), np.ndarray)
        setattr(mesh, name, values if is_fixed else array.array('f', values.tobytes()))

    damage.__name__ = f'{name} {value}'
    return damage


def short_vertices(mesh):
    mesh.vertices = mesh.vertices[:30]


def no_topology(mesh):
    mesh.topology_key = ''


def unknown_stage(mesh):
    mesh.stage = 9


def no_side(mesh):
    mesh.handedness = 0


BAD_MESHES = [
    (spoilt('vertices', np.nan), 'vertices: expected finite values'),
    (spoilt('keypoints', np.inf), 'keypoints: expected finite values'),
    (spoilt('pose', np.nan), 'pose: expected finite values'),
    (spoilt('keypoint_scores', np.nan), 'keypoint_scores: expected values in'),
    (short_vertices, 'vertices: expected 2334 values'),
    (no_topology, 'expected the key of a HandTopology'),
    (unknown_stage, 'expected 0 to 3'),
    (no_side, 'expected 1 (left) or 2 (right)'),
]


def send(bench, topic, meshes, header):
    bench.send(topic, HandMeshArray(header=header, hands=meshes))


def refine_good(bench, shots, header_of, frame_result):
    stamp_ns = shots.stamp_ns()
    mesh = mesh_to_msg(frame_result.regressed[0], header_of(stamp_ns))
    send(bench, REGRESSED, [mesh], header_of(stamp_ns))
    (refined,) = bench.result(REFINED, stamp_ns).hands
    assert refined.stage == refined.STAGE_REFINED
    assert refined.silhouette_iou > 0.5
    assert np.isfinite(refined.vertices).all()


@pytest.mark.parametrize(('damage', 'words'), BAD_MESHES)
def test_refinement_survives_a_bad_mesh(refinement, shots, header_of, frame_result, damage, words):
    refinement.fresh()
    for _ in range(3):
        stamp_ns = shots.stamp_ns()
        mesh = mesh_to_msg(frame_result.regressed[0], header_of(stamp_ns))
        damage(mesh)
        send(refinement, REGRESSED, [mesh], header_of(stamp_ns))
        assert refinement.result(REFINED, stamp_ns).hands == []
    assert refinement.said(words) == 1
    assert refinement.counted(words) == 3
    refine_good(refinement, shots, header_of, frame_result)


def test_a_mesh_without_images_passes_unrefined(refinement, shots, header_of, frame_result):
    refinement.fresh()
    stamp_ns = shots.stamp_ns()
    mesh = mesh_to_msg(frame_result.regressed[0], header_of(stamp_ns))
    mesh.views = []
    send(refinement, REGRESSED, [mesh], header_of(stamp_ns))
    (passed,) = refinement.result(REFINED, stamp_ns).hands
    assert passed.flags & passed.FLAG_NOT_REFINED
    refine_good(refinement, shots, header_of, frame_result)


def test_stamps_that_go_back_are_refined_anew(refinement, shots, header_of, frame_result):
    refinement.fresh()
    refine_good(refinement, shots, header_of, frame_result)
    stamp_ns = shots.stamp_ns() - 3_600_000_000_000
    mesh = mesh_to_msg(frame_result.regressed[0], header_of(stamp_ns))
    send(refinement, REGRESSED, [mesh], header_of(stamp_ns))
    assert len(refinement.result(REFINED, stamp_ns).hands) == 1
    refine_good(refinement, shots, header_of, frame_result)
    assert refinement.counted('') == 0


def total_problems(bench):
    return sum(bench.node.health._problems.values())


def paint_good(bench, shots, header_of, frame_result):
    bench.spin(_PERIOD_S)
    stamp_ns = shots.stamp_ns()
    header = header_of(stamp_ns)
    send(bench, REFINED, [mesh_to_msg(frame_result.refined[0], header)], header)
    send(bench, REGRESSED, [mesh_to_msg(frame_result.regressed[0], header)], header)
    texture = bench.result(TEXTURE, stamp_ns)
    assert texture.id == frame_result.refined[0].id
    assert texture.coverage > 0.01
    assert texture.atlas.format == 'jpeg' and len(texture.atlas.data) > 1000


@pytest.mark.parametrize(('damage', 'words'), BAD_MESHES)
@pytest.mark.parametrize('damaged', [REFINED, REGRESSED])
def test_texture_survives_a_bad_mesh(
    texture, shots, header_of, frame_result, damage, words, damaged
):
    texture.fresh()
    good = {REFINED: frame_result.refined[0], REGRESSED: frame_result.regressed[0]}
    for number in range(3):
        texture.spin(_PERIOD_S)
        header = header_of(shots.stamp_ns())
        for topic, mesh in good.items():
            message = mesh_to_msg(mesh, header)
            if topic == damaged:
                damage(message)
            send(texture, topic, [message], header)
        texture.wait(lambda n=number: total_problems(texture) > n, 'the complaint')
    assert texture.said(words) == 1
    assert texture.counted(words) == 3
    assert texture.results[TEXTURE] == []
    paint_good(texture, shots, header_of, frame_result)


def test_meshes_whose_crops_never_come_are_counted(texture, shots, header_of, frame_result):
    texture.fresh()
    before = texture.node._pairer.unpaired['mesh']
    for _ in range(12):
        header = header_of(shots.stamp_ns())
        send(texture, REFINED, [mesh_to_msg(frame_result.refined[0], header)], header)
        texture.spin(0.02)
    paint_good(texture, shots, header_of, frame_result)
    assert texture.node._pairer.unpaired['mesh'] == before + 12
    assert texture.node.facts()['meshes without crops since the start'] == str(before + 12)


def test_the_texture_can_start_over(texture, shots, header_of, frame_result):
    # The film's first hand is near the edge of the image, now within and now beyond.
    whole = replace(frame_result.refined[0], flags=MeshFlag.STEREO)
    frame_result = replace(frame_result, refined=(whole,))
    paint_good(texture, shots, header_of, frame_result)
    side = frame_result.refined[0].handedness
    known = f'shape of the {side} hand'
    assert not texture.node.facts()[known].startswith('0 of')
    answer = texture.node._on_reset(Trigger.Request(), Trigger.Response())
    assert answer.success
    assert texture.node.facts()[known].startswith('0 of')
    paint_good(texture, shots, header_of, frame_result)


def test_a_profile_that_does_not_fit_costs_no_hand(bench_of, shots, tmp_path, monkeypatch):
    """It is said, left as it is, and the hands begin unknown."""
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    path = tmp_path / 'realhands' / 'profile.npz'
    path.parent.mkdir()
    path.write_bytes(b'no profile')
    bench = bench_of(TextureNode, TEXTURE, save_profile=True, texture_rate=30.0)
    bench.start()
    assert bench.counted('the profile in use is left alone') == 1
    assert bench.node.facts()['calibration'] != ''
    bench.node.end()
    assert path.read_bytes() == b'no profile'
