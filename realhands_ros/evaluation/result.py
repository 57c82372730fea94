"""What an evaluation found out, where its figures come from, and thresholds on them."""

from __future__ import annotations

import hashlib
import io
import json
import operator
import os
import platform
import re
import shlex
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.evaluation.metrics import latency_percentiles
from realhands_ros.evaluation.scores import ALL_METRICS

# The result of an evaluation: scores hand by hand, their means, and the content of a report.
#
# A result is kept in a zip file: ``result.json`` (stages, means, counts), ``arrays.npz`` (every
# number behind them), ``about.json`` (source, configuration, versions, machine, command),
# ``timing.npz`` and pictures. The first two depend on the recording, the weights and the machine
# only: two runs give the same bytes.

Means = dict[str, float]

FORMAT = 1
# The zip format's first moment, so that equal contents are equal files.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_VIEWS = 'views'


@dataclass(frozen=True)
class Picture:
    """A picture for the report: a name for its file, a line below it, a JPEG."""

    name: str
    caption: str
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """
    The result of one evaluation.

    ``about``: where the figures come from. ``partial``: why it is not complete, None if it is.
    ``stages``: titles of the stages by key, in the order of the pipeline; the last is the
    pipeline's output. ``hands``: columns (N,) that all stages share: ``frame``, ``track``,
    ``truth`` (-1 without one). ``scores``: by stage the metrics hand by hand (N,), NaN where
    there is none; the key ``views`` holds those of detections and masks. ``tracks``: by stage,
    the metrics of TRACK_METRICS. ``maps``: by stage the arrays of ErrorMaps, maybe none.
    ``counts``: hands found, missed, and so on. ``timing``: milliseconds by stage, frame by frame;
    ``elapsed_s``: of the whole run.
    """

    about: Mapping[str, Any]
    partial: str | None
    stages: Mapping[str, str]
    hands: Mapping[str, FloatArray]
    scores: Mapping[str, Mapping[str, FloatArray]]
    tracks: Mapping[str, Means]
    maps: Mapping[str, Mapping[str, FloatArray]]
    counts: Mapping[str, int]
    timing: Mapping[str, FloatArray]
    elapsed_s: float
    pictures: tuple[Picture, ...] = field(default=())

    @property
    def final_stage(self) -> str:
        """Return the key of the last stage, whose meshes are the pipeline's output."""
        return list(self.stages)[-1]

    @cached_property
    def means(self) -> dict[str, Means]:
        """Return the mean of each metric by stage, ``views`` included."""
        means = {
            stage: {name: _mean(column) for name, column in columns.items()}
            for stage, columns in self.scores.items()
        }
        for stage, scores in self.tracks.items():
            means.setdefault(stage, {}).update(scores)
        return means

    @property
    def timing_means(self) -> Means:
        """Return percentiles of a frame's time, and frames a second of the whole run."""
        total = np.sum(list(self.timing.values()), axis=0) if self.timing else np.zeros(0)
        times = {f'latency_{name}': ms for name, ms in latency_percentiles(total).items()}
        frames = self.counts.get('frames', 0)
        return times | {'fps': frames / self.elapsed_s if self.elapsed_s > 0 else float('nan')}

    def value(self, metric: str, stage: str | None = None) -> float | None:
        """Return a figure by its name, of the final stage unless one is named; None if absent."""
        if stage is not None:
            return self.means.get(stage, {}).get(metric)
        for source in (
            self.means.get(self.final_stage, {}),
            self.means.get(_VIEWS, {}),
            self.counts,
            self.timing_means,
        ):
            if metric in source:
                return float(source[metric])
        return None

    def numbers(self) -> dict[str, Any]:
        """Return what result.json holds."""
        return {
            'format': FORMAT,
            'partial': self.partial,
            'stages': dict(self.stages),
            'means': {stage: _plain(means) for stage, means in self.means.items()},
            'tracks': {stage: _plain(scores) for stage, scores in self.tracks.items()},
            'counts': dict(self.counts),
        }

    def save(self, path: Path) -> None:
        """Write the zip file; DatasetError when that is not possible."""
        arrays = {f'hands/{name}': column for name, column in self.hands.items()}
        for kind, groups in (('scores', self.scores), ('maps', self.maps)):
            for stage, columns in groups.items():
                arrays |= {f'{kind}/{stage}/{name}': values for name, values in columns.items()}
        partial = path.with_name(path.name + '.partial')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED) as archive:
                _write(archive, 'result.json', _json(self.numbers()))
                _write(archive, 'arrays.npz', _npz(arrays))
                _write(archive, 'about.json', _json(dict(self.about)))
                _write(archive, 'timing.npz', _npz({**self.timing, '': [self.elapsed_s]}))
                captions = {picture.name: picture.caption for picture in self.pictures}
                _write(archive, 'pictures.json', _json(captions))
                for picture in self.pictures:
                    _write(archive, f'pictures/{picture.name}', picture.jpeg)
            partial.replace(path)
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror or error}): choose another place'
            raise DatasetError(message) from error

    @classmethod
    def load(cls, path: Path) -> EvaluationResult:
        """Read a zip file; DatasetError when it is missing, damaged or no result."""
        try:
            with zipfile.ZipFile(path) as archive:
                return _read(archive)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            message = f'{path} is no result of `realhands eval` ({error}): make one with --save'
            raise DatasetError(message) from error


