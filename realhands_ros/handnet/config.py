"""The network's sizes: the paper's, and a light one that keeps its plan in real time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.errors import ConfigError

BlockKind = Literal['basic', 'bottleneck', 'inverted']
PoseRepresentation = Literal['axis_angle', 'root_6d']

# Positions are relative to this keypoint: near the hand's middle, where the weak-perspective
# camera is exact, and the root of FreiHAND's annotations.
REFERENCE_KEYPOINT = KEYPOINT_NAMES.index('middle_mcp')

# The encoder halves the image five times.
_STRIDE = 32

# EfficientNet-Lite0: channels of the stem and of Down2 to Down5, reduction of the heatmaps.
_INVERTED_PLAN = (16, (24, 40, 112, 192), 4)
_INVERTED_EXPANSION = 6


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
    ``upright``: crops are turned so that the fingers point up (geometry/crop.upright_turn).
    ``heatmap_sigma``: standard deviation of a keypoint's Gaussian relative to the crop's side;
    ``heatmap_reduction``: how many times smaller than the crop the heatmaps are.
    ``image_centre``, ``image_scale``: subtracted from RGB in 0..1, then divided by.
    The block kind ``inverted`` is the plan of EfficientNet-Lite0 and fixes all channels and blocks
    of the encoder; its heatmaps are a quarter of the crop's size.
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
    heatmap_reduction: int = 1
    upright: bool = False
    # Middle and half the range of 0..1: photographs come out with a spread of about one half.
    image_centre: float = 0.5
    image_scale: float = 0.25

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

        self._check_plan()

    @property
    def heatmap_size(self) -> int:
        """Return the side of the heatmaps in pixels."""
        return self.input_size // self.heatmap_reduction

    @property
    def pooled_channels(self) -> int:
        """Return how many channels the regressor reads of the image."""
        last = self.stage_channels[-1]
        return _INVERTED_EXPANSION * last if self.block == 'inverted' else last

    def _check_plan(self) -> None:
        plan = (self.stem_channels, self.stage_channels, self.heatmap_reduction)
        if self.block == 'inverted' and plan != _INVERTED_PLAN:
            message = (
                f'stem_channels, stage_channels and heatmap_reduction are {plan}; blocks of the '
                f'kind inverted go with {_INVERTED_PLAN} only'
            )
            raise ConfigError(message)
        if self.block != 'inverted' and self.heatmap_reduction != 1:
            message = f'heatmap_reduction is {self.heatmap_reduction}; {self.block} blocks take 1'
            raise ConfigError(message)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HandNetConfig:
        """
        Read what as_dict gave; ConfigError for missing or unknown names.

        A field with a default may be missing: files of older networks do not have the newer ones.
        """
        names = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        if not required <= set(values) <= names:
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

# The plan of MediaPipe's hand landmark network, which image head and tail can start from.
LIGHT = HandNetConfig(
    name='light',
    input_size=224,
    block='inverted',
    pose_representation='root_6d',
    stem_channels=16,
    stage_channels=(24, 40, 112, 192),
    stage_blocks=(2, 2, 6, 4),
    fusion_channels=24,
    decoder_channels=(96, 48, 32, 16, 8),
    decoder_convolutions=1,
    base_channels=(1024, 512),
    landmark_channels=512,
    heatmap_reduction=4,
    upright=True,
    image_centre=0.0,
    image_scale=1.0,
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
