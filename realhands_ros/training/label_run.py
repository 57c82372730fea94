"""
`realhands train label`: the photographs of a folder, part by part, so that a stop costs little.

Parts lie in ``parts/`` of the labelled folder until all are there; then they become the files of
photographs.py, a card that counts what was kept and dropped, and two sheets to look at.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.synthesis.photographs import SUFFIXES
from realhands_ros.training.labelling import DroppedHand, PhotographLabeller
from realhands_ros.training.photographs import (
    FORMAT_VERSION,
    LABELS_NAME,
    PICTURES_NAME,
    ROW_SHAPES,
)

Image = NDArray[np.uint8]

SETTINGS_NAME = 'settings.json'
_PARTS = 'parts'
_PICTURES_A_PART = 20


@dataclass
class LabelCounts:
    """What happened to the photographs: for the card."""

    photographs: Counter[str] = field(default_factory=Counter)
    without_hand: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    dropped: list[tuple[str, DroppedHand]] = field(default_factory=list)


def photographs_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder and its subfolders; DatasetError when there is none."""
    if not folder.is_dir():
        message = f'there is no folder {folder}: name one with photographs of hands'
        raise DatasetError(message)
    paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not paths:
        message = f'{folder} holds no picture ({", ".join(SUFFIXES)}): put photographs there'
        raise DatasetError(message)
    return paths


