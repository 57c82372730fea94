"""Options that the subcommands of `realhands eval` share, and the output of a result."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realhands_ros.cli.choices import BACKENDS
from realhands_ros.errors import ConfigError

if TYPE_CHECKING:
    from realhands_ros.evaluation.methods import RefinementVariant
    from realhands_ros.evaluation.replay import ReplayConfig
    from realhands_ros.evaluation.result import EvaluationResult, Requirement
    from realhands_ros.pipeline import PipelineConfig

# Exit codes beyond 0 and the 1 of an error without a result.
REQUIREMENT_NOT_MET = 3
PARTIAL_RESULT = 4

# Names of evaluation/methods.py, which imports the refinement; a test compares them.
_REFINEMENTS = ('none', 'sgd3', 'sgd10', 'sgd15', 'sgd15_ours', 'lm')
_DEFAULT_REFINEMENT = 'lm'


# Those that take about as long as the pipeline itself: with --ablation only.
_SLOW_BASELINES = ('inverse_kinematics', 'image_alone')


def add_pipeline_arguments(parser: argparse.ArgumentParser, *, with_ablation: bool = True) -> None:
    """Declare the pipeline: parameters, weights, hand model, refinement."""
    group = parser.add_argument_group('pipeline')
    group.add_argument(
        '--config',
        type=Path,
        default=None,
        metavar='YAML',
        help="the nodes' parameters, as in config/stereo.yaml; the options below go before it",
    )
    group.add_argument('--weights', type=Path, default=None, metavar='FILE', help='(the shipped)')
    group.add_argument('--model', type=Path, default=None, metavar='DIR', help='(the open hand)')
    group.add_argument('--backend', choices=BACKENDS, default=None, help='(auto)')
    group.add_argument(
        '--refinement',
        choices=_REFINEMENTS,
        default=None,
        help=f'({_DEFAULT_REFINEMENT})',
    )
    if with_ablation:
        group.add_argument(
            '--ablation',
            action='store_true',
            help='also measure other refinements, inverse kinematics and the image alone',
        )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the result is saved, reported and plotted, and its thresholds."""
    group = parser.add_argument_group('result')
    group.add_argument('--save', type=Path, metavar='ZIP', help='keep it, for `eval compare`')
    group.add_argument('--report', type=Path, metavar='HTML', help='write a report')
    group.add_argument('--plot', type=Path, metavar='DIR', help='write its plots as PNG')
    group.add_argument(
        '--require',
        nargs='+',
        action='extend',
        default=[],
        metavar='[STAGE.]METRIC<NUMBER',
        help=f"thresholds, such as 'pa_mpvpe<9'; exit code {REQUIREMENT_NOT_MET} if missed",
    )


def add_texture_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the texture stage, which needs a sequence of frames."""
    parser.add_argument('--texture', action='store_true', help='run the texture stage as well')


def pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    """Return the pipeline that the options describe."""
    from realhands_ros.pipeline import PipelineConfig
    from realhands_ros.texture.stage import TextureStageConfig

    base = PipelineConfig() if args.config is None else _from_file(args.config)
    given = {'weights': args.weights, 'model_folder': args.model, 'backend': args.backend}
    handnet = replace(base.handnet, **{k: v for k, v in given.items() if v is not None})
    refinement = base.refinement
    if args.refinement is not None:
        variant = _variants().get(args.refinement)
        refinement = None if variant is None else variant.config
    texture = base.texture or TextureStageConfig()
    return PipelineConfig(
        keypoints=base.keypoints,
        handnet=handnet,
        refinement=refinement,
        texture=texture if getattr(args, 'texture', False) else None,
    )


def _from_file(path: Path) -> PipelineConfig:
    from realhands_ros.configuration import stages
    from realhands_ros.configuration.files import read_parameter_file
    from realhands_ros.pipeline import PipelineConfig

    values = read_parameter_file(path)
    return PipelineConfig(
        keypoints=stages.keypoint_config(values['keypoint_node']),
        handnet=stages.handnet_config(values['handnet_node']),
        refinement=stages.refinement_config(values['refinement_node']),
        texture=stages.texture_config(values['texture_node']),
    )


def replay_config(args: argparse.Namespace) -> ReplayConfig:
    """Return the pipeline, and the methods that are evaluated beside it."""
    from realhands_ros.evaluation.replay import BASELINE_TITLES, ReplayConfig

    return ReplayConfig(
        pipeline_config(args),
        ablation_variants(args),
        # Inverse kinematics take nearly as long as the network and the refinement.
        tuple(key for key in BASELINE_TITLES if args.ablation or key not in _SLOW_BASELINES),
    )


def ablation_variants(args: argparse.Namespace) -> tuple[RefinementVariant, ...]:
    """Return the refinements that are evaluated beside the pipeline's own."""
    if not args.ablation:
        return ()
    own = args.refinement or _DEFAULT_REFINEMENT
    return tuple(v for name, v in _variants().items() if name != own)


def _variants() -> dict[str, RefinementVariant]:
    from realhands_ros.evaluation.methods import refinement_variants

    return {variant.name: variant for variant in refinement_variants()}


def provenance(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a result says about its configuration: network, hand model, parameters."""
    from realhands_ros.evaluation.result import digest
    from realhands_ros.handnet.loading import default_weights_path

    handnet = pipeline_config(args).handnet
    weights = handnet.weights or default_weights_path(handnet.backend, handnet.device)
    refinement = args.refinement or (f'of {args.config}' if args.config else _DEFAULT_REFINEMENT)
    return {
        'weights': f'{weights.name} (sha256 {digest(weights)})'
        if weights.is_file()
        else str(weights),
        'hand model': str(args.model or 'the open hand'),
        'refinement': refinement,
        **({'parameters': args.config.read_text()} if args.config else {}),
    }


def check_outputs(args: argparse.Namespace) -> list[Requirement]:
    """
    Return the thresholds of --require, before anything runs.

    Raises ConfigError for one that cannot be read, and for files that cannot be written because
    their folder does not exist.
    """
    from realhands_ros.evaluation.result import Requirement

    for path in (args.save, args.report):
        if path is not None and not path.parent.exists():
            message = f'{path.parent} does not exist: make it, or choose another place for {path}'
            raise ConfigError(message)
    return [Requirement.parse(text) for text in args.require]


def write_outputs(
    args: argparse.Namespace, result: EvaluationResult, thresholds: list[Requirement]
) -> int:
    """
    Print a result, save it and write its report and plots as the options say.

    Returns the exit code: 0, REQUIREMENT_NOT_MET, or PARTIAL_RESULT when the evaluation stopped
    early.
    """
    from realhands_ros.evaluation.report.figures import draw_figures
    from realhands_ros.evaluation.report.page import report_page
    from realhands_ros.evaluation.result import failures
    from realhands_ros.evaluation.summary import summary_text
    from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data

    print(summary_text(result))
    if args.save is not None:
        result.save(args.save)
    if args.report is not None:
        folder = args.model or default_model_folder()
        args.report.write_text(report_page(result, load_hand_model_data(folder, 'right')))
    if args.plot is not None:
        args.plot.mkdir(parents=True, exist_ok=True)
        for name, png in draw_figures(result).items():
            (args.plot / f'{name}.png').write_bytes(png)
    missed = failures(thresholds, result)
    for failure in missed:
        print(f'NOT MET: {failure}')
    if missed:
        return REQUIREMENT_NOT_MET
    return PARTIAL_RESULT if result.partial else 0
