import numpy as np
import pytest
import torch

from realhands_ros.cores import run_shared
from realhands_ros.errors import ConfigError
from realhands_ros.hand.layer import HandModel
from realhands_ros.refinement import soft_silhouette_cpu
from realhands_ros.refinement.silhouette_settings import SilhouetteSettings
from realhands_ros.refinement.soft_silhouette import SoftSilhouette
from realhands_ros.refinement.soft_silhouette_pytorch3d import available

SIGMAS = (1e-3, 1e-4, 1e-5)


@pytest.fixture(scope='module')
def layer() -> HandModel:
    return HandModel.load()


def _projected_hands(layer: HandModel, size: int, batch: int = 2) -> torch.Tensor:
    """Bent hands that fill most of a square image and differ in pose and view, (B, 778, 2)."""
    generator = torch.Generator().manual_seed(5)
    pose = 0.3 * torch.randn(batch, 48, generator=generator)
    pose[:, 0] += 1.4
    vertices = layer(pose, torch.zeros(batch, 10)).vertices
    vertices = vertices - vertices.mean(1, keepdim=True) + torch.tensor([0.0, 0.0, 0.5])
    return vertices[..., :2] / vertices[..., 2:] * (2.0 * size) + 0.5 * size


@pytest.mark.parametrize('renderer', ['cpu', 'torch'])
@pytest.mark.parametrize('sigma', SIGMAS)
@pytest.mark.parametrize(('height', 'width'), [(48, 48), (40, 61)])
def test_renderers_agree_with_the_reference(layer, renderer, sigma, height, width):
    vertices = _projected_hands(layer, 44)
    settings = SilhouetteSettings(height, width, sigma)
    expected = SoftSilhouette(layer.faces, settings, renderer='reference')(vertices.double())
    found = SoftSilhouette(layer.faces, settings, renderer=renderer)(vertices)
    assert 0.15 < expected.mean() < 0.6
    assert found.shape == (2, height, width)
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize('sigma', SIGMAS)
def test_gradients_agree_with_the_reference(layer, sigma):
    settings = SilhouetteSettings(36, 36, sigma)
    weight = torch.randn(2, 36, 36, generator=torch.Generator().manual_seed(1))

    def gradient(renderer: str, dtype: torch.dtype) -> torch.Tensor:
        vertices = _projected_hands(layer, 36).to(dtype).requires_grad_()
        image = SoftSilhouette(layer.faces, settings, renderer=renderer)(vertices)
        (image * weight).sum().backward()
        return vertices.grad.double()

    expected = gradient('reference', torch.float64)
    for renderer in ('cpu', 'torch'):
        found = gradient(renderer, torch.float32)
        assert (found - expected).norm() < 1e-3 * expected.norm()
        assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA device')
@pytest.mark.parametrize('sigma', SIGMAS)
def test_a_gpu_agrees_with_the_cpu(layer, sigma):
    settings = SilhouetteSettings(112, 112, sigma)
    weight = torch.randn(2, 112, 112, generator=torch.Generator().manual_seed(1))
    images, gradients = [], []
    for device in ('cpu', 'cuda'):
        vertices = _projected_hands(layer, 112).to(device).requires_grad_()
        image = SoftSilhouette(layer.faces.to(device), settings)(vertices)
        (image * weight.to(device)).sum().backward()
        images.append(image.detach().cpu())
        gradients.append(vertices.grad.cpu())
    assert (images[0] - images[1]).abs().max() < 1e-5
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[0].norm()


def test_gradient_agrees_with_finite_differences():
    """Few large triangles, so that a small step leaves every pixel's nearest edge as it is."""
    settings = SilhouetteSettings(32, 32, 1e-3)
    rng = np.random.default_rng(2)
    vertices = rng.uniform(3.0, 28.0, (1, 6, 2)).astype(np.float32)
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5]], dtype=np.int32)
    weight = rng.normal(size=(1, 32, 32)).astype(np.float32)
    _, transmittance = soft_silhouette_cpu.render(vertices, faces, settings)
    found = soft_silhouette_cpu.backward(vertices, faces, settings, transmittance, weight)
    reference = SoftSilhouette(torch.from_numpy(faces), settings, renderer='reference')
    expected = np.zeros_like(found)
    step = 1e-4
    for index in np.ndindex(*vertices.shape):
        values = []
        for sign in (1.0, -1.0):
            moved = vertices.astype(np.float64)
            moved[index] += sign * step
            values.append(float((reference(torch.from_numpy(moved))[0] * weight[0]).sum()))
        expected[index] = (values[0] - values[1]) / (2.0 * step)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_half_plane_has_the_closed_form_value():
    """On the long edge of a huge triangle D = sigmoid(+-d^2 / sigma), d in NDC."""
    settings = SilhouetteSettings(64, 64, 1e-3)
    vertices = torch.tensor([[[-500.0, 31.5], [600.0, 31.5], [30.0, 900.0]]])
    image = SoftSilhouette(torch.tensor([[0, 1, 2]]), settings)(vertices)
    distance = (torch.arange(64) - 31.5) / 32.0
    expected = torch.sigmoid(distance.sign() * distance**2 / 1e-3)
    expected[(distance < 0) & (expected < 1e-4)] = 0.0
    torch.testing.assert_close(image[0, :, 30], expected, atol=1e-6, rtol=0.0)


