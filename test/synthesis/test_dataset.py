"""The dataset on disk: what is asked for comes out, whole or not at all, the same every time."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from realhands_ros.cli.main import main
from realhands_ros.datasets.synthetic_stereo import SyntheticStereo
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.synthesis import dataset_format, dataset_writer
from realhands_ros.synthesis.config import SynthesisConfig, parse_mix
from realhands_ros.synthesis.dataset_writer import write_dataset
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import make_sample

CONFIG = SynthesisConfig(crop_size=64)
SAMPLES = 5


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_format.Manifest.__init__, '__defaults__', (1, 2, None, None))


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp('whole') / 'set'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_format.Manifest.__init__, '__defaults__', (1, 2, None, None))
        write_dataset(folder, CONFIG, samples=SAMPLES, seed=3, processes=1)
    yield folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_reader_returns_what_was_made(whole: Path) -> None:
    dataset = SyntheticStereo(whole, with_depth=True)
    assert len(dataset) == SAMPLES
    sample = make_sample(SceneGenerator(CONFIG, 3).scene(3), FastRenderer())
    item = dataset[3]
    assert int(item['index']) == 3
    assert item['images'].shape == (2, 3, 64, 64)
    np.testing.assert_array_equal(item['labels'].numpy(), sample.labels)
    np.testing.assert_array_equal(item['masks'].numpy(), sample.masks)
    images = item['images'].permute(0, 2, 3, 1).numpy().astype(float)
    assert np.abs(images - sample.images).mean() < 3.0
    near = sample.depth < 6.0
    assert np.abs(item['depth'].numpy() - sample.depth)[near].max() < 1e-4
    np.testing.assert_allclose(item['vertices'].numpy(), sample.hand.vertices, atol=1e-6)
    np.testing.assert_allclose(item['keypoints_px'].numpy(), sample.keypoints_px, atol=1e-3)
    np.testing.assert_array_equal(item['keypoints_visible'].numpy(), sample.keypoints_visible)
    np.testing.assert_allclose(item['intrinsics'][1], sample.rig.right.intrinsics, rtol=1e-6)
    assert bool(item['is_left_hand']) == (sample.hand.handedness == 'left')
    with pytest.raises(IndexError):
        dataset[SAMPLES]


def test_card_counts(whole: Path) -> None:
    card = (whole / 'card.md').read_text()
    assert f'samples: {SAMPLES} stereo pairs in 3 shards' in card
    assert 'seed 3, generator version 1' in card
    assert '64 x 64: 5' in card


def test_processes_and_interruptions_change_no_byte(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of the second shard, resumed by two processes: the same files."""
    folder = tmp_path / 'set'
    original, calls = dataset_writer.make_sample, 0

    def interrupted(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset_writer, 'make_sample', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(folder, CONFIG, samples=SAMPLES, seed=3, processes=1)
    monkeypatch.undo()
    monkeypatch.setattr(dataset_format.Manifest.__init__, '__defaults__', (1, 2, None, None))
    assert sorted(p.name for p in folder.glob('shard-*')) == ['shard-00000']
    with pytest.raises(DatasetError, match='unfinished: 2 of 3'):
        SyntheticStereo(folder)
    write_dataset(folder, CONFIG, samples=SAMPLES, seed=3, processes=2)
    assert digests(folder) == digests(whole)


def test_a_full_disk_is_named_and_leaves_no_half_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(DatasetError, match='No space left on device.*run the same command again'):
        write_dataset(tmp_path / 'set', CONFIG, samples=2, seed=3, processes=1)
    assert not list((tmp_path / 'set').glob('*shard*'))


def test_another_dataset_in_the_folder_is_refused(whole: Path) -> None:
    with pytest.raises(DatasetError, match='different seed'):
        write_dataset(whole, CONFIG, samples=SAMPLES, seed=4, processes=1)
    with pytest.raises(DatasetError, match='different crop_size'):
        write_dataset(whole, SynthesisConfig(crop_size=96), samples=5, seed=3, processes=1)


def test_damage_is_named(whole: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / 'set'
    shutil.copytree(whole, folder)
    (folder / 'shard-00001' / 'truth.npz').write_bytes(b'broken')
    with pytest.raises(DatasetError, match=r'shard-00001/truth.npz is damaged'):
        SyntheticStereo(folder)[2]
    (folder / 'shard-00000' / '00000001_right.jpg').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'00000001_right.jpg is missing or damaged'):
        SyntheticStereo(folder)[1]
    (folder / 'dataset.json').write_text('{')
    with pytest.raises(DatasetError, match=r'dataset.json is damaged'):
        SyntheticStereo(folder)
    with pytest.raises(DatasetError, match='no synthetic dataset'):
        SyntheticStereo(tmp_path)


def test_bad_backgrounds_are_named(tmp_path: Path) -> None:
    def begin(folder: Path) -> None:
        config = SynthesisConfig(crop_size=64, backgrounds=folder)
        write_dataset(tmp_path / 'set', config, samples=1, seed=0, processes=1)

    with pytest.raises(DatasetError, match='does not exist'):
        begin(tmp_path / 'nowhere')
    photos = tmp_path / 'photos'
    photos.mkdir()
    with pytest.raises(DatasetError, match='holds no picture'):
        begin(photos)
    (photos / 'good.png').write_bytes(cv2.imencode('.png', np.zeros((9, 9, 3), np.uint8))[1])
    (photos / 'torn.jpg').write_bytes(b'\xff\xd8 not a picture')
    with pytest.raises(DatasetError, match=r'torn.jpg is not a picture'):
        begin(photos)
    assert not (tmp_path / 'set').exists()


def test_photographs_are_used(tmp_path: Path) -> None:
    photos = tmp_path / 'photos'
    photos.mkdir()
    blue = np.zeros((60, 90, 3), np.uint8)
    blue[..., 0] = 255
    (photos / 'blue.png').write_bytes(cv2.imencode('.png', blue)[1])
    config = SynthesisConfig(
        crop_size=64, backgrounds=photos, mix={'frontal': 1.0}, second_hand_share=0.0
    )
    generator, renderer = SceneGenerator(config, 0), FastRenderer()
    shares = []
    for index in range(6):
        sample = make_sample(generator.scene(index), renderer)
        shares.append(min(
            ((image[labels == 0].astype(int) @ [-1, 0, 1]) > 80).mean()
            for image, labels in zip(sample.images, sample.labels, strict=True)
        ))  # fmt: skip
        assert np.isfinite(sample.depth).all()  # No gap beside the photograph in either view.
    assert max(shares) > 0.9


def test_options_are_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert parse_mix('egocentric=2, frontal=1') == {'egocentric': 2.0, 'frontal': 1.0}
    for bad in ('sideways', 'frontal=x', 'frontal=-1', ''):
        with pytest.raises(ConfigError):
            SynthesisConfig(mix=parse_mix(bad))
    with pytest.raises(ConfigError, match='crop_size is 8'):
        SynthesisConfig(crop_size=8)
    with pytest.raises(ConfigError, match='no ZED calibration'):
        SceneGenerator(SynthesisConfig(cameras=('webcam',)), 0).scene(0)
    code = main(['synth', 'dataset', str(tmp_path / 'x'), '--samples', '0'])
    assert code == 1
    assert 'samples is 0' in capsys.readouterr().err


def test_sheet_command(tmp_path: Path) -> None:
    out = tmp_path / 'sheet.png'
    arguments = ['--samples', '3', '--columns', '2', '--crop', '64', '--truth']
    assert main(['synth', 'sheet', str(out), *arguments]) == 0
    assert cv2.imread(str(out)).shape == (128, 256, 3)
