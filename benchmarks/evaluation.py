"""
Speed of `realhands eval bag` with everything on, and whether cost and memory stay in proportion.

    python benchmarks/evaluation.py [--bag BAG] [--weights FILE] [--frames 60] [--minutes 10]

A short recording is played again and again, under new stamps, to n, 2 n and 4 n frames; each is
evaluated in a process of its own. Without --bag one is made, which takes a minute. With --minutes
that long a recording at 15 Hz is evaluated as well: ten take 11 GB of disk and 20 minutes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from tqdm import tqdm

from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.messages.topics import TRUTH_TOPOLOGY_TOPIC
from realhands_ros.messages.types import bag_typestore
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.zed_bag.record import record_bag

_NS = 1_000_000_000
_RATE_HZ = 15.0
_EVALUATE = """
import resource, sys
from realhands_ros.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print('USED', used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--bag', type=Path)
    parser.add_argument('--weights', type=Path)
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--minutes', type=float, default=0.0, help='of a long recording')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bag = args.bag or _film(folder / 'film')
        rows = []
        lengths = [factor * args.frames for factor in (1, 2, 4)]
        if args.minutes > 0:
            lengths.append(round(60 * args.minutes * _RATE_HZ))
        for frames in lengths:
            longer = folder / f'bag_{frames}'
            _repeat(bag, longer, frames)
            rows.append((frames, *_evaluate(longer, args.weights, folder / 'result.zip')))
            shutil.rmtree(longer)
    print('stereo frames | frames/s | ms a frame | peak memory MB | CPU s, start included')
    for frames, fps, peak_mb, cpu_s in rows:
        print(f'{frames:13d} | {fps:8.1f} | {1000 / fps:10.1f} | {peak_mb:14.0f} | {cpu_s:21.1f}')


def _film(path: Path) -> Path:
    record_bag(path, FilmSettings(seconds=2.0, rate=_RATE_HZ), wrappers=('5.1',), processes=2)
    return path


def _repeat(bag: Path, out: Path, frames: int) -> None:
    """Write a recording of ``frames`` frames that repeats a short one under rising stamps."""
    store = bag_typestore()
    with Reader(bag) as reader:
        # The topology has no stamp, and is not needed.
        kept = [c for c in reader.connections if c.topic != TRUTH_TOPOLOGY_TOPIC]
        messages = list(reader.messages(kept))
        stamps = sorted({stamp for _, stamp, _ in messages})
        shift = stamps[-1] - stamps[0] + (stamps[-1] - stamps[0]) // max(len(stamps) - 1, 1)
        bag_writer = Writer(out, version=8, storage_plugin=StoragePlugin.MCAP)
        bag_writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with bag_writer as writer:
            written = {
                c.topic: writer.add_connection(c.topic, c.msgtype, typestore=store) for c in kept
            }
            for number in tqdm(range(frames), desc='bag', unit='frame'):
                turn, index = divmod(number, len(stamps))
                for connection, stamp, data in messages:
                    if stamp == stamps[index]:
                        moved = _moved(data, turn * shift)
                        writer.write(written[connection.topic], stamp + turn * shift, moved)


def _moved(data: bytes, shift_ns: int) -> bytes:
    """Return a serialised message whose header's stamp is later."""
    seconds = int.from_bytes(data[4:8], 'little')
    stamp = seconds * _NS + int.from_bytes(data[8:12], 'little') + shift_ns
    head = (stamp // _NS).to_bytes(4, 'little') + (stamp % _NS).to_bytes(4, 'little')
    return bytes(data[:4]) + head + bytes(data[12:])


def _evaluate(bag: Path, weights: Path | None, saved: Path) -> tuple[float, float, float]:
    """Return frames a second, the peak memory in MB and the computing time in seconds."""
    command = ['eval', 'bag', str(bag), '--texture', '--save', str(saved)]
    if weights is not None:
        command += ['--weights', str(weights)]
    done = subprocess.run(
        [sys.executable, '-c', _EVALUATE, *command], stdout=subprocess.PIPE, text=True, check=True
    )
    peak_kb, cpu_s = (float(text) for text in done.stdout.rpartition('USED')[2].split())
    return EvaluationResult.load(saved).timing_means['fps'], peak_kb / 1024, cpu_s


if __name__ == '__main__':
    main()
