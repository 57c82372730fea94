"""Unseen skin is made up of what is around it, and of the other hand."""

import numpy as np
import pytest

from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.uv_atlas import load_uv_atlas
from realhands_ros.texture.filling import AtlasFiller
from realhands_ros.texture.stage import texel_table

SIZE = 256


@pytest.fixture(scope='module')
def table():
    return texel_table(load_uv_atlas(default_model_folder()), SIZE)


@pytest.fixture(scope='module')
def filler(table):
    return AtlasFiller(table, load_hand_model_data(default_model_folder()).faces)


def used_mask(table):
    mask = np.zeros(SIZE * SIZE, dtype=bool)
    mask[table.texels] = True
    return mask.reshape(SIZE, SIZE)


def test_one_tone_fills_everything(table, filler) -> None:
    colours = np.zeros((SIZE, SIZE, 3), np.uint8)
    coverage = np.zeros((SIZE, SIZE), np.uint8)
    seen = used_mask(table)
    seen[: SIZE // 2] = False
    colours[seen], coverage[seen] = (180, 130, 110), 255
    atlas = filler.fill(colours, coverage)
    assert np.abs(atlas.astype(int) - (180, 130, 110)).max() <= 2


def test_what_was_seen_stays(table, filler) -> None:
    rng = np.random.default_rng(1)
    colours = rng.integers(60, 220, (SIZE, SIZE, 3), dtype=np.uint8)
    coverage = np.where(used_mask(table), 255, 0).astype(np.uint8)
    atlas = filler.fill(colours, coverage)
    np.testing.assert_array_equal(atlas[used_mask(table)], colours[used_mask(table)])


def test_gutters_continue_the_skin(table, filler) -> None:
    colours = np.full((SIZE, SIZE, 3), 77, np.uint8)
    coverage = np.where(used_mask(table), 255, 0).astype(np.uint8)
    atlas = filler.fill(colours, coverage).reshape(-1, 3)
    assert (atlas[table.gutter] == 77).all()


def test_detail_comes_from_the_other_hand(table, filler) -> None:
    used = used_mask(table)
    tone = np.full((SIZE, SIZE, 3), 150, np.uint8)
    other = tone.copy()
    other[::8] = 110
    half = used.copy()
    half[: SIZE // 2] = False
    full = np.where(used, 255, 0).astype(np.uint8)
    atlas = filler.fill(tone, np.where(half, 255, 0).astype(np.uint8), (other, full))
    lines = np.zeros_like(used)
    lines[: SIZE // 2 : 8] = True
    between = np.zeros_like(used)
    between[4 : SIZE // 2 : 8] = True
    # Crisp lines where the hand itself was not seen.
    assert atlas[lines & used].mean() < atlas[between & used].mean() - 25


def test_nothing_seen_gives_a_skin_tone(filler) -> None:
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    atlas = filler.fill(np.zeros((SIZE, SIZE, 3), np.uint8), nothing).reshape(-1, 3)
    red, green, blue = atlas.mean(axis=0)
    assert red > green > blue > 80
    assert atlas.std(axis=0).max() < 2