def test_results_are_the_same_to_the_bit_run_after_run(layer):
    settings = SilhouetteSettings(224, 224)
    vertices = _projected_hands(layer, 220).numpy()
    faces = layer.faces.numpy().astype(np.int32)
    weight = np.random.default_rng(0).normal(size=(2, 224, 224)).astype(np.float32)
    images, gradients = [], []
    for _ in range(5):
        image, transmittance = soft_silhouette_cpu.render(vertices, faces, settings)
        images.append(image)
        gradients.append(
            soft_silhouette_cpu.backward(vertices, faces, settings, transmittance, weight)
        )
    assert all(np.array_equal(image, images[0]) for image in images)
    assert all(np.array_equal(gradient, gradients[0]) for gradient in gradients)


@pytest.mark.parametrize('renderer', ['cpu', 'torch'])
def test_odd_triangles_do_no_harm(renderer):
    """Not finite, edge-on, a point, far outside, at a border: skipped or cut, never NaN."""
    settings = SilhouetteSettings(32, 32)
    odd = [
        [[np.nan, 3.0], [9.0, 4.0], [5.0, 9.0]],
        [[np.inf, 3.0], [9.0, 4.0], [5.0, 9.0]],
        [[2.0, 2.0], [10.0, 10.0], [20.0, 20.0]],
        [[7.0, 7.0], [7.0, 7.0], [7.0, 7.0]],
        [[1e9, 1e9], [2e9, 1e9], [1e9, 2e9]],
    ]
    good = [[-20.0, 20.0], [50.0, 25.0], [10.0, 60.0]]
    vertices = torch.tensor([*odd, good], dtype=torch.float32).reshape(1, -1, 2)
    vertices.requires_grad_()
    faces = torch.arange(vertices.shape[1]).reshape(-1, 3)
    image = SoftSilhouette(faces, settings, renderer=renderer)(vertices)
    image.sum().backward()
    alone = SoftSilhouette(faces[-1:], settings, renderer=renderer)(vertices.detach())
    torch.testing.assert_close(image.detach(), alone, atol=1e-6, rtol=0.0)
    assert image.max() > 0.99
    finite = vertices.detach().isfinite()
    assert vertices.grad[finite].isfinite().all()
    assert vertices.grad[0, -3:].abs().max() > 0.0


def test_no_vertices_give_an_empty_image():
    image = SoftSilhouette(torch.zeros(0, 3, dtype=torch.int64), SilhouetteSettings(8, 8))(
        torch.zeros(1, 0, 2)
    )
    assert image.shape == (1, 8, 8)
    assert image.abs().max() == 0.0


@pytest.mark.skipif(not available(), reason='PyTorch3D is not installed')
@pytest.mark.parametrize(('height', 'width'), [(48, 48), (40, 61)])
def test_pytorch3d_gives_the_same_image_and_gradient(layer, height, width):
    """To the rounding of its NDC coordinates."""
    settings = SilhouetteSettings(height, width)
    weight = torch.randn(2, height, width, generator=torch.Generator().manual_seed(1))
    images, gradients = [], []
    for renderer in ('cpu', 'pytorch3d'):
        vertices = _projected_hands(layer, 44).requires_grad_()
        images.append(SoftSilhouette(layer.faces, settings, renderer=renderer)(vertices))
        (images[-1] * weight).sum().backward()
        gradients.append(vertices.grad)
    assert (images[0] - images[1]).abs().max() < 3e-5
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[1].norm()


def test_wrong_arguments_are_reported():
    faces = torch.zeros(1, 3, dtype=torch.int64)
    with pytest.raises(ConfigError, match='sigma'):
        SilhouetteSettings(8, 8, 0.0)
    with pytest.raises(ConfigError, match='size'):
        SilhouetteSettings(0, 8)
    with pytest.raises(ConfigError, match='renderer'):
        SoftSilhouette(faces, SilhouetteSettings(8, 8), renderer='opengl')
    with pytest.raises(ConfigError, match='vertices'):
        SoftSilhouette(faces, SilhouetteSettings(8, 8))(torch.zeros(4, 3))


def test_an_error_of_a_kernel_reaches_the_caller():
    def fail(counter_address: int) -> None:
        raise RuntimeError('kernel')

    with pytest.raises(RuntimeError, match='kernel'):
        run_shared(fail)
