"""`realhands train`: train the network; measure the keypoint detector that it will live with."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from realhands_ros.errors import WeightsError
from realhands_ros.hand.layer import HandModel
from realhands_ros.handnet.config import CONFIGS, HandNetConfig
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.stereo import POSE_BLENDS
from realhands_ros.handnet.weights import load_weights
from realhands_ros.keypoints.keypoint_marks import marks_matrix, save_marks
from realhands_ros.training.detections import fit_noise, write_detections
from realhands_ros.training.distributed import processes
from realhands_ros.training.feature_cache import FeatureCache, write_features
from realhands_ros.training.hand_source import SyntheticSource
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.label_report import summary, write_report
from realhands_ros.training.label_run import LabelRun
from realhands_ros.training.loop import Trainer, TrainingConfig
from realhands_ros.training.losses import LOSSES, default_loss
from realhands_ros.training.marks_fit import blend_marks, fit_marks, mark_noise, marked_views
from realhands_ros.training.preparation import Preparation
from realhands_ros.training.pretrained import PRETRAINED
from realhands_ros.training.run_data import (
    DETECTIONS_NAME,
    RunData,
    cached_sources,
    held_out_batches,
    training_source,
)
from realhands_ros.training.run_folder import RunFolder
from realhands_ros.training.stages import RECIPES, plan_by_epochs, plan_by_hands
from realhands_ros.training.world_marks_fit import (
    fit_world_marks,
    marked_worlds,
    world_error_m,
)

_DEFAULT = '(default: %(default)s)'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands run, label, detect, fit-noise and fit-marks."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    run_parser = actions.add_parser('run', help='train; run again to go on after a stop')
    _add_run_arguments(run_parser)
    run_parser.set_defaults(act=_run)
    label = actions.add_parser('label', help='make pseudo-truth for photographs without truth')
    label.add_argument('folder', type=Path, help='photographs, in subfolders by origin or not')
    label.add_argument('--out', type=Path, metavar='DIR', help='(default: FOLDER_labelled)')
    label.add_argument('--teacher', type=Path, metavar='FILE', help='weights of a network')
    label.set_defaults(act=_label)
    detect = actions.add_parser('detect', help='run MediaPipe over a synthetic dataset')
    detect.add_argument('dataset', type=Path)
    detect.add_argument('--samples', type=int, help='only the first ones (default: all)')
    detect.set_defaults(act=_detect)
    cache = actions.add_parser('cache', help='write what a frozen encoder sees of a dataset')
    cache.add_argument('out', type=Path, help='folder to write')
    cache.add_argument('--synthetic', type=Path, nargs='+', default=[], metavar='DIR')
    cache.add_argument('--photographs', type=Path, nargs='+', default=[], metavar='LABELLED')
    cache.add_argument('--noise', type=Path, metavar='NPZ', help='made by `fit-noise`')
    cache.add_argument('--size', choices=CONFIGS, default='light', help=_DEFAULT)
    cache.add_argument('--start', type=Path, metavar='FILE', help='weights of the encoder')
    cache.add_argument('--pretrained', choices=PRETRAINED, help='or a foreign encoder')
    cache.add_argument(
        '--teacher', type=Path, metavar='FILE', help="its say in photographs' labels"
    )
    cache.add_argument('--variants', type=float, default=2.0, help='of each hand ' + _DEFAULT)
    cache.add_argument('--seed', type=int, default=0)
    cache.add_argument('--workers', type=int, default=1, help='loader processes ' + _DEFAULT)
    cache.set_defaults(act=_cache)
    fit = actions.add_parser('fit-noise', help='fit the keypoint noise to the detections')
    fit.add_argument('dataset', type=Path)
    fit.add_argument('out', type=Path, help='npz file to write')
    fit.set_defaults(act=_fit)
    marks = actions.add_parser('fit-marks', help='fit where the detector marks the keypoints')
    marks.add_argument('dataset', type=Path)
    marks.add_argument('out', type=Path, help='npz file to write')
    marks.add_argument('--world', action='store_true', help="fit the world landmarks' marks")
    marks.set_defaults(act=_fit_marks)


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand; return its exit code."""
    return int(args.act(args))


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('out', type=Path, help='folder of the run')
    data = parser.add_argument_group('data')
    data.add_argument('--synthetic', type=Path, nargs='+', default=[], metavar='DIR')
    data.add_argument('--photographs', type=Path, nargs='+', default=[], metavar='LABELLED')
    data.add_argument('--photograph-share', type=float, default=0.4, metavar='SHARE')
    data.add_argument(
        '--cached', type=Path, nargs='+', default=[], metavar='DIR', help='made by `cache`'
    )
    data.add_argument('--freihand', type=Path, metavar='DIR', help='needs the official MANO')
    data.add_argument('--render', action='store_true', help='render new images while training')
    data.add_argument('--backgrounds', type=Path, metavar='DIR', help='photographs, for --render')
    data.add_argument('--noise', type=Path, metavar='NPZ', help='made by `fit-noise`')
    data.add_argument('--model', type=Path, metavar='DIR', help='hand model (the open hand)')
    plan = parser.add_argument_group('plan')
    plan.add_argument('--size', choices=CONFIGS, default='light', help=_DEFAULT)
    plan.add_argument('--recipe', choices=RECIPES, default='multi', help=_DEFAULT)
    plan.add_argument('--start', type=Path, metavar='FILE', help='weights to begin with')
    plan.add_argument('--pretrained', choices=PRETRAINED, help='or begin with a foreign encoder')
    plan.add_argument('--loss', choices=LOSSES, help='(default: metric for light)')
    plan.add_argument('--pose-blend', choices=POSE_BLENDS, default='rotation', help=_DEFAULT)
    plan.add_argument('--hands', type=int, default=400_000, help='to see in all ' + _DEFAULT)
    plan.add_argument('--paper-epochs', action='store_true', help="the paper's epochs instead")
    plan.add_argument('--learning-rate', type=float, default=2e-4, help=_DEFAULT)
    plan.add_argument('--seed', type=int, default=0)
    machine = parser.add_argument_group('machine')
    machine.add_argument('--batch', type=int, default=16, help='hands a step ' + _DEFAULT)
    machine.add_argument('--device', default='cpu', help='cpu or cuda ' + _DEFAULT)
    machine.add_argument('--workers', type=int, default=1, help='loader processes ' + _DEFAULT)
    machine.add_argument('--float32', action='store_true', help='no bfloat16')
    machine.add_argument('--checkpoint-minutes', type=float, default=5.0, help=_DEFAULT)
    machine.add_argument('--validation-minutes', type=float, default=30.0, help=_DEFAULT)


