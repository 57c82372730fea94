"""What people wear and how their skin differs; cameras without colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from realhands_ros.data.topology import JOINT_NAMES
from realhands_ros.errors import DatasetError
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data, load_uv_atlas
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.dataset_writer import write_dataset
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.gloves import glove_cover, sample_glove
from realhands_ros.synthesis.sample import make_sample
from realhands_ros.synthesis.scene import Label
from realhands_ros.synthesis.skin import sample_skin
from realhands_ros.synthesis.skin_atlas import SkinAtlas
from realhands_ros.synthesis.skin_textures import SkinTextures

PLAIN = {'second_hand_share': 0.0, 'occluder_share': 0.0, 'held_object_share': 0.0}


@pytest.fixture(scope='module')
def skins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one skin whose colour is the place in the layout."""
    folder = tmp_path_factory.mktemp('skins')
    y, x = np.mgrid[:512, :512] / 511
    picture = 255 * np.stack([0.5 + 0 * x, 0.2 + 0.6 * y, 0.2 + 0.6 * x], axis=-1)
    cv2.imwrite(str(folder / 'map.png'), picture.astype(np.uint8))
    return folder


@pytest.fixture(scope='module')
def atlas() -> SkinAtlas:
    folder = default_model_folder()
    data = load_hand_model_data(folder)
    return SkinAtlas.of(data, load_uv_atlas(folder, 'right'), 128)


def test_the_parts_of_the_hand_keep_their_places_in_the_layout(
    skins: Path, atlas: SkinAtlas
) -> None:
    """Fingers go to fingers, and the palm and the back to different pieces of the layout."""
    data = load_hand_model_data(default_model_folder())
    textures = SkinTextures(skins)
    places = textures.places_on_hand(data, atlas.features.position, atlas.weights)
    owner = atlas.weights.argmax(1)
    palm = atlas.features.palm > 0.8
    middles = {}
    for finger in ('index3', 'middle3', 'ring3', 'little3', 'thumb3'):
        own = (owner == JOINT_NAMES.index(finger)) & palm
        middle = np.median(places[own], axis=0)
        # A fingertip is about a fiftieth of the layout wide.
        assert np.median(np.linalg.norm(places[own] - middle, axis=1)) < 0.02
        middles[finger] = middle
    gaps = [np.linalg.norm(a - b) for a in middles.values() for b in middles.values()]
    assert min(gap for gap in gaps if gap > 0) > 0.015
    wrist = owner == 0
    back = wrist & (atlas.features.palm < 0.05)
    apart = np.median(places[wrist & palm], axis=0) - np.median(places[back], axis=0)
    assert np.linalg.norm(apart) > 0.03


def test_unevenness_is_about_the_mean_and_bounded(skins: Path, atlas: SkinAtlas) -> None:
    data = load_hand_model_data(default_model_folder())
    textures = SkinTextures(skins)
    places = textures.places_on_hand(data, atlas.features.position, atlas.weights)
    uneven = textures.unevenness(0, places, atlas.features.palm)
    # What is cut off at the bounds moves the mean.
    assert np.abs(uneven.mean(0)).max() < 0.1
    assert 0.01 < uneven.std(0)[0] < 0.8


def test_a_real_skin_changes_the_hand_and_not_the_truth(skins: Path) -> None:
    shares = {**PLAIN, 'glove_share': 0.0, 'infrared_share': 0.0, 'grey_share': 0.0}
    with_skin = SynthesisConfig(crop_size=64, skins=skins, real_skin_share=1.0, **shares)
    scene = SceneGenerator(with_skin, 4).scene(0)
    again = SceneGenerator(with_skin, 4).scene(0)
    hand = next(mesh for mesh in scene.meshes if mesh.label is Label.HAND)
    same = next(mesh for mesh in again.meshes if mesh.label is Label.HAND)
    np.testing.assert_array_equal(hand.material.albedo, same.material.albedo)
    assert hand.material.albedo.min() > 0


def test_missing_and_damaged_skins_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match='no skins'):
        SkinTextures(tmp_path)
    (tmp_path / 'bad.png').write_bytes(b'nothing')
    with pytest.raises(DatasetError, match=r'bad\.png'):
        SkinTextures(tmp_path)


def test_a_dataset_begun_with_other_skins_is_not_continued(skins: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(crop_size=32, skins=skins)
    write_dataset(tmp_path / 'set', config, samples=1, seed=0, processes=1)
    cv2.imwrite(str(skins / 'second.png'), np.full((64, 64, 3), 120, np.uint8))
    try:
        with pytest.raises(DatasetError):
            write_dataset(tmp_path / 'set', config, samples=1, seed=0, processes=1)
    finally:
        (skins / 'second.png').unlink()


def test_gloves_are_in_the_mask_and_hide_the_skin(atlas: SkinAtlas) -> None:
    config = SynthesisConfig(
        crop_size=128, glove_share=1.0, infrared_share=0.0, grey_share=0.0, **PLAIN
    )
    generator, renderer = SceneGenerator(config, 3), FastRenderer()
    for index in range(3):
        scene = generator.scene(index)
        hand = next(mesh for mesh in scene.meshes if mesh.label is Label.HAND)
        # Thicker than the hand by less than three millimetres.
        lift = np.linalg.norm(hand.vertices - scene.hand.vertices, axis=1)
        assert 0 < lift.max() < 0.003
        assert make_sample(scene, renderer).masks.any()
    glove = replace(sample_glove(np.random.default_rng(0)), is_fingerless=False)
    look = sample_skin(np.random.default_rng(1))
    tones = [atlas.paint(replace(look, tone=tone), None, glove).albedo for tone in (0.0, 1.0)]
    on_hand = [tone.reshape(-1, 3)[atlas.texels] for tone in tones]
    np.testing.assert_array_equal(on_hand[0], on_hand[1])


def test_fingerless_gloves_leave_the_tips_bare(atlas: SkinAtlas) -> None:
    glove = replace(sample_glove(np.random.default_rng(0)), is_fingerless=True)
    cover = glove_cover(glove, atlas.weights)
    owner = atlas.weights.argmax(1)
    assert cover[owner == JOINT_NAMES.index('index3')].max() == 0
    assert cover[owner == 0].min() == 1


def test_rings_lie_on_a_finger() -> None:
    config = SynthesisConfig(crop_size=64, glove_share=0.0, ring_share=1.0, **PLAIN)
    generator = SceneGenerator(config, 6)
    for index in range(4):
        scene = generator.scene(index)
        ring = [mesh for mesh in scene.meshes if mesh.label is Label.HAND][1]
        distance = np.linalg.norm(ring.vertices[:, None] - scene.hand.vertices, axis=2).min(1)
        assert distance.max() < 0.008


@pytest.mark.parametrize('share', ['grey_share', 'infrared_share'])
def test_cameras_without_colour(share: str) -> None:
    config = SynthesisConfig(crop_size=96, **{share: 1.0, 'grey_share': 1.0})
    sample = make_sample(SceneGenerator(config, 2).scene(0), FastRenderer())
    spread = sample.images.max(-1).astype(int) - sample.images.min(-1)
    assert spread.max() <= 6
