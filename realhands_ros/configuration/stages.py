"""
The stages' configurations from the nodes' parameters.

A node that is started anew must be back soon, so each imports its own stage only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realhands_ros.handnet.stage import HandNetStageConfig
    from realhands_ros.keypoints.stage import KeypointStageConfig
    from realhands_ros.refinement.refiner import RefinementConfig
    from realhands_ros.texture.stage import TextureStageConfig

Values = Mapping[str, Any]


def keypoint_config(values: Values) -> KeypointStageConfig:
    """Return the keypoint stage's configuration; ConfigError for what cannot be."""
    from realhands_ros.keypoints.stage import KeypointStageConfig

    same = (
        'max_hands',
        'detection_confidence',
        'tracking_confidence',
        'model_complexity',
        'one_person',
        'crop_size',
        'crop_margin',
        'filter',
        'filter_beta',
        'parallel_views',
    )
    return KeypointStageConfig(
        task_file=optional_path(values['task_file']),
        keep_lost_s=values['keep_lost'],
        filter_cutoff_hz=values['filter_cutoff'],
        **{name: values[name] for name in same},
    )


def handnet_config(values: Values) -> HandNetStageConfig:
    """Return the network stage's configuration; ConfigError for what cannot be."""
    from realhands_ros.handnet.stage import HandNetStageConfig

    return HandNetStageConfig(
        weights=optional_path(values['weights']),
        model_folder=optional_path(values['model_folder']),
        threads=values['threads'] or None,
        **{name: values[name] for name in ('pose_blend', 'placement', 'backend', 'device')},
    )


def refinement_config(values: Values) -> RefinementConfig:
    """Return the refinement stage's configuration; ConfigError for what cannot be."""
    from realhands_ros.refinement.refiner import RefinementConfig

    budget_s = values['budget']
    return RefinementConfig(
        optimiser=values['optimiser'], budget_ms=1e3 * budget_s if budget_s > 0 else None
    )


def texture_config(values: Values) -> TextureStageConfig:
    """Return the texture stage's configuration; ConfigError for what cannot be."""
    from realhands_ros.texture.atlas import AveragingConfig
    from realhands_ros.texture.stage import TextureStageConfig

    return TextureStageConfig(
        atlas_size=values['atlas_size'],
        averaging=AveragingConfig(smoothing=values['smoothing']),
        model_folder=optional_path(values['model_folder']),
    )


def optional_path(text: str) -> Path | None:
    """Return a path, None for an empty text."""
    return Path(text).expanduser() if text else None
