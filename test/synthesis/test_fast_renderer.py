"""The fast renderer: its compiled and its tensor version agree, light does what light does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.synthesis.camera_effects import develop, sample_effects
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast import renderer as fast
from realhands_ros.synthesis.fast.edges import Block, edges, edges_of_tensors
from realhands_ros.synthesis.fast.geometry_buffer import (
    TextureCache,
    upload,
    visible_fragments,
)
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.fast.shadows import ambient_visibility
from realhands_ros.synthesis.fast.torch_rasterizer import rasterize_torch
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.mesh import MeshGeometry, box, concatenate, ellipsoid, quad
from realhands_ros.synthesis.rendering import RenderedView
from realhands_ros.synthesis.scene import Label, Lighting, Material, Scene, SceneMesh
from realhands_ros.synthesis.textures import plain


@pytest.fixture(scope='module')
def scene() -> Scene:
    return SceneGenerator(SynthesisConfig(crop_size=128), 4).scene(0)


def camera(size: int = 65, focal: float = 80.0) -> PinholeCamera:
    middle = (size - 1) / 2
    return PinholeCamera(np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]]), size, size)


def uniform_light(ambient: float, key: float) -> Lighting:
    environment = np.zeros((9, 3))
    environment[0] = ambient / 0.282095
    return Lighting(environment, np.array([0.0, 0.0, -1.0]), np.full(3, key), 0.02)


def only(scene: Scene, geometry: MeshGeometry, material: Material, lighting: Lighting) -> Scene:
    """Return a scene of one mesh before two cameras 1 cm apart."""
    left = camera()
    rig = StereoRig(left, replace(left, translation=np.array([-0.01, 0.0, 0.0])))
    front = SceneMesh(Label.OBJECT, *geometry, material)
    wall = quad([[-9, -9, 5], [9, -9, 5], [9, 9, 5], [-9, 9, 5]])
    back = SceneMesh(Label.BACKGROUND, *wall, plain((0.0, 0.0, 0.0)), is_backdrop=True)
    return replace(scene, rig=rig, meshes=(front, back), lighting=lighting)


def test_torch_rasterizer_agrees_with_numba() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.uniform([-0.5, -0.5, -0.4], [0.5, 0.5, 1.5], (600, 3))
    faces = np.arange(600).reshape(-1, 3)
    view = camera(97)
    expected = rasterize(vertices, faces, view)
    face_id, barycentric, depth = rasterize_torch(
        torch.from_numpy(vertices), torch.from_numpy(faces), view
    )
    assert (face_id.numpy() == expected.face_id).mean() > 0.9999
    same = face_id.numpy() == expected.face_id
    np.testing.assert_allclose(depth.numpy()[same], expected.depth[same], rtol=1e-6)
    np.testing.assert_allclose(barycentric.numpy()[same], expected.barycentric[same], atol=1e-5)


def test_compiled_shading_agrees_with_tensors(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = FastRenderer()
    compiled = renderer.render(scene)
    monkeypatch.setattr(fast.numba_shading, 'radiance', fast.radiance)
    tensors = renderer.render(scene)
    for one, other in zip(compiled, tensors, strict=True):
        for layer in ('background', 'foreground'):
            difference = np.abs(getattr(one, layer) - getattr(other, layer))
            # A shadow tap that falls on the line between two texels may go either way.
            assert (difference > 1e-3).mean() < 1e-3
            assert np.median(difference) < 1e-5


def test_compiled_edges_agree_with_tensors(scene: Scene) -> None:
    front = [mesh for mesh in scene.meshes if not mesh.is_backdrop]
    vertices = sum(len(mesh.vertices) for mesh in front)
    mesh = upload(front, torch.ones(vertices), TextureCache(torch.device('cpu')))
    view = scene.rig.left
    centres = visible_fragments(mesh, view)
    limit = torch.full((view.height * view.width,), torch.inf)
    # A wall hides a part of the hand.
    limit[: view.width * view.height // 2] = float(centres.depth.median())
    compiled = edges(mesh, centres, limit, view)
    tensors = edges_of_tensors(mesh, Block.around(centres), limit, view)
    assert 0.05 < compiled.inside.float().mean() < 0.95
    torch.testing.assert_close(compiled.coverage, tensors.coverage)
    torch.testing.assert_close(compiled.inside, tensors.inside)
    order, other = compiled.samples.pixel.argsort(), tensors.samples.pixel.argsort()
    for name in ('pixel', 'face', 'barycentric', 'depth'):
        torch.testing.assert_close(
            getattr(compiled.samples, name)[order], getattr(tensors.samples, name)[other]
        )
    torch.testing.assert_close(compiled.owner[order], tensors.owner[other])


def test_white_paper_in_uniform_light_is_white(scene: Scene) -> None:
    """Radiance is albedo times irradiance over pi, from the environment and from the key light."""
    paper = quad([[-1, -1, 1], [-1, 1, 1], [1, 1, 1], [1, -1, 1]])
    for ambient, key in ((0.7, 0.0), (0.0, 2.0)):
        material = replace(plain((1.0, 1.0, 1.0)), specular=0.0)
        view = FastRenderer().render(only(scene, paper, material, uniform_light(ambient, key)))[0]
        expected = ambient + key / np.pi
        np.testing.assert_allclose(view.foreground[20:45, 20:45, 0], expected, rtol=0.03)


def test_edges_are_antialiased(scene: Scene) -> None:
    """Coverage of a disc sums to its area, and its rim is neither in nor out."""
    ball = ellipsoid([0.2, 0.2, 0.2], around=96, along=48).transformed(np.eye(3), [0, 0, 1])
    view = FastRenderer().render(only(scene, ball, plain((0.5, 0.5, 0.5)), uniform_light(1, 0)))[0]
    coverage = view.foreground[..., 3]
    radius = 80 * 0.2 / np.sqrt(1 - 0.2**2)
    assert coverage.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    assert ((coverage > 0) & (coverage < 1)).sum() > 60


def test_a_board_casts_a_shadow(scene: Scene) -> None:
    paper = quad([[-0.3, -0.3, 1], [-0.3, 0.3, 1], [0.3, 0.3, 1], [0.3, -0.3, 1]])
    board = box([0.1, 0.1, 0.01]).transformed(np.eye(3), [0.1, 0, 0.9])
    slanted = replace(uniform_light(0.0, 2.0), key_direction=np.array([0.6, 0.0, -0.8]))
    both = only(scene, concatenate([paper, board]), plain((1, 1, 1)), slanted)
    alone = only(scene, paper, plain((1, 1, 1)), slanted)
    shaded = FastRenderer().render(both)[0].foreground[..., 0]
    lit = FastRenderer().render(alone)[0].foreground[..., 0]
    # The light's ray through the board's left part meets the paper at x = 0.
    assert shaded[32, 32] < 0.1 * lit[32, 32]
    assert shaded[16, 16] == pytest.approx(lit[16, 16], rel=0.02)


def test_ambient_visibility_of_two_plates() -> None:
    """A point between large parallel plates sees little, one on the outside everything."""
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21)), -1).reshape(-1, 2)
    lower = np.concatenate([grid, np.zeros((441, 1))], 1)
    upper = lower + [0, 0, 0.2]
    normals = np.repeat([[0, 0, 1.0], [0, 0, -1.0]], 441, axis=0)
    areas = torch.full((882,), 0.01)
    points = torch.from_numpy(np.concatenate([lower, upper]))
    visible = ambient_visibility(points, torch.from_numpy(normals).float(), areas)
    assert visible[220] < 0.45
    outward = ambient_visibility(points, torch.from_numpy(-normals).float(), areas)
    assert outward.min() > 0.999


def test_what_the_backdrop_hides_is_not_in_the_picture(scene: Scene) -> None:
    ball = ellipsoid([0.2, 0.2, 0.2]).transformed(np.eye(3), [0, 0, 1])
    hidden = only(scene, ball, plain((0.9, 0.9, 0.9)), uniform_light(1, 0))
    near = quad([[-9, -9, 0.5], [9, -9, 0.5], [9, 0, 0.5], [-9, 0, 0.5]])
    curtain = SceneMesh(Label.BACKGROUND, *near, plain((0.1, 0.1, 0.1)), is_backdrop=True)
    view = FastRenderer().render(replace(hidden, meshes=(*hidden.meshes, curtain)))[0]
    assert view.foreground[:30, :, 3].max() == 0.0
    assert view.foreground[40, 32, 3] == 1.0
    assert (view.labels[:30] == Label.BACKGROUND).all()
    assert view.labels[40, 32] == Label.OBJECT


def test_pictures_of_both_cameras_share_one_exposure(scene: Scene) -> None:
    """A grey card stays grey: automatic exposure, both eyes alike, noise as asked for."""
    rng = np.random.default_rng(0)
    effects = replace(
        sample_effects(rng, scene.lighting, 300.0),
        exposure=np.ones(2),
        white_balance=np.ones((2, 3)),
        vignetting=0.0,
        shot_noise=0.0,
        read_noise=0.0,
        contrast=1.0,
        jpeg_quality=None,
    )
    card = np.full((40, 40, 3), 3.0, dtype=np.float32)
    view = RenderedView(
        card,
        np.zeros((40, 40, 4), np.float32),
        np.zeros((40, 40), np.uint8),
        np.ones((40, 40), np.float32),
    )
    left, right = develop((view, view), effects)
    assert (left == right).all()
    assert np.ptp(left) <= 1
    assert 115 < left.mean() < 150
    noisy = develop((view, view), replace(effects, shot_noise=0.1))[0]
    assert 2 < noisy.std() < 40
