"""Evaluation of a folder of photographs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.evaluator import make_result
from realhands_ros.evaluation.image_folder import ImageFolder
from realhands_ros.evaluation.replay import Replay, ReplayConfig
from realhands_ros.evaluation.result import EvaluationResult


def evaluate_images(
    folder: Path, config: ReplayConfig, about: Mapping[str, Any]
) -> EvaluationResult:
    """
    Reconstruct the hands of each picture by itself and return the result.

    Raises DatasetError when no picture can be read or an annotation is wrong.
    """
    images = ImageFolder(folder)
    keypoints = replace(config.pipeline.keypoints, still_images=True)
    pipeline = replace(config.pipeline, keypoints=keypoints)
    with Replay(replace(config, pipeline=pipeline, independent_frames=True)) as replay:
        start, stopped = time.perf_counter(), None
        try:
            frames = replay.run(iter(images))
            for _ in tqdm(frames, total=len(images), unit='image', dynamic_ncols=True):
                pass
        except KeyboardInterrupt:
            stopped = 'it was interrupted'
        elapsed = time.perf_counter() - start
        if not replay.evaluator.frames:
            message = f'no picture of {folder} can be read'
            raise DatasetError(message)
        about = {
            **about,
            'source': str(folder),
            'views': 'mono',
            'truth': 'yes' if replay.evaluator.has_truth else 'none',
            'skipped': dict(images.skipped),
        }
        return make_result(replay.outcome(), about, stopped, elapsed, images.skipped.total())
