"""Where training hands come from: datasets on disk, or a renderer at work; one interface."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.datasets.synthetic_stereo import SyntheticStereo
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import make_sample

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Detection:
    """
    What a keypoint detector found in a view.

    ``keypoints_px`` (21, 2) pixels; ``world`` (21, 3) metres, its own 3D guess in the axes of the
    camera, relative to any point.
    """

    keypoints_px: FloatArray
    world: FloatArray


@dataclass(frozen=True, eq=False)
class ViewSample:
    """
    What one camera saw: ``image`` (H, W, 3) uint8 RGB, ``mask`` (H, W) bool (hand, not arm).

    ``detection`` is what a real detector made of the image, where that is known. ``mask_known``
    (H, W) bool says for which pixels the mask holds; None: for all. ``marked_px`` (21, 2) pixels
    are the keypoints as MediaPipe marks them (keypoints/keypoint_marks.py), free of its noise as
    far as possible: the truth of a photograph whose hand in space is not known.
    """

    image: NDArray[np.uint8]
    camera: PinholeCamera
    mask: NDArray[np.bool_] | None = None
    detection: Detection | None = None
    mask_known: NDArray[np.bool_] | None = None
    marked_px: FloatArray | None = None


@dataclass(frozen=True)
class LabelTrust:
    """
    Which parts of a sample are the truth, and not only a guess.

    ``pose``: pose, shape and keypoints up to the hand's size; without it only the views' masks
    and marks count. ``scale``: size and distance, which one photograph does not show.
    """

    pose: bool = True
    scale: bool = True


ALL_KNOWN = LabelTrust()


@dataclass(frozen=True, eq=False)
class HandSample:
    """
    One hand with its truth in the rig's frame, and one view of it or two (left, right).

    ``pose_aa`` (48,) relative to the flat hand; ``shape`` (10,) or None when it is unknown in the
    basis of the hand model that is trained with; ``keypoints`` (21, 3) metres. ``trust`` tells
    what of this is known.
    """

    handedness: Handedness
    pose_aa: FloatArray
    shape: FloatArray | None
    keypoints: FloatArray
    views: tuple[ViewSample, ...]
    trust: LabelTrust = ALL_KNOWN


class HandSource(Protocol):
    """Numbered samples; the same number is always the same sample."""

    def __len__(self) -> int:
        """Return how many samples there are."""
        ...

    def sample(self, index: int) -> HandSample:
        """Return sample ``index``."""
        ...


class SyntheticSource:
    """A synthetic stereo dataset on disk."""

    def __init__(self, folder: Path | str, *, part: slice = slice(None)) -> None:
        """Open it; ``part`` selects samples, for example to hold some out."""
        self._made_of = (folder, part)
        self._dataset = SyntheticStereo(folder)
        self._indices = range(len(self._dataset))[part]

    def __reduce__(self) -> tuple[Any, ...]:
        """Open the dataset anew in another process."""
        folder, part = self._made_of
        return functools.partial(SyntheticSource, folder, part=part), ()

    def __len__(self) -> int:
        """Return how many samples the part has."""
        return len(self._indices)

    def sample(self, index: int) -> HandSample:
        """Return sample ``index`` of the part."""
        item = {name: value.numpy() for name, value in self._dataset[self._indices[index]].items()}
        width, height = (int(n) for n in item['image_size'])
        views = tuple(
            ViewSample(
                image=np.ascontiguousarray(item['images'][eye].transpose(1, 2, 0)),
                camera=PinholeCamera(
                    item['intrinsics'][eye],
                    width,
                    height,
                    # Float32 in memory; a camera wants a rotation to six digits.
                    _orthonormal(item['rotation'][eye]),
                    item['camera_translation'][eye],
                ),
                mask=item['masks'][eye],
            )
            for eye in range(2)
        )
        return HandSample(
            handedness='left' if item['is_left_hand'] else 'right',
            pose_aa=item['pose_aa'].astype(np.float64),
            shape=item['shape'].astype(np.float64),
            keypoints=item['keypoints'].astype(np.float64),
            views=views,
        )


class RenderedSource:
    """Scenes rendered when they are asked for: never the same picture twice."""

    def __init__(
        self, config: SynthesisConfig, seed: int, *, samples: int, device: str = 'cpu'
    ) -> None:
        """Draw ``samples`` different scenes of ``config``."""
        self._made_of = (config, seed, samples, device)
        self._generator = SceneGenerator(config, seed)
        self._renderer = FastRenderer(device)
        self._samples = samples

    def __reduce__(self) -> tuple[Any, ...]:
        """Make another renderer in another process."""
        config, seed, samples, device = self._made_of
        return functools.partial(RenderedSource, config, seed, samples=samples, device=device), ()

    def __len__(self) -> int:
        """Return how many different scenes there are."""
        return self._samples

    def sample(self, index: int) -> HandSample:
        """Render scene ``index``."""
        made = make_sample(self._generator.scene(index), self._renderer)
        views = tuple(
            ViewSample(image, camera, mask)
            for image, camera, mask in zip(made.images, made.rig.views, made.masks, strict=True)
        )
        hand = made.hand
        return HandSample(hand.handedness, hand.pose_aa, hand.shape, hand.keypoints, views)


class MixedSource:
    """Several sources, interleaved in fixed proportions."""

    def __init__(self, sources: Sequence[HandSource], shares: Sequence[float]) -> None:
        """Mix; ConfigError for no source, or shares that are not positive, one a source."""
        if not sources or len(sources) != len(shares) or min(shares) <= 0:
            message = f'{len(sources)} sources with shares {list(shares)}: give each a share > 0'
            raise ConfigError(message)
        self._sources = list(sources)
        self._bounds = np.cumsum(shares) / np.sum(shares)

    def __len__(self) -> int:
        """Return how many samples there are in all sources together."""
        return sum(len(source) for source in self._sources)

    def sample(self, index: int) -> HandSample:
        """Return a sample of a source chosen by its share; ``index`` decides which."""
        rng = np.random.default_rng(index)
        source = self._sources[int(np.searchsorted(self._bounds, rng.random(), side='right'))]
        return source.sample(int(rng.integers(len(source))))


def _orthonormal(rotation: NDArray[np.floating[Any]]) -> FloatArray:
    u, _, vt = np.linalg.svd(rotation.astype(np.float64))
    nearest: FloatArray = u @ vt
    return nearest
