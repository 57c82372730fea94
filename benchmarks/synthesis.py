"""
How many synthetic stereo samples a second: crops and full images, beside Blender on one scene.

    python benchmarks/synthesis.py [--processes 2] [--backgrounds DIR] [--blender]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path

from realhands_ros.cores import use_one_core
from realhands_ros.synthesis.blender.renderer import BlenderRenderer
from realhands_ros.synthesis.camera_effects import develop
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import make_sample

_WARM_UP = 6
_TARGETS = {'2 x 224 x 224 crops': 25.0, '2 x VGA full images': 5.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--samples', type=int, default=60, help='a process')
    parser.add_argument('--backgrounds', type=Path, default=None)
    parser.add_argument('--blender', action='store_true', help='render one scene with Cycles too')
    args = parser.parse_args()
    configs = {
        '2 x 224 x 224 crops': SynthesisConfig(crop_size=224, backgrounds=args.backgrounds),
        '2 x VGA full images': SynthesisConfig(backgrounds=args.backgrounds),
    }
    for name, config in configs.items():
        rate = _rate(config, args.processes, args.samples)
        target = _TARGETS[name]
        print(
            f'{name}: {rate:.1f} samples/s with {args.processes} processes, all effects and truth '
            f'(target {target:g}; {rate / target:.2f} of it)'
        )
        _print_stages(config)
    if args.blender:
        _print_blender(configs['2 x VGA full images'])


def _rate(config: SynthesisConfig, processes: int, samples: int) -> float:
    """Return samples a second of several processes together, without their start."""
    context = multiprocessing.get_context('spawn')
    barrier = context.Barrier(processes)
    queue = context.Queue()
    workers = [
        context.Process(target=_work, args=(config, number, samples, barrier, queue))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    times = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    return processes * samples / max(times)


def _work(config: SynthesisConfig, number: int, samples: int, barrier, queue) -> None:  # type: ignore[no-untyped-def]
    use_one_core()
    generator, renderer = SceneGenerator(config, number), FastRenderer()
    for index in range(_WARM_UP):
        make_sample(generator.scene(index), renderer)
    barrier.wait()
    start = time.perf_counter()
    for index in range(_WARM_UP, _WARM_UP + samples):
        make_sample(generator.scene(index), renderer)
    queue.put(time.perf_counter() - start)


def _print_stages(config: SynthesisConfig) -> None:
    generator, renderer = SceneGenerator(config, 0), FastRenderer()
    times: dict[str, list[float]] = {'scene': [], 'render': [], 'camera': []}
    for index in range(30):
        marks = [time.perf_counter()]
        scene = generator.scene(index)
        marks.append(time.perf_counter())
        views = renderer.render(scene)
        marks.append(time.perf_counter())
        develop(views, scene.effects)
        marks.append(time.perf_counter())
        for stage, start, stop in zip(times, marks[:-1], marks[1:], strict=True):
            times[stage].append(stop - start)
    medians = {stage: 1e3 * statistics.median(values) for stage, values in times.items()}
    print('   median of one process, ms: ' + ', '.join(f'{k} {v:.0f}' for k, v in medians.items()))


def _print_blender(config: SynthesisConfig) -> None:
    scene = SceneGenerator(config, 0).scene(0)
    fast, fine = FastRenderer(), BlenderRenderer(samples=16)
    fast.render(scene)
    start = time.perf_counter()
    fast.render(scene)
    middle = time.perf_counter()
    fine.render(scene)
    stop = time.perf_counter()
    print(
        f'one VGA scene, both views: fast {middle - start:.2f} s, Cycles with 16 samples '
        f'{stop - middle:.1f} s, start included ({(stop - middle) / (middle - start):.0f} times)'
    )


if __name__ == '__main__':
    main()
