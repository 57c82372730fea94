"""What a training run leaves on disk: checkpoint, logs, weights."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from realhands_ros.errors import ConfigError

_CHECKPOINT = 'checkpoint.pt'
_SETTINGS = 'run.json'
_LOGS = ('log.csv', 'validation.csv')


class RunFolder:
    """
    The folder of one run.

    ``run.json``: its settings; ``checkpoint.pt``: where to go on; ``log.csv`` and
    ``validation.csv``; ``weights.safetensors``: the network as of the last stage's end.
    """

    def __init__(self, path: Path | str, settings: Mapping[str, Any]) -> None:
        """
        Open or make the folder.

        Raises ConfigError when it holds a run with other settings, or cannot be written.
        """
        self.path = Path(path)
        known = self.path / _SETTINGS
        text = json.dumps(dict(settings), indent=2, sort_keys=True) + '\n'
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not known.exists():
                known.write_text(text)
            found = json.loads(known.read_text())
        except (OSError, ValueError) as error:
            message = f'cannot use {self.path} for a run ({error}): choose another folder'
            raise ConfigError(message) from error
        wanted = json.loads(text)
        different = sorted(k for k in found | wanted if found.get(k) != wanted.get(k))
        if different:
            name = different[0]
            message = (
                f'{self.path} holds a run with other settings ({name} was {found.get(name)!r}, '
                f'now {wanted.get(name)!r}): repeat the command it was begun with, or choose '
                'another folder'
            )
            raise ConfigError(message)

    @property
    def weights_path(self) -> Path:
        """Return where the finished weights go."""
        return self.path / 'weights.safetensors'

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; an interruption leaves the old one or the new one."""
        partial = self.path / (_CHECKPOINT + '.partial')
        torch.save(dict(state), partial)
        partial.replace(self.path / _CHECKPOINT)

    def load_checkpoint(self, device: torch.device) -> dict[str, Any] | None:
        """Return the checkpoint, or None before the first; ConfigError when it is damaged."""
        path = self.path / _CHECKPOINT
        if not path.exists():
            return None
        try:
            return dict(torch.load(path, map_location=device, weights_only=True))
        except Exception as error:  # torch.load raises what zipfile, pickle and it itself have
            message = f'{path} is damaged ({error}): delete it to begin the run anew'
            raise ConfigError(message) from error

    def log(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a row to log.csv or validation.csv; new columns may come at any time."""
        path = self.path / f'{name}.csv'
        rows = self._rows(path)
        columns = list(rows[0]) if rows else []
        added = [column for column in row if column not in columns]
        if added or not rows:
            _write(path, columns + added, [*rows, {k: str(v) for k, v in row.items()}])
            return
        with path.open('a', newline='') as file:
            csv.DictWriter(file, columns, restval='').writerow(row)

    def forget_after(self, total_step: int) -> None:
        """Drop log rows of steps that the checkpoint does not know and that will be done again."""
        for name in _LOGS:
            path = self.path / name
            rows = self._rows(path)
            kept = [row for row in rows if int(row['total_step']) <= total_step]
            if len(kept) < len(rows):
                _write(path, list(rows[0]), kept)

    @staticmethod
    def _rows(path: Path) -> list[dict[str, str]]:
        if not path.exists():
            return []
        with path.open(newline='') as file:
            return list(csv.DictReader(file))


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    partial = path.with_suffix('.partial')
    with partial.open('w', newline='') as file:
        writer = csv.DictWriter(file, columns, restval='')
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
