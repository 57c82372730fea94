"""The network's sizes: the paper's, and a light one that keeps its plan in real time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.errors import ConfigError

BlockKind = Literal['basic', 'bottleneck']
PoseRepresentation = Literal['axis_angle', 'root_6d']

# Positions are relative to this keypoint: near the hand's middle, where the weak-perspective
# camera is exact, and the root of FreiHAND's annotations.
REFERENCE_KEYPOINT = KEYPOINT_NAMES.index('middle_mcp')

# The encoder halves the image five times.
_STRIDE = 32


@dataclass(frozen=True)
class HandNetConfig:
    """
    What fixes the shape of every weight, and how inputs are made for these weights.

    ``input_size``: side of the square crop in pixels. ``stem_channels`` leave Down1,
    ``stage_channels`` and ``stage_blocks`` belong to Down2..Down5 of the encoder (Table 1 of the
    supplement). ``fusion_channels``: bottleneck of the modality fusion. ``decoder_channels``: Up1
    to Up5. ``decoder_convolutions``: convolutions in each of them. ``base_channels``: the two
    fully connected layers of the regressor.
    ``landmark_channels``: width of the branch that reads the keypoints' coordinates and
    MediaPipe's world landmarks as plain numbers; 0 leaves it out, as the paper does.
    ``crop_margin``: side of the crop relative to the larger side of the keypoints' box.
    ``heatmap_sigma``: standard deviation of a keypoint's Gaussian relative to the crop's side.
    Raises ConfigError for values that describe no network.
    """

    name: str
    input_size: int
    block: BlockKind
    pose_representation: PoseRepresentation
    stem_channels: int
    stage_channels: tuple[int, int, int, int]
    stage_blocks: tuple[int, int, int, int]
    fusion_channels: int
    decoder_channels: tuple[int, int, int, int, int]
    decoder_convolutions: int
    base_channels: tuple[int, int]
    landmark_channels: int = 0
    crop_margin: float = 1.5
    heatmap_sigma: float = 0.018

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.input_size <= 0 or self.input_size % _STRIDE:
            message = f'input_size is {self.input_size}; it must be a multiple of {_STRIDE} pixels'
            raise ConfigError(message)
        for name, kinds in (('block', BlockKind), ('pose_representation', PoseRepresentation)):
            if getattr(self, name) not in get_args(kinds):
                message = f'{name} is {getattr(self, name)!r}; use {" or ".join(get_args(kinds))}'
                raise ConfigError(message)
        counts = (*self.stage_channels, *self.stage_blocks, *self.decoder_channels)
        if min(counts + self.base_channels) < 1 or self.landmark_channels < 0:
            message = f'the network {self.name!r} has a layer without channels or blocks: {self}'
            raise ConfigError(message)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HandNetConfig:
        """Read what as_dict gave; ConfigError for missing or unknown names."""
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            message = (
                f'a network configuration has the fields {", ".join(sorted(names))}; '
                f'found {", ".join(sorted(values))}'
            )
            raise ConfigError(message)
        as_tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**as_tuples)


PAPER = HandNetConfig(
    name='paper',
    input_size=224,
    block='bottleneck',
    pose_representation='axis_angle',
    stem_channels=64,
    stage_channels=(256, 512, 1024, 2048),
    stage_blocks=(3, 4, 6, 3),
    fusion_channels=128,
    decoder_channels=(1024, 512, 256, 128, 64),
    decoder_convolutions=2,
    base_channels=(2048, 512),
)

LIGHT = HandNetConfig(
    name='light',
    input_size=128,
    block='basic',
    pose_representation='root_6d',
    stem_channels=32,
    stage_channels=(48, 96, 192, 384),
    stage_blocks=(2, 2, 2, 2),
    fusion_channels=24,
    decoder_channels=(192, 96, 48, 32, 16),
    decoder_convolutions=1,
    base_channels=(512, 256),
    landmark_channels=256,
)

# For tests, and for trying the training out.
TINY = HandNetConfig(
    name='tiny',
    input_size=64,
    block='basic',
    pose_representation='root_6d',
    stem_channels=8,
    stage_channels=(12, 16, 24, 32),
    stage_blocks=(1, 1, 1, 1),
    fusion_channels=8,
    decoder_channels=(24, 16, 12, 8, 8),
    decoder_convolutions=1,
    base_channels=(64, 48),
    landmark_channels=32,
)

CONFIGS = {config.name: config for config in (PAPER, LIGHT, TINY)}
