"""Film hands and write the bag."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from realhands_ros import __version__
from realhands_ros.errors import ConfigError
from realhands_ros.hand.model_file import default_model_folder, load_mesh_topology
from realhands_ros.messages.topics import WrapperVersion, ZedNames
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.film import Film
from realhands_ros.synthesis.film_rendering import RenderedFrame, render_film
from realhands_ros.synthesis.zed_bag.truth import truth_mesh
from realhands_ros.synthesis.zed_bag.writer import ZedBagWriter, whole_or_nothing

# The first frame's stamp, seconds since the epoch: a bag is the same whenever it is made.
START_S = 1_700_000_000
_NS_PER_S = 1_000_000_000


def record_bag(
    bag: Path,
    settings: FilmSettings,
    *,
    wrappers: Sequence[WrapperVersion],
    processes: int,
) -> None:
    """
    Film hands and write what a ZED would have published of them, with the truth, to ``bag``.

    With several ``wrappers`` every image is in the bag under the names of each of them. The
    messages depend on ``settings`` and ``wrappers`` only. Raises ConfigError for a value out of
    range, ModelFileError when there is no hand model, and DatasetError when the bag exists or
    cannot be written; then no bag is left behind.
    """
    if processes < 1 or not wrappers:
        message = (
            f'processes is {processes} and wrappers {list(wrappers)}: '
            'give at least one process and one wrapper version'
        )
        raise ConfigError(message)
    film = Film(settings)
    names = [ZedNames(version) for version in wrappers]
    notes = {
        'realhands_version': __version__,
        'film_settings': json.dumps(asdict(settings), default=str),
    }
    with (
        whole_or_nothing(bag) as folder,
        ZedBagWriter(folder, names, film.rig, settings.camera, notes) as writer,
        closing(render_film(settings, processes=processes)) as frames,
    ):
        progress = tqdm(frames, total=settings.num_frames, unit='frame', dynamic_ncols=True)
        _write_film(writer, film, settings, progress)


def _write_film(
    writer: ZedBagWriter, film: Film, settings: FilmSettings, frames: Iterable[RenderedFrame]
) -> None:
    folder = settings.model_folder or default_model_folder()
    topologies = {side: load_mesh_topology(folder, side) for side in film.motions}
    keys = {side: topology.key for side, topology in topologies.items()}
    start_ns = START_S * _NS_PER_S
    for topology in topologies.values():
        writer.write_topology(start_ns, topology)
    for frame in frames:
        stamp_ns = start_ns + round(film.time(frame.index) * _NS_PER_S)
        hands = [truth_mesh(seen, film.rig, keys, settings.seed) for seen in frame.hands]
        writer.write_frame(stamp_ns, frame.images, hands)
