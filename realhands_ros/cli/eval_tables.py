"""`realhands eval tables`: the paper's tables on a held-out synthetic dataset."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.errors import ConfigError

if TYPE_CHECKING:
    from realhands_ros.evaluation.result import EvaluationResult
    from realhands_ros.evaluation.tables_measurement import Measurements


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
    parser.add_argument(
        '--photographs',
        type=Path,
        nargs='+',
        default=[],
        metavar='DIR',
        help='annotated folders as `eval images` reads them, for a section of their own',
    )
    parser.add_argument('--samples', type=int, default=None, help='only the first ones')
    parser.add_argument('--model', type=Path, default=None, metavar='DIR', help='hand model')
    parser.add_argument('--out', type=Path, default=None, metavar='MD', help='also write it here')
    parser.add_argument(
        '--plot', type=Path, default=None, metavar='PNG', help='draw the PCK curves (Fig. 8)'
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the page, write it if asked to; return 0."""
    from realhands_ros.evaluation import result
    from realhands_ros.evaluation.report.results_page import Provenance, results_page
    from realhands_ros.evaluation.tables_measurement import measure

    weights = named_weights(args.weights)
    described = tuple(_describe(name, path) for name, path in weights.items())
    found = measure(args.dataset, weights, samples=args.samples, model_folder=args.model)
    versions = ', '.join(f'{name} {value}' for name, value in result.versions().items())
    page = results_page(
        found,
        Provenance(
            dataset=_dataset(args.dataset),
            weights=described,
            versions=versions,
            machine=result.machine(),
            command=result.command(),
            plot=_draw(found, args.plot, args.out),
        ),
        _photographs(args.photographs, weights),
    )
    print(page)
    if args.out is not None:
        args.out.write_text(page)
    return 0


def _photographs(
    folders: list[Path], weights: dict[str, Path]
) -> dict[str, dict[str, EvaluationResult]]:
    """Return the results of every network on every folder, by their names."""
    from realhands_ros.evaluation.image_evaluation import evaluate_images
    from realhands_ros.evaluation.replay import ReplayConfig
    from realhands_ros.handnet.stage import HandNetStageConfig
    from realhands_ros.keypoints.stage import KeypointStageConfig
    from realhands_ros.pipeline import PipelineConfig

    # Photographs may show several people.
    keypoints = KeypointStageConfig(max_hands=4, one_person=False)
    return {
        folder.name: {
            name: evaluate_images(
                folder,
                ReplayConfig(
                    PipelineConfig(keypoints, HandNetStageConfig(path)),
                    baselines=('world_landmarks', 'image_alone'),
                ),
                {},
            )
            for name, path in weights.items()
        }
        for folder in folders
    }


def _draw(found: Measurements, plot: Path | None, page: Path | None) -> str | None:
    """Draw the curves of Fig. 8; return the picture's path as seen from the page."""
    if plot is None:
        return None
    from realhands_ros.evaluation.report.figures import as_png, pck_figure
    from realhands_ros.evaluation.report.results_page import modality_rows

    curves = {
        title: found.maps[key].arrays()
        for title, key in modality_rows(found).items()
        if key in found.maps
    }
    figure = pck_figure(curves)
    if figure is None:
        message = 'no hand was found in both images: there are no curves to plot'
        raise ConfigError(message)
    plot.write_bytes(as_png(figure))
    folder = Path() if page is None else page.parent
    return Path(os.path.relpath(plot, folder)).as_posix()


def named_weights(arguments: list[str] | None) -> dict[str, Path]:
    """Return files by name, of arguments ``NAME=FILE`` or ``FILE``; ConfigError for doubles."""
    if arguments is None:
        from realhands_ros.handnet.loading import default_weights_path

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
    from realhands_ros.evaluation import result
    from realhands_ros.handnet.loading import read_weights_info

    info = read_weights_info(path)
    making = ', '.join(f'{key} {value}' for key, value in info.making.items())
    digest = result.digest(path)
    return f'{name}: {path.name} (sha256 {digest}), size {info.config.name}; {making or "unknown"}'


def _dataset(folder: Path) -> str:
    from realhands_ros.synthesis.dataset_format import read_manifest

    manifest = read_manifest(folder)
    backgrounds = manifest.config.get('backgrounds')
    return (
        f'synthetic, seed {manifest.seed}, generator version {manifest.generator_version}, '
        f'{manifest.samples} samples in all, '
        + ('photographs' if backgrounds else 'procedural rooms')
        + ' as backgrounds'
    )
