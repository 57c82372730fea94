"""The texture stage: refined meshes with their crops in, texture atlases out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.topology import Handedness
from realhands_ros.texture.hand_texture import HandTexture


@dataclass(frozen=True)
class TextureStageConfig:
    """
    How the atlas is kept.

    ``atlas_size``: its side in texels. ``smoothing``: ``confidence`` weighs every texel by how
    well it was seen and averages the longer the more; ``exponential`` is the paper's plain moving
    average (section 3.2), with the share ``exponential_rate`` for the newest frame.
    ``model_folder``: the hand model (None: the open hand). ``calibration_frames``: good frames
    after which the personal shape is held. Raises ConfigError for a value out of range.
    """

    atlas_size: int = 512
    smoothing: Literal['confidence', 'exponential'] = 'confidence'
    exponential_rate: float = 0.5
    model_folder: Path | None = None
    calibration_frames: int = 50

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 64 <= self.atlas_size <= 4096:
            message = f'atlas_size is {self.atlas_size}; choose 64 to 4096 texels (default 512)'
            raise ConfigError(message)
        if self.smoothing not in ('confidence', 'exponential'):
            message = f'smoothing is {self.smoothing!r}; it is confidence or exponential'
            raise ConfigError(message)
        if not 0.0 < self.exponential_rate <= 1.0:
            message = f'exponential_rate is {self.exponential_rate}; it lies in (0, 1]'
            raise ConfigError(message)
        if self.calibration_frames < 1:
            message = f'calibration_frames is {self.calibration_frames}; give 1 or more'
            raise ConfigError(message)


class TextureStage:
    """Keeps one atlas for the right and one for the left hand; reused for new ids of the same."""

    def __init__(self, config: TextureStageConfig | None = None) -> None:
        """Lay out the atlases; ModelFileError when the model cannot be read."""
        self.config = config or TextureStageConfig()

    def __call__(
        self, meshes: Sequence[HandMesh], cameras: Sequence[PinholeCamera]
    ) -> tuple[HandTexture, ...]:
        """
        Project one frame's crops onto the meshes; return one texture a mesh, in their order.

        ``cameras`` are those of the whole images, one a view, the left first, as ``mesh.views``
        has them. Hands hide one another, so give all meshes of a frame in one call. A view
        without a crop, or off the hand, is left out. Raises nothing for what a frame may hold.
        """
        raise NotImplementedError

    def reset(self, handedness: Handedness | None = None) -> None:
        """Forget the skin and the personal shape of one hand, or of both (None)."""
        raise NotImplementedError