def _read(archive: zipfile.ZipFile) -> EvaluationResult:
    numbers = json.loads(archive.read('result.json'))
    if numbers['format'] != FORMAT:
        message = f'its format is {numbers["format"]}, this version reads {FORMAT}'
        raise ValueError(message)
    hands: dict[str, FloatArray] = {}
    groups: dict[str, dict[str, dict[str, FloatArray]]] = {'scores': {}, 'maps': {}}
    for key, values in _arrays(archive, 'arrays.npz').items():
        kind, *rest = key.split('/')
        if kind == 'hands':
            hands[rest[0]] = values
        else:
            groups[kind].setdefault(rest[0], {})[rest[1]] = values
    timing = _arrays(archive, 'timing.npz')
    elapsed = float(timing.pop('')[0])
    captions = json.loads(archive.read('pictures.json'))
    return EvaluationResult(
        about=json.loads(archive.read('about.json')),
        partial=numbers['partial'],
        stages=numbers['stages'],
        hands=hands,
        scores=groups['scores'],
        tracks={stage: _unplain(scores) for stage, scores in numbers['tracks'].items()},
        # A file has no place for a stage without any.
        maps={stage: groups['maps'].get(stage, {}) for stage in numbers['stages']},
        counts=numbers['counts'],
        timing=timing,
        elapsed_s=elapsed,
        pictures=tuple(
            Picture(name, caption, archive.read(f'pictures/{name}'))
            for name, caption in captions.items()
        ),
    )


def _mean(column: FloatArray) -> float:
    known = column[np.isfinite(column)]
    return float(known.mean()) if len(known) else float('nan')


def _plain(means: Mapping[str, float]) -> dict[str, float | None]:
    """Return means as JSON has them: null for NaN."""
    return {name: value if np.isfinite(value) else None for name, value in means.items()}


def _unplain(means: Mapping[str, float | None]) -> Means:
    return {name: float('nan') if value is None else value for name, value in means.items()}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, default=str) + '\n').encode()


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """Return an npz archive without the time of its making."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, np.asarray(values, np.float64))
            _write(archive, f'{name}.npy', member.getvalue())
    return buffer.getvalue()


def _arrays(archive: zipfile.ZipFile, name: str) -> dict[str, FloatArray]:
    with np.load(io.BytesIO(archive.read(name)), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays}


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _NO_TIME)
    info.compress_type = archive.compression
    archive.writestr(info, data)


# Where figures come from: machine, versions, the files that were used, the command.

_PACKAGES = ('numpy', 'scipy', 'torch', 'openvino', 'mediapipe', 'opencv-contrib-python', 'numba')


def machine() -> str:
    """Return processor, number of cores and operating system."""
    return f'{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}'


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and what its figures depend on."""
    found = {'python': platform.python_version()}
    for name in ('realhands', *_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """Return the command line of this process, as it would be typed."""
    return shlex.join(['realhands', *sys.argv[1:]])


def digest(path: Path) -> str:
    """Return the first 12 digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown processor'


# Thresholds on a result, such as ``pa_mpvpe<9`` or ``regressed.iou>=0.9``, for a user's CI.

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    '<=': operator.le,
    '>=': operator.ge,
    '<': operator.lt,
    '>': operator.gt,
}
_PATTERN = re.compile(r'(?:(\w+)\.)?(\w+)\s*(<=|>=|<|>)\s*([-+.\deE]+)')


class Figures(Protocol):
    """Figures by name: a result, or the statistics of a live system."""

    def value(self, metric: str, stage: str | None = None) -> float | None:
        """Return a figure, None if there is none."""
        ...


@dataclass(frozen=True)
class Requirement:
    """One threshold; ``stage`` None is the final stage. A figure that is missing is not met."""

    metric: str
    comparison: str
    limit: float
    stage: str | None = None

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read ``[STAGE.]METRIC<NUMBER``; ConfigError for anything else."""
        match = _PATTERN.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            stage, metric, comparison, limit = match.groups()
            requirement = cls(metric, comparison, float(limit), stage)
        except ValueError as error:
            message = (
                f'{text!r} is no requirement; write a metric, one of {" ".join(_OPERATORS)} and a '
                "number, such as 'pa_mpvpe<9' (quoted, or the shell takes the sign)"
            )
            raise ConfigError(message) from error
        if metric not in ALL_METRICS:
            message = f'there is no metric {metric!r}; use one of {", ".join(ALL_METRICS)}'
            raise ConfigError(message)
        return requirement

    def __str__(self) -> str:
        prefix = f'{self.stage}.' if self.stage else ''
        return f'{prefix}{self.metric}{self.comparison}{self.limit:g}'

    def failure(self, result: Figures) -> str | None:
        """Return in words how the result misses the threshold, None if it does not."""
        value = result.value(self.metric, self.stage)
        if value is None or value != value:
            return f'{self}: this evaluation has no such figure'
        if _OPERATORS[self.comparison](value, self.limit):
            return None
        return f'{self}: it is {ALL_METRICS[self.metric].text(value)}'


def failures(requirements: Sequence[Requirement], result: Figures) -> list[str]:
    """Return a sentence for each requirement that is not met."""
    found = (requirement.failure(result) for requirement in requirements)
    return [failure for failure in found if failure is not None]
