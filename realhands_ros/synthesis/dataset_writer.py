"""Write a synthetic dataset: shards in several processes, whole or not at all, resumable."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.cores import use_one_core
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.synthesis.config import VIEW_MIXES, SynthesisConfig
from realhands_ros.synthesis.dataset_card import write_card
from realhands_ros.synthesis.dataset_format import (
    MANIFEST_NAME,
    TRUTH_COLUMNS,
    TRUTH_NAME,
    VIEWS,
    Manifest,
    encode_depth,
    file_name,
    read_manifest,
    shard_folder,
)
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.photographs import PhotoLibrary
from realhands_ros.synthesis.rendering import Renderer
from realhands_ros.synthesis.sample import StereoSample, make_sample

_JPEG_QUALITY = 95
_POLL_S = 0.2


def write_dataset(
    folder: Path, config: SynthesisConfig, *, samples: int, seed: int, processes: int
) -> None:
    """
    Make a dataset of ``samples`` stereo pairs in ``folder``, or go on with one begun there.

    The result depends on configuration, samples and seed only, not on the number of processes or
    on interruptions. Raises ConfigError for a count below one, DatasetError when the folder holds
    another dataset, the backgrounds cannot be used, or the disk is full.
    """
    if samples < 1 or processes < 1:
        message = f'samples is {samples} and processes {processes}; both must be at least 1'
        raise ConfigError(message)
    manifest = Manifest(samples, seed, config.as_dict(), _backgrounds_digest(config))
    _claim_folder(folder, manifest)
    missing = [s for s in range(manifest.num_shards) if not shard_folder(folder, s).is_dir()]
    done = samples - sum(len(manifest.shard_indices(shard)) for shard in missing)
    with tqdm(total=samples, initial=done, unit='sample', dynamic_ncols=True) as progress:
        if processes == 1:
            _work_alone(folder, manifest, config, missing, progress)
        else:
            _work_together(folder, manifest, config, missing, processes, progress)
    write_card(folder, manifest)


def write_shard(
    folder: Path,
    shard: int,
    indices: Iterable[int],
    generator: SceneGenerator,
    renderer: Renderer,
    on_sample: Callable[[], None],
) -> None:
    """
    Write one shard under a temporary name, then give it its own.

    Raises DatasetError when the disk is full or the folder cannot be written.
    """
    final = shard_folder(folder, shard)
    partial = final.with_name(f'.{final.name}.partial')
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        rows = []
        for index in indices:
            sample = make_sample(generator.scene(index), renderer)
            _write_pictures(partial, index, sample)
            rows.append(truth_row(index, sample))
            on_sample()
        columns = {
            name: np.stack([row[name] for row in rows]).astype(kind)
            for name, (_, kind, _) in TRUTH_COLUMNS.items()
        }
        with (partial / TRUTH_NAME).open('wb') as file:
            np.savez_compressed(file, **columns)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        message = (
            f'cannot write {final}: {error.strerror or error}; make room or choose another '
            'folder, then run the same command again: it goes on where it stopped'
        )
        raise DatasetError(message) from error


def truth_row(index: int, sample: StereoSample) -> dict[str, NDArray[Any]]:
    """Return one sample's row of the truth, by the columns of TRUTH_COLUMNS."""
    hand, cameras = sample.hand, sample.rig.views
    row = {
        'index': index,
        'is_left_hand': hand.handedness == 'left',
        'view_mix': VIEW_MIXES.index(sample.view_mix),
        'pose_aa': hand.pose_aa,
        'shape': hand.shape,
        'translation': hand.translation,
        'vertices': hand.vertices,
        'joints': hand.joints,
        'keypoints': hand.keypoints,
        'keypoints_px': sample.keypoints_px,
        'keypoints_visible': sample.keypoints_visible,
        'intrinsics': np.stack([camera.intrinsics for camera in cameras]),
        'rotation': np.stack([camera.rotation for camera in cameras]),
        'camera_translation': np.stack([camera.translation for camera in cameras]),
        'image_size': [cameras[0].width, cameras[0].height],
    }
    return {name: np.asarray(value) for name, value in row.items()}