class LabelRun:
    """Labels the photographs of ``folder`` into ``out``; the same run again goes on."""

    def __init__(self, folder: Path, out: Path, teacher: Path | None = None) -> None:
        """Raise DatasetError for no photographs, ConfigError when ``out`` is of another run."""
        self.folder, self.out, self._teacher = folder, out, teacher
        self._paths = photographs_in(folder)
        self._parts = out / _PARTS
        self._check_settings()

    @property
    def is_finished(self) -> bool:
        """Return whether the labels are there already."""
        return (self.out / LABELS_NAME).exists()

    def label(self) -> LabelCounts:
        """Label what is not labelled yet, write the labels, and return what there is to count."""
        self._parts.mkdir(parents=True, exist_ok=True)
        count = -(-len(self._paths) // _PICTURES_A_PART)
        missing = [number for number in range(count) if not self._part(number).exists()]
        if missing:
            labeller = PhotographLabeller(self._teacher)
            try:
                with tqdm(total=len(self._paths), unit='photograph', dynamic_ncols=True) as bar:
                    bar.update(len(self._paths) - sum(len(self._chunk(n)) for n in missing))
                    for number in missing:
                        self._make_part(labeller, number, bar)
            finally:
                labeller.close()
        return self._assemble([self._part(number) for number in range(count)])

    def remove_parts(self) -> None:
        """Delete the parts, when everything else is written."""
        for path in self._parts.glob('*.npz'):
            path.unlink()
        self._parts.rmdir()

    def _chunk(self, number: int) -> list[Path]:
        """Return the photographs of a part: some of every folder, so that each part is alike."""
        return self._paths[number :: -(-len(self._paths) // _PICTURES_A_PART)]

    def _part(self, number: int) -> Path:
        return self._parts / f'{number:05d}.npz'

    def _check_settings(self) -> None:
        names = '\n'.join(str(path.relative_to(self.folder)) for path in self._paths)
        teacher = None if self._teacher is None else _digest(self._teacher.read_bytes())
        settings = {
            'version': FORMAT_VERSION,
            'photographs': _digest(names.encode()),
            'teacher': teacher,
        }
        path = self.out / SETTINGS_NAME
        if path.exists():
            if json.loads(path.read_text()) != settings:
                message = (
                    f'{self.out} holds labels of other photographs, or by another teacher or '
                    'version: name another folder with --out, or delete it'
                )
                raise ConfigError(message)
            return
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1) + '\n')

    def _make_part(self, labeller: PhotographLabeller, number: int, bar: Any) -> None:
        rows: list[dict[str, Any]] = []
        about: dict[str, Any] = {'unreadable': [], 'without_hand': [], 'read': [], 'dropped': []}
        keypoints = []
        for path in self._chunk(number):
            name = path.relative_to(self.folder).as_posix()
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            bar.update()
            if picture is None:
                about['unreadable'].append(name)
                continue
            about['read'].append(name)
            found = labeller(np.asarray(picture, dtype=np.uint8))
            rows += [{**row, 'photograph': name} for row in found.rows]
            about['dropped'] += [(name, hand.reason) for hand in found.dropped]
            keypoints += [hand.keypoints_px for hand in found.dropped]
            if not (found.rows or found.dropped):
                about['without_hand'].append(name)
        arrays = {
            'about': np.array(json.dumps(about)),
            'dropped_px': np.array(keypoints).reshape(-1, 21, 2),
            **_columns(rows),
        }
        partial = self._parts / '.partial'
        with partial.open('wb') as file:
            np.savez(file, **arrays)
        partial.replace(self._part(number))

    def _assemble(self, parts: list[Path]) -> LabelCounts:
        """Write the labels of all parts; return the rest of what is in them."""
        counts = LabelCounts()
        columns: dict[str, list[NDArray[Any]]] = {}
        partial = self.out / f'.{PICTURES_NAME}.partial'
        written = 0
        with partial.open('wb') as file:
            for path in parts:
                part = _read_part(path)
                _count(counts, part)
                pictures = part.pop('pictures')
                for name in ('crop_bytes', 'mask_bytes'):
                    part[name] = part[name] + written
                file.write(pictures.tobytes())
                written += len(pictures)
                for name, values in part.items():
                    columns.setdefault(name, []).append(values)
        partial.replace(self.out / PICTURES_NAME)
        labels = {name: np.concatenate(values) for name, values in columns.items()}
        partial = self.out / f'.{LABELS_NAME}.partial'
        with partial.open('wb') as file:
            np.savez_compressed(file, version=np.array(FORMAT_VERSION), **labels)
        partial.replace(self.out / LABELS_NAME)
        return counts


def _columns(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of some hands, their pictures one after another in ``pictures``."""
    pictures = bytearray()
    places: dict[str, list[tuple[int, int]]] = {'crop': [], 'mask': []}
    for row in rows:
        for name, place in places.items():
            first = len(pictures)
            pictures += row[name]
            place.append((first, len(pictures)))
    columns: dict[str, NDArray[Any]] = {
        name: np.array([row[name] for row in rows], np.float32).reshape(-1, *shape)
        for name, shape in ROW_SHAPES.items()
    }
    for name in ('left', 'pose_known', 'mask_known'):
        columns[name] = np.array([row[name] for row in rows], dtype=np.bool_)
    for name, place in places.items():
        columns[f'{name}_bytes'] = np.array(place, dtype=np.int64).reshape(-1, 2)
    columns['photograph'] = np.array([row['photograph'] for row in rows], dtype=np.str_)
    columns['pictures'] = np.frombuffer(bytes(pictures), dtype=np.uint8)
    return columns


def _read_part(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, EOFError, ValueError) as error:
        message = f'{path} is damaged ({error}): delete it and run the same command again'
        raise DatasetError(message) from error


def _count(counts: LabelCounts, part: dict[str, NDArray[Any]]) -> None:
    """Move what is no label from a part to the counts."""
    about = json.loads(str(part.pop('about')))
    counts.unreadable += about['unreadable']
    counts.without_hand += about['without_hand']
    counts.photographs.update(source_of(name) for name in about['read'])
    counts.dropped += [
        (name, DroppedHand(keypoints_px, reason))
        for (name, reason), keypoints_px in zip(
            about['dropped'], part.pop('dropped_px'), strict=True
        )
    ]


def source_of(name: str) -> str:
    """Return the first folder on a photograph's path, '.' for none: pictures of one origin."""
    return name.split('/')[0] if '/' in name else '.'


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
