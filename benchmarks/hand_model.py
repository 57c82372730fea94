"""
Time of the hand model at batch 1 on one core, against smplx with autograd.

Run: python benchmarks/hand_model.py. The candidates take turns, round after round, so that a busy
machine slows all of them alike; every figure is the median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence

for variable in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ[variable] = '1'

import numpy as np  # noqa: E402
import torch  # noqa: E402

from realhands_ros.hand.fast_model import FastHandModel  # noqa: E402
from realhands_ros.hand.layer import HandModel  # noqa: E402
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data  # noqa: E402

RNG = np.random.default_rng(0)
POSE, SHAPE, TRANSLATION = RNG.normal(size=48), RNG.normal(size=10), RNG.normal(size=3)
GRAD_VERTICES = RNG.normal(size=(778, 3)).astype(np.float32)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--folder', default=None, help='model folder (default: the open hand)')
    parser.add_argument('--rounds', type=int, default=40)
    args = parser.parse_args(argv)
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    data = load_hand_model_data(args.folder or default_model_folder())
    fast = FastHandModel(data)
    layer, smplx = HandModel(data), HandModel(data, backend='smplx')
    print_differences(fast, layer, smplx)
    print_times(
        {
            'forward': {
                'fast': lambda: fast.forward(POSE, SHAPE, TRANSLATION),
                'layer': torch_forward(layer),
                'smplx': torch_forward(smplx),
            },
            'forward + gradient': {
                'fast': lambda: fast.vjp(fast.forward(POSE, SHAPE, TRANSLATION), GRAD_VERTICES),
                'layer': torch_gradient(layer),
                'smplx': torch_gradient(smplx),
            },
            'forward + Jacobian': {
                'fast': lambda: fast.jacobian(fast.forward(POSE, SHAPE, TRANSLATION)),
                'layer': torch_jacobian(layer),
                'smplx': torch_jacobian(smplx),
            },
        },
        args.rounds,
    )


def print_differences(fast: FastHandModel, layer: HandModel, smplx: HandModel) -> None:
    pose, shape, translation = (torch.randn(256, n) for n in (48, 10, 3))
    expected = smplx(pose, shape, translation).vertices
    from_layer = (layer(pose, shape, translation).vertices - expected).abs().max()
    from_fast = max(
        np.abs(fast.forward(*values).vertices - expected[i].numpy()).max()
        for i, values in enumerate(zip(pose, shape, translation, strict=True))
    )
    print('largest difference to smplx over 256 random poses and shapes, metres:')
    print(f'  fast {from_fast:.1e}, layer {from_layer:.1e}\n')


def torch_inputs() -> list[torch.Tensor]:
    return [torch.tensor(value[None], dtype=torch.float32) for value in (POSE, SHAPE, TRANSLATION)]


def torch_forward(model: HandModel) -> Callable[[], object]:
    inputs = torch_inputs()

    @torch.no_grad()
    def run() -> object:
        return model(*inputs)

    return run


def torch_gradient(model: HandModel) -> Callable[[], object]:
    inputs = [value.requires_grad_() for value in torch_inputs()]
    grad_vertices = torch.tensor(GRAD_VERTICES[None])

    def run() -> object:
        return torch.autograd.grad(model(*inputs).vertices, inputs, grad_vertices)

    return run


def torch_jacobian(model: HandModel) -> Callable[[], object]:
    inputs = torch.cat(torch_inputs(), dim=1)

    def vertices(flat: torch.Tensor) -> torch.Tensor:
        return model(*flat.split([48, 10, 3], dim=1)).vertices

    def run() -> object:
        return torch.func.jacfwd(vertices)(inputs)

    return run


def print_times(tasks: dict[str, dict[str, Callable[[], object]]], rounds: int) -> None:
    print(
        f'{"milliseconds, batch 1, one core":32}{"fast":>9}{"layer":>9}{"smplx":>9}   smplx/fast'
    )
    for task, candidates in tasks.items():
        times = {name: [] for name in candidates}
        for run in candidates.values():
            run()
        for _ in range(rounds):
            for name, run in candidates.items():
                times[name].append(seconds_per_call(run))
        medians = {name: 1e3 * float(np.median(values)) for name, values in times.items()}
        ratio = float(np.median(np.divide(times['smplx'], times['fast'])))
        columns = ''.join(f'{medians[name]:9.3f}' for name in ('fast', 'layer', 'smplx'))
        print(f'{task:32}{columns}{ratio:12.1f}x')


def seconds_per_call(run: Callable[[], object], calls: int = 5) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


if __name__ == '__main__':
    main()