def _write_pictures(folder: Path, index: int, sample: StereoSample) -> None:
    for eye, view in enumerate(VIEWS):
        bgr = sample.images[eye][..., ::-1]
        depth = encode_depth(sample.depth[eye])
        contents: tuple[tuple[str, str, NDArray[Any], list[int]], ...] = (
            ('image', '.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]),
            ('labels', '.png', sample.labels[eye], []),
            ('depth', '.png', depth, [cv2.IMWRITE_PNG_COMPRESSION, 2]),
        )
        for content, suffix, picture, options in contents:
            # cv2.imwrite would hide a full disk.
            data = cv2.imencode(suffix, picture, options)[1]
            (folder / file_name(index, view, content)).write_bytes(data.tobytes())


def _backgrounds_digest(config: SynthesisConfig) -> str | None:
    """Check the photographs and return a digest of their names and sizes."""
    if config.backgrounds is None:
        return None
    library = PhotoLibrary(config.backgrounds, max_side=64)
    library.check()
    digest = hashlib.sha256()
    for path in library.paths:
        name = path.relative_to(config.backgrounds).as_posix()
        digest.update(f'{name} {path.stat().st_size}\n'.encode())
    return digest.hexdigest()[:16]


def _claim_folder(folder: Path, manifest: Manifest) -> None:
    """Write dataset.json, or check that the one there asks for the same dataset."""
    path = folder / MANIFEST_NAME
    if path.exists():
        found = read_manifest(folder)
        different = [
            name
            for name, value in manifest.__dict__.items()
            if getattr(found, name) != value and name != 'config'
        ]
        different += [
            name for name, value in manifest.config.items() if found.config.get(name) != value
        ]
        if different:
            message = (
                f'{folder} holds another dataset, with a different {", ".join(different)}; '
                'repeat the command it was begun with, or choose another folder'
            )
            raise DatasetError(message)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix('.partial')
        partial.write_text(manifest.to_json())
        partial.replace(path)
    except OSError as error:
        message = f'cannot write to {folder}: {error.strerror or error}; choose another folder'
        raise DatasetError(message) from error


def _work_alone(
    folder: Path,
    manifest: Manifest,
    config: SynthesisConfig,
    shards: list[int],
    progress: tqdm[None],
) -> None:
    use_one_core()
    generator, renderer = SceneGenerator(config, manifest.seed), FastRenderer()
    for shard in shards:
        indices = manifest.shard_indices(shard)
        write_shard(folder, shard, indices, generator, renderer, progress.update)


def _work_together(
    folder: Path,
    manifest: Manifest,
    config: SynthesisConfig,
    shards: list[int],
    processes: int,
    progress: tqdm[None],
) -> None:
    # Forked children would inherit the locks of torch's and OpenCV's threads.
    context = multiprocessing.get_context('spawn')
    counter = context.Value('q', 0)
    arguments = (folder, manifest, config, counter)
    with context.Pool(min(processes, len(shards) or 1), _start_worker, arguments) as pool:
        result = pool.map_async(_write_one, shards, chunksize=1)
        start = progress.n
        while not result.ready():
            result.wait(_POLL_S)
            progress.update(start + counter.value - progress.n)
        result.get()
        progress.update(start + counter.value - progress.n)


class _Worker:
    """What one process keeps between shards."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        config: SynthesisConfig,
        counter: Synchronized[int],
    ) -> None:
        use_one_core()
        self._folder = folder
        self._manifest = manifest
        self._counter = counter
        self._generator = SceneGenerator(config, manifest.seed)
        self._renderer = FastRenderer()

    def write(self, shard: int) -> None:
        indices = self._manifest.shard_indices(shard)
        write_shard(self._folder, shard, indices, self._generator, self._renderer, self._count_one)

    def _count_one(self) -> None:
        with self._counter.get_lock():
            self._counter.value += 1


_worker: _Worker | None = None


def _start_worker(
    folder: Path, manifest: Manifest, config: SynthesisConfig, counter: Synchronized[int]
) -> None:
    global _worker
    _worker = _Worker(folder, manifest, config, counter)


def _write_one(shard: int) -> None:
    assert _worker is not None
    _worker.write(shard)