def _run(args: argparse.Namespace) -> int:
    config, data = _config(args), _data(args)
    hand_model = HandModel.load(args.model)
    noise = KeypointNoise.load(args.noise) if args.noise else KeypointNoise.isotropic()
    source = training_source(data, hand_model)
    with processes(args.device) as group:
        hands_per_step = args.batch * group.count
        if args.paper_epochs:
            plan = plan_by_epochs(args.recipe, len(source), hands_per_step)
        else:
            plan = plan_by_hands(args.recipe, args.hands, hands_per_step)
        start = _start(args, config.network)
        folder = RunFolder(args.out, _settings(args, config, group.count))
        trainer = Trainer(
            config,
            plan,
            source,
            Preparation(config.network, noise),
            hand_model,
            folder,
            group,
            held_out=held_out_batches(data, config.network, noise) if group.is_first else (),
            start=start,
            cache=FeatureCache(*args.cached) if args.cached else None,
            photograph_share=args.photograph_share if args.photographs else None,
        )
        finished = trainer.train()
        if group.is_first:
            print(folder.weights_path if finished else 'stopped; the same command goes on')
    return 0 if finished else 130


def _config(args: argparse.Namespace) -> TrainingConfig:
    network = CONFIGS[args.size]
    if args.start and load_weights(args.start)[1].config != network:
        message = f'{args.start} holds weights of another size than {args.size}: give its --size'
        raise WeightsError(message)
    return TrainingConfig(
        network=network,
        loss=args.loss or default_loss(network),
        pose_blend=args.pose_blend,
        hands_per_step=args.batch,
        learning_rate=args.learning_rate,
        seed=args.seed,
        use_bfloat16=not args.float32,
        workers=args.workers,
        checkpoint_minutes=args.checkpoint_minutes,
        validation_minutes=args.validation_minutes,
    )


def _start(args: argparse.Namespace, config: HandNetConfig) -> HandNet | None:
    """Return the network that a run begins with; None for random weights."""
    if args.start:
        return load_weights(args.start)[0]
    if args.pretrained is None:
        return None
    network = HandNet(config)
    PRETRAINED[args.pretrained](network)
    return network


