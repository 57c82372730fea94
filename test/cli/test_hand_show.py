"""`realhands hand show` writes pictures that show something."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.hand import sheets


@pytest.mark.parametrize('what', list(sheets.SHEETS))
def test_every_sheet_is_drawn(tmp_path: Path, monkeypatch, what: str) -> None:
    monkeypatch.setattr(sheets, '_TILE', 60)
    monkeypatch.setattr(sheets, '_ATLAS_PIXELS', 240)
    picture = tmp_path / f'{what}.png'
    assert main(['hand', 'show', str(picture), '--what', what]) == 0
    image = cv2.imread(str(picture))
    assert image.shape[1] >= 180
    # Hands cover a good part of every sheet.
    drawn = np.abs(image.astype(int) - image[-1, -1]).max(axis=2) > 12
    assert 0.08 < drawn.mean() < 0.95


def test_other_endings_and_missing_folders_are_refused(tmp_path: Path, capsys) -> None:
    assert main(['hand', 'show', str(tmp_path / 'hand.jpg'), '--what', 'weights']) == 1
    assert 'does not end in .png' in capsys.readouterr().err
    missing = tmp_path / 'missing' / 'hand.png'
    assert main(['hand', 'show', str(missing), '--what', 'weights']) == 1
    assert 'cannot be written' in capsys.readouterr().err
    assert main(['hand', 'show', str(tmp_path / 'hand.png'), '--model', str(tmp_path)]) == 1
    assert 'MANO_RIGHT' in capsys.readouterr().err
