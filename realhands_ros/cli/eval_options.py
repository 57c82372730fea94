"""Options that the subcommands of `realhands eval` share, and what they do at the end."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from realhands_ros.configuration import stages
from realhands_ros.configuration.files import read_parameter_file
from realhands_ros.errors import ConfigError
from realhands_ros.evaluation import result
from realhands_ros.evaluation.methods import RefinementVariant, refinement_variants
from realhands_ros.evaluation.replay import BASELINE_TITLES, ReplayConfig
from realhands_ros.evaluation.report.figures import draw_figures
from realhands_ros.evaluation.report.page import report_page
from realhands_ros.evaluation.result import EvaluationResult, Requirement, failures
from realhands_ros.evaluation.summary import summary_text
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.handnet.loading import default_weights_path
from realhands_ros.handnet.prediction import Backend
from realhands_ros.pipeline import PipelineConfig
from realhands_ros.texture.stage import TextureStageConfig

# Exit codes beyond 0 and the 1 of an error without a result.
REQUIREMENT_NOT_MET = 3
PARTIAL_RESULT = 4

_VARIANTS = {variant.name: variant for variant in refinement_variants()}
_DEFAULT_REFINEMENT = 'lm'


def add_pipeline_arguments(parser: argparse.ArgumentParser, *, with_ablation: bool = True) -> None:
    """Declare what runs."""
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
    group.add_argument('--backend', choices=get_args(Backend), default=None, help='(auto)')
    group.add_argument(
        '--refinement',
        choices=['none', *(name for name, v in _VARIANTS.items() if v.config)],
        default=None,
        help=f'({_DEFAULT_REFINEMENT})',
    )
    if with_ablation:
        group.add_argument(
            '--ablation',
            action='store_true',
            help='measure every kind of refinement and inverse kinematics beside it',
        )


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what becomes of the result."""
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
    """Declare the texture stage, which needs a film."""
    parser.add_argument('--texture', action='store_true', help='run the texture stage as well')


def pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    """Return the pipeline that the options describe."""
    base = PipelineConfig() if args.config is None else _from_file(args.config)
    given = {'weights': args.weights, 'model_folder': args.model, 'backend': args.backend}
    handnet = replace(base.handnet, **{k: v for k, v in given.items() if v is not None})
    refinement = base.refinement
    if args.refinement is not None:
        variant = _VARIANTS.get(args.refinement)
        refinement = None if variant is None else variant.config
    texture = base.texture or TextureStageConfig()
    return PipelineConfig(
        keypoints=base.keypoints,
        handnet=handnet,
        refinement=refinement,
        texture=texture if getattr(args, 'texture', False) else None,
    )


def _from_file(path: Path) -> PipelineConfig:
    values = read_parameter_file(path)
    return PipelineConfig(
        keypoints=stages.keypoint_config(values['keypoint_node']),
        handnet=stages.handnet_config(values['handnet_node']),
        refinement=stages.refinement_config(values['refinement_node']),
        texture=stages.texture_config(values['texture_node']),
    )


def replay_config(args: argparse.Namespace) -> ReplayConfig:
    """Return what to run: the pipeline, and what is measured beside it."""
    return ReplayConfig(
        pipeline_config(args),
        ablation_variants(args),
        # Inverse kinematics take nearly as long as the network and the refinement.
        tuple(key for key in BASELINE_TITLES if args.ablation or key != 'inverse_kinematics'),
    )


def ablation_variants(args: argparse.Namespace) -> tuple[RefinementVariant, ...]:
    """Return what is measured beside the pipeline's own refinement."""
    if not args.ablation:
        return ()
    own = args.refinement or _DEFAULT_REFINEMENT
    return tuple(v for name, v in _VARIANTS.items() if name != own)


def described(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a result says about its configuration."""
    handnet = pipeline_config(args).handnet
    weights = handnet.weights or default_weights_path(handnet.backend, handnet.device)
    refinement = args.refinement or (f'of {args.config}' if args.config else _DEFAULT_REFINEMENT)
    return {
        'weights': f'{weights.name} (sha256 {result.digest(weights)})'
        if weights.is_file()
        else str(weights),
        'hand model': str(args.model or 'the open hand'),
        'refinement': refinement,
        **({'parameters': args.config.read_text()} if args.config else {}),
    }


def requirements(args: argparse.Namespace) -> list[Requirement]:
    """Return the thresholds, before anything runs; ConfigError for one that cannot be read."""
    for path in (args.save, args.report):
        if path is not None and not path.parent.exists():
            message = f'{path.parent} does not exist: make it, or choose another place for {path}'
            raise ConfigError(message)
    return [Requirement.parse(text) for text in args.require]


def deliver(args: argparse.Namespace, result: EvaluationResult, wanted: list[Requirement]) -> int:
    """Print, save and report a result; return the exit code."""
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
    missed = failures(wanted, result)
    for failure in missed:
        print(f'NOT MET: {failure}')
    if missed:
        return REQUIREMENT_NOT_MET
    return PARTIAL_RESULT if result.partial else 0
