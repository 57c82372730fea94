"""A trial: the nodes as processes, a recording played to them at its own pace, all recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.bags.bag_file import BagFile
from realhands_ros.evaluation.live.process_load import LoadSampler, ProcessLoad
from realhands_ros.evaluation.live_statistics import Arrival
from realhands_ros.graph import Wiring, player_command, recorder_command
from realhands_ros.nodes.fastdds import environment_with_profile
from realhands_ros.nodes.supervisor import Supervisor, stop_on_signals

_PUBLISHED, _RECEIVED, _RESULTS = 'published.json', 'received.json', 'results'
_POLL_S = 0.1
# What is loaded once the nodes listen costs a core for a moment that no live system sees again.
_SETTLE_S = 2.0


@dataclass(frozen=True)
class Trial:
    """
    What came of it.

    ``published``: each message of the recording and when it was sent; ``received``: each result
    and when it reached the recorder, both by one monotonic clock. ``results``: the bag of what was
    received. ``loads``: of the time while it played, by the name of each process.
    """

    recording: Path
    results: Path
    published: tuple[Arrival, ...]
    received: tuple[Arrival, ...]
    loads: dict[str, ProcessLoad]


def run_trial(
    recording: Path,
    wiring: Wiring,
    folder: Path,
    *,
    rate: float = 1.0,
    say: Callable[[str], None] = print,
) -> Trial:
    """
    Start the nodes of ``wiring``, play the recording at ``rate``, and end everything.

    ``folder`` takes what is recorded; it must be empty or not exist. Raises DatasetError when the
    recording cannot be played, and KeyboardInterrupt when a signal ended the trial.
    """
    with BagFile(recording):
        pass  # it can be opened: said before anything is started
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / _RESULTS
    commands = wiring.commands()
    commands['recorder'] = recorder_command(results, wiring, timing=folder / _RECEIVED)
    player = player_command(
        recording,
        wiring,
        rate=rate,
        also_await=('hands/mesh=recorder',),
        settle_s=_SETTLE_S,
        timing=folder / _PUBLISHED,
    )
    sampler = _play(commands, player, say)
    published, received = (_arrivals(folder / name) for name in (_PUBLISHED, _RECEIVED))
    return Trial(recording, results, published, received, _loads_while_playing(sampler, published))


def _play(
    commands: Mapping[str, Sequence[str]], player: Sequence[str], say: Callable[[str], None]
) -> LoadSampler:
    """Run everything until the player ends; return what the nodes cost meanwhile."""
    environment = environment_with_profile()
    with (
        stop_on_signals() as stop,
        Supervisor(commands, environment, once=('recorder',), say=say) as nodes,
        Supervisor(
            {'bag_player': player}, environment, once=('bag_player',), say=_nothing
        ) as playing,
    ):
        process = playing.processes['bag_player']
        with LoadSampler({name: node.pid for name, node in nodes.processes.items()}) as sampler:
            while playing.poll() and nodes.poll() and not stop.wait(_POLL_S):
                pass
        if stop.is_set():
            raise KeyboardInterrupt
    if process.returncode != 0:
        message = f'the recording could not be played: the player ended with {process.returncode}'
        raise DatasetError(message)
    return sampler


def _loads_while_playing(
    sampler: LoadSampler, published: Sequence[Arrival]
) -> dict[str, ProcessLoad]:
    """Return what the nodes cost from the first message to the last; their start is left out."""
    times_s = [1e-9 * message.arrived_ns for message in published]
    return sampler.loads(min(times_s), max(times_s)) if times_s else sampler.loads()


def _nothing(text: str) -> None:
    """Say nothing: that the recording is over is no news."""


def _arrivals(path: Path) -> tuple[Arrival, ...]:
    return tuple(Arrival(*row) for row in json.loads(path.read_text()))
