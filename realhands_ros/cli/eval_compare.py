"""`realhands eval compare`: differences between results, hand by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the results."""
    parser.add_argument(
        'results', type=Path, nargs='+', metavar='ZIP', help='of --save, the reference first'
    )
    parser.add_argument('--plot', type=Path, metavar='PNG', help='write their PCK curves')


def run(args: argparse.Namespace) -> int:
    """Print the comparison; return 0."""
    if len(args.results) < 2:
        message = 'there is one result: name two or more to compare'
        raise ConfigError(message)
    from realhands_ros.evaluation.report.figures import as_png, pck_figure
    from realhands_ros.evaluation.result import EvaluationResult
    from realhands_ros.evaluation.summary import comparison_text

    results = {name: EvaluationResult.load(path) for name, path in _named(args.results).items()}
    print(comparison_text(results))
    if args.plot is not None:
        figure = pck_figure({name: r.maps[r.final_stage] for name, r in results.items()})
        if figure is None:
            message = 'these results have no truth, so that there are no PCK curves to plot'
            raise ConfigError(message)
        args.plot.write_bytes(as_png(figure))
    return 0


def _named(paths: list[Path]) -> dict[str, Path]:
    """Return the files by their stems, or by their whole paths when two stems are equal."""
    stems = [path.stem for path in paths]
    is_unique = len(set(stems)) == len(stems)
    return {path.stem if is_unique else str(path): path for path in paths}
