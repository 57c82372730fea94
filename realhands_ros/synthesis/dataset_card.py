"""The card of a synthetic dataset: what is in it, counted from its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.synthesis.config import VIEW_MIXES
from realhands_ros.synthesis.dataset_format import (
    TRUTH_COLUMNS,
    TRUTH_NAME,
    Manifest,
    shard_folder,
)

_LIMITS = (
    'Hands are posed without contact: fingers do not press into what they hold, and a held object '
    'may pass through a finger.',
    'The mesh has 778 vertices: seen from very near its outline is a polygon, and folds of the '
    'palm in a tight fist are smooth.',
    'Forearms are tubes without moving muscles; hair is drawn on the skin, not as strands; there '
    'are no rings, gloves, tattoos or scars.',
    'Shadows come from one light; light does not bounce between a hand and the table.',
    'The person behind a frontal hand is a crude doll, and procedural rooms are simpler than '
    'real ones.',
)


def write_card(folder: Path, manifest: Manifest) -> None:
    """Count what the shards hold and write card.md."""
    columns = ('is_left_hand', 'view_mix', 'keypoints', 'keypoints_visible', 'image_size')
    parts: dict[str, list[NDArray[Any]]] = {c: [] for c in columns}
    for shard in range(manifest.num_shards):
        with np.load(shard_folder(folder, shard) / TRUTH_NAME) as truth:
            for column in columns:
                parts[column].append(truth[column])
    truth_of = {column: np.concatenate(rows) for column, rows in parts.items()}
    partial = folder / '.card.md.partial'
    partial.write_text(_card_text(manifest, truth_of))
    partial.replace(folder / 'card.md')


def _card_text(manifest: Manifest, truth: dict[str, NDArray[Any]]) -> str:
    distance = truth['keypoints'].mean(1)[:, 2]
    visible = truth['keypoints_visible'].mean(axis=(1, 2))
    sizes, counts = np.unique(truth['image_size'], axis=0, return_counts=True)
    mixes = [
        f'{name} {int((truth["view_mix"] == code).sum())}' for code, name in enumerate(VIEW_MIXES)
    ]
    left = int(truth['is_left_hand'].sum())
    lines = [
        '# Synthetic stereo hands',
        '',
        f'- samples: {manifest.samples} stereo pairs in {manifest.num_shards} shards',
        f'- seed {manifest.seed}, generator version {manifest.generator_version}',
        f'- views: {", ".join(mixes)}',
        f'- hands: {manifest.samples - left} right, {left} left',
        '- sizes: '
        + ', '.join(f'{w} x {h}: {n}' for (w, h), n in zip(sizes, counts, strict=True)),
        f'- distance: {distance.min():.2f} to {distance.max():.2f} m, '
        f'median {np.median(distance):.2f} m',
        f'- keypoints visible: {visible.mean():.0%} on average; at least 60 % in '
        f'{(visible >= 0.6).mean():.0%} of the samples',
        f'- digest of the backgrounds: {manifest.backgrounds_digest or "procedural rooms only"}',
        f'- digest of the skins: {manifest.skins_digest or "procedural skin only"}',
        f'- digest of the lights: {manifest.lights_digest or "drawn lights only"}',
        '',
        '## Truth',
        '',
        '| column | shape | type | meaning |',
        '|---|---|---|---|',
    ]
    lines += [
        f'| {name} | {shape} | {kind} | {meaning} |'
        for name, (shape, kind, meaning) in TRUTH_COLUMNS.items()
    ]
    lines += ['', '## Configuration', '']
    lines += [f'- {name}: {value}' for name, value in sorted(manifest.config.items())]
    lines += ['', '## Limits', '']
    lines += [f'- {limit}' for limit in _LIMITS]
    return '\n'.join(lines) + '\n'
