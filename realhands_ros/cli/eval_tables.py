"""`realhands eval tables`: the paper's tables on a held-out synthetic dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.errors import ConfigError
from realhands_ros.evaluation import provenance
from realhands_ros.evaluation.tables.measure import measure
from realhands_ros.evaluation.tables.page import Provenance, results_page
from realhands_ros.handnet.stage import default_weights_path
from realhands_ros.handnet.weights import load_weights
from realhands_ros.synthesis.dataset_format import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset, the weights and where the page goes."""
    parser.add_argument('--dataset', type=Path, required=True, metavar='DIR', help='held out')
    parser.add_argument(
        '--weights',
        nargs='+',
        default=None,
        metavar='[NAME=]FILE',
        help='networks to compare, the main one first (default: the shipped one)',
    )
    parser.add_argument('--samples', type=int, default=None, help='only the first ones')
    parser.add_argument('--model', type=Path, default=None, metavar='DIR', help='hand model')
    parser.add_argument('--out', type=Path, default=None, metavar='MD', help='also write it here')


def run(args: argparse.Namespace) -> int:
    """Measure, print the page, write it if asked to; return 0."""
    weights = named_weights(args.weights)
    described = tuple(_describe(name, path) for name, path in weights.items())
    found = measure(args.dataset, weights, samples=args.samples, model_folder=args.model)
    versions = ', '.join(f'{name} {value}' for name, value in provenance.versions().items())
    page = results_page(
        found,
        Provenance(
            dataset=_dataset(args.dataset),
            weights=described,
            versions=versions,
            machine=provenance.machine(),
            command=provenance.command(),
        ),
    )
    print(page)
    if args.out is not None:
        args.out.write_text(page)
    return 0


def named_weights(arguments: list[str] | None) -> dict[str, Path]:
    """Return files by name, of arguments ``NAME=FILE`` or ``FILE``; ConfigError for doubles."""
    if arguments is None:
        return {'network': default_weights_path()}
    named: dict[str, Path] = {}
    for argument in arguments:
        name, equals, file = argument.partition('=')
        path = Path(file if equals else argument)
        name = name if equals else path.stem
        if name in named:
            message = f'two networks are named {name!r}: name them with NAME=FILE'
            raise ConfigError(message)
        named[name] = path
    return named


def _describe(name: str, path: Path) -> str:
    _, info = load_weights(path)
    making = ', '.join(f'{key} {value}' for key, value in info.making.items())
    digest = provenance.digest(path)
    return f'{name}: {path.name} (sha256 {digest}), size {info.config.name}; {making or "unknown"}'


def _dataset(folder: Path) -> str:
    manifest = read_manifest(folder)
    backgrounds = manifest.config.get('backgrounds')
    return (
        f'synthetic, seed {manifest.seed}, generator version {manifest.generator_version}, '
        f'{manifest.samples} samples in all, '
        + ('photographs' if backgrounds else 'procedural rooms')
        + ' as backgrounds'
    )
