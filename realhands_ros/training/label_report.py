"""What became of the photographs: a card that counts, and sheets of kept and dropped hands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import DatasetError
from realhands_ros.geometry.crop import crop_affine, crop_image
from realhands_ros.hand.drawing import draw_skeleton
from realhands_ros.synthesis.sheet import save_picture, sheet
from realhands_ros.training.hand_source import HandSample
from realhands_ros.training.label_run import LabelCounts, source_of
from realhands_ros.training.photographs import PICTURES_NAME, PhotographSource

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

CARD_NAME, KEPT_NAME, DROPPED_NAME = 'card.md', 'kept.png', 'dropped.png'

_TILE, _COLUMNS, _TILES = 240, 8, 96
_MARGIN = 1.7
_HAND, _UNKNOWN, _BLACK = (60, 220, 60), (255, 60, 60), (0, 0, 0)
_READ, _LAID = (255, 60, 60), (60, 120, 255)
_NAMED = 20


def write_report(out: Path, folder: Path, counts: LabelCounts) -> None:
    """Write the card and the sheets; DatasetError when no hand was kept."""
    if _is_empty(out) and not counts.dropped:
        message = (
            f'no hand was found in {counts.photographs.total()} photographs of {folder} '
            f'({len(counts.unreadable)} more cannot be read): name a folder of hands'
        )
        raise DatasetError(message)
    if _is_empty(out):
        message = (
            f'all {len(counts.dropped)} hands found in {folder} were dropped '
            f'({_reasons(counts)}): label other photographs'
        )
        raise DatasetError(message)
    source = PhotographSource(out)
    (out / CARD_NAME).write_text(_card(source, counts, out))
    save_picture(_kept_sheet(source), out / KEPT_NAME)
    if counts.dropped:
        save_picture(_dropped_sheet(folder, counts), out / DROPPED_NAME)


def summary(out: Path, counts: LabelCounts) -> str:
    """Return some lines for the terminal."""
    labels = PhotographSource(out).labels
    poses, masks = int(labels['pose_known'].sum()), int(labels['mask_known'].sum())
    lines = [
        f'{counts.photographs.total()} photographs, {len(counts.without_hand)} of them without a '
        f'hand; {len(labels["left"])} hands kept, {poses} with a pose, {masks} with a mask',
        f'dropped {len(counts.dropped)}: {_reasons(counts) or "none"}',
    ]
    if counts.unreadable:
        lines.append(f'{len(counts.unreadable)} unreadable: {_named(counts.unreadable)}')
    return '\n'.join(lines)


def _is_empty(out: Path) -> bool:
    return (out / PICTURES_NAME).stat().st_size == 0


def _reasons(counts: LabelCounts) -> str:
    reasons = Counter(hand.reason for _, hand in counts.dropped)
    return ', '.join(f'{reason} {number}' for reason, number in reasons.most_common())


def _named(names: list[str]) -> str:
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more


def _card(source: PhotographSource, counts: LabelCounts, out: Path) -> str:
    labels = source.labels
    origins = np.array([source_of(str(name)) for name in labels['photograph']])
    reasons = sorted({hand.reason for _, hand in counts.dropped})
    without = Counter(source_of(name) for name in counts.without_hand)
    dropped = Counter((source_of(name), hand.reason) for name, hand in counts.dropped)
    head = ['folder', 'photographs', 'no hand', 'kept', 'with pose', 'with mask', 'left', *reasons]
    rows = [head, ['---'] * len(head)]
    for origin in [*sorted(counts.photographs), 'all']:
        chosen = np.ones(len(origins), np.bool_) if origin == 'all' else origins == origin
        here = sorted(counts.photographs) if origin == 'all' else [origin]
        numbers = [
            sum(counts.photographs[name] for name in here),
            sum(without[name] for name in here),
            int(chosen.sum()),
            *(int(labels[n][chosen].sum()) for n in ('pose_known', 'mask_known', 'left')),
            *(sum(dropped[name, reason] for name in here) for reason in reasons),
        ]
        rows.append([origin, *map(str, numbers)])
    size_mb = (out / PICTURES_NAME).stat().st_size / 1e6
    known = labels['pose_known']
    return '\n'.join(
        [
            '# Photographs with pseudo-truth',
            '',
            'Made by `realhands train label`: no person looked at these labels one by one.',
            '',
            *(f'| {" | ".join(row)} |' for row in rows),
            '',
            f'- pictures: {size_mb:.1f} MB',
            f'- unreadable: {len(counts.unreadable)} {_named(counts.unreadable)}'.rstrip(),
            f'- readings differ by {100 * _median(labels["spread"]):.1f} % of the hand in the '
            'median of what was kept',
            f'- where the pose is known, the hand model is off by '
            f'{100 * _median(labels["misfit_2d"][known]):.1f} % of the hand in the picture and '
            f'{1000 * _median(labels["misfit_world"][known]):.1f} mm from the world landmarks',
            '- sheets: green is the mask, red what it leaves unknown; blue lines are the laid '
            "hand, red ones MediaPipe's keypoints",
            '',
        ]
    )


def _median(values: NDArray[Any]) -> float:
    return float(np.median(values)) if len(values) else float('nan')


def _kept_sheet(source: PhotographSource) -> Image:
    chosen = np.random.default_rng(0).permutation(len(source))[:_TILES]
    return sheet([kept_tile(source, int(index)) for index in sorted(chosen)], _COLUMNS)


def kept_tile(source: PhotographSource, index: int) -> Image:
    """Return a kept hand, RGB: its crop beside it with mask, readings and laid hand drawn in."""
    sample = source.sample(index)
    view = sample.views[0]
    assert view.marked_px is not None
    affine = crop_affine(view.marked_px, _TILE, _MARGIN)
    plain = crop_image(view.image, affine, _TILE)
    drawn = plain.copy()
    if view.mask is not None and view.mask_known is not None:
        state = np.where(view.mask_known, np.where(view.mask, 2, 0), 1).astype(np.uint8)
        state = np.asarray(
            cv2.warpAffine(state, affine, (_TILE, _TILE), flags=cv2.INTER_NEAREST), np.uint8
        )
        for value, colour in ((2, _HAND), (1, _UNKNOWN)):
            part = state == value
            drawn[part] = (0.6 * drawn[part] + 0.4 * np.array(colour)).astype(np.uint8)
    _draw_labels(drawn, sample, affine)
    _write(drawn, source.name(index))
    return np.concatenate([plain, drawn], axis=1)


def _draw_labels(tile: Image, sample: HandSample, affine: FloatArray) -> None:
    view = sample.views[0]
    assert view.marked_px is not None
    draw_skeleton(tile, view.marked_px @ affine[:, :2].T + affine[:, 2], _READ)
    if sample.trust.pose:
        camera = view.camera.cropped(affine, _TILE, _TILE)
        draw_skeleton(tile, camera.project(sample.keypoints), _LAID)


def _dropped_sheet(folder: Path, counts: LabelCounts) -> Image:
    chosen = np.random.default_rng(0).permutation(len(counts.dropped))[:_TILES]
    tiles = []
    for number in sorted(chosen, key=lambda n: counts.dropped[n][1].reason):
        name, hand = counts.dropped[number]
        picture = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        affine = crop_affine(hand.keypoints_px, _TILE, _MARGIN)
        plain = crop_image(np.ascontiguousarray(picture[..., ::-1]), affine, _TILE)
        drawn = plain.copy()
        draw_skeleton(drawn, hand.keypoints_px @ affine[:, :2].T + affine[:, 2], _READ)
        _write(drawn, hand.reason)
        tiles.append(np.concatenate([plain, drawn], axis=1))
    return sheet(tiles, _COLUMNS)


def _write(tile: Image, text: str) -> None:
    for colour, width in ((_BLACK, 3), ((255, 255, 255), 1)):
        cv2.putText(tile, text, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, width, cv2.LINE_AA)