def _data(args: argparse.Namespace) -> RunData:
    return RunData(
        photographs=args.photographs,
        photograph_share=args.photograph_share,
        synthetic=args.synthetic,
        freihand=args.freihand,
        render=args.render,
        backgrounds=args.backgrounds,
        model_folder=args.model,
        seed=args.seed,
    )


def _settings(
    args: argparse.Namespace, config: TrainingConfig, process_count: int
) -> dict[str, object]:
    """Return what must be the same when a run goes on."""
    return {
        'network': config.network.as_dict(),
        'loss': config.loss,
        'recipe': args.recipe,
        'start': str(args.start),
        'hands': None if args.paper_epochs else args.hands,
        'batch': config.hands_per_step,
        'learning_rate': config.learning_rate,
        'processes': process_count,
        'seed': config.seed,
        'bfloat16': config.use_bfloat16,
        'synthetic': [str(folder) for folder in args.synthetic],
        'photographs': [str(folder) for folder in args.photographs],
        'photograph_share': args.photograph_share,
        'cached': [str(folder) for folder in args.cached],
        'pretrained': args.pretrained,
        'freihand': str(args.freihand),
        'render': args.render,
        'noise': str(args.noise),
        'model': str(args.model),
    }


def _label(args: argparse.Namespace) -> int:
    out = args.out or args.folder.with_name(args.folder.name + '_labelled')
    label_run = LabelRun(args.folder, out, args.teacher)
    counts = label_run.label()
    write_report(out, args.folder, counts)
    print(f'{summary(out, counts)}\n{out}')
    return 0


def _detect(args: argparse.Namespace) -> int:
    path = args.dataset / DETECTIONS_NAME
    write_detections(SyntheticSource(args.dataset), path, args.samples)
    print(path)
    return 0


def _cache(args: argparse.Namespace) -> int:
    config = CONFIGS[args.size]
    network = _start(args, config) or HandNet(config)
    noise = KeypointNoise.load(args.noise) if args.noise else KeypointNoise.isotropic()
    sources = cached_sources(args.synthetic, args.photographs, args.variants)
    crops = write_features(
        network.eval(),
        sources,
        noise,
        args.out,
        seed=args.seed,
        workers=args.workers,
        teacher=load_weights(args.teacher)[0] if args.teacher else None,
    )
    print(f'{crops} crops in {args.out}')
    return 0


def _fit(args: argparse.Namespace) -> int:
    noise = fit_noise(SyntheticSource(args.dataset), args.dataset / DETECTIONS_NAME)
    noise.save(args.out)
    spread = noise.factor @ noise.factor.T
    image = (spread.diagonal()[:42] ** 0.5).mean()
    world = (spread.diagonal()[42:] ** 0.5).mean() * 180
    print(f'missed {100 * noise.miss_rate:.1f} %, typical error {100 * image:.1f} % of the')
    print(f"keypoints' box in the image, {world:.0f} mm of the world landmarks: {args.out}")
    return 0


def _fit_marks(args: argparse.Namespace) -> int:
    if args.world:
        return _fit_world_marks(args)
    views = marked_views(SyntheticSource(args.dataset), args.dataset / DETECTIONS_NAME)
    measured = fit_marks(views)
    matrix = blend_marks(measured)
    noise = mark_noise(views, measured, matrix)
    save_marks(args.out, matrix, noise, measured=measured, views=len(views.true))
    before, after = (
        100 * np.median(np.linalg.norm(views.detected - marks, axis=2))
        for marks in (views.true, matrix @ views.true)
    )
    print(
        f'{args.out}: {len(views.true)} views; keypoints off by {before:.2f} % of the hand in the '
        f'median, {after:.2f} % from their marks'
    )
    return 0


def _fit_world_marks(args: argparse.Namespace) -> int:
    image_marks = marks_matrix('mediapipe')
    views = marked_worlds(SyntheticSource(args.dataset), args.dataset / DETECTIONS_NAME)
    matrix = fit_world_marks(views, image_marks)
    save_marks(args.out, matrix, views=len(views.true))
    before, after = (1000 * world_error_m(views, marks) for marks in (image_marks, matrix))
    print(
        f'{args.out}: {len(views.true)} views; world landmarks, aligned, off by {before:.1f} mm '
        f'from the marks in the image, {after:.1f} mm from their own'
    )
    return 0
