"""`realhands train`: train the network; measure the keypoint detector that it works with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.cli.choices import POSE_BLENDS
from realhands_ros.errors import WeightsError
from realhands_ros.handnet.config import CONFIGS, HandNetConfig

if TYPE_CHECKING:
    from realhands_ros.handnet.network import HandNet
    from realhands_ros.training.loop import TrainingConfig
    from realhands_ros.training.run_data import RunData

# The keys of LOSSES in training/losses.py, RECIPES in training/stages.py and PRETRAINED in
# training/pretrained.py, which import PyTorch; a test compares them.
_LOSSES = ('paper', 'metric')
_RECIPES = ('multi', 'single', 'more', 'stereo', 'read', 'draw', 'tune', 'weigh')
_PRETRAINED = ('landmark',)
_DEFAULT = '(default: %(default)s)'


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder of the run, its data, its plan and the machine."""
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
    plan.add_argument('--recipe', choices=_RECIPES, default='multi', help=_DEFAULT)
    plan.add_argument('--start', type=Path, metavar='FILE', help='weights to begin with')
    plan.add_argument('--pretrained', choices=_PRETRAINED, help='or begin with a foreign encoder')
    plan.add_argument('--loss', choices=_LOSSES, help='(default: metric for light)')
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


def run_training(args: argparse.Namespace) -> int:
    """Train to the end of the plan; return 0, or 130 when interrupted: run it again to go on."""
    from realhands_ros.hand.layer import HandModel
    from realhands_ros.training.distributed import processes
    from realhands_ros.training.feature_cache import FeatureCache
    from realhands_ros.training.keypoint_noise import KeypointNoise
    from realhands_ros.training.loop import Trainer
    from realhands_ros.training.preparation import Preparation
    from realhands_ros.training.run_data import held_out_batches, training_source
    from realhands_ros.training.run_folder import RunFolder
    from realhands_ros.training.stages import plan_by_epochs, plan_by_hands

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
    from realhands_ros.handnet.weights import load_weights
    from realhands_ros.training.loop import TrainingConfig
    from realhands_ros.training.losses import default_loss

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
    from realhands_ros.handnet.network import HandNet
    from realhands_ros.handnet.weights import load_weights
    from realhands_ros.training.pretrained import PRETRAINED

    if args.start:
        return load_weights(args.start)[0]
    if args.pretrained is None:
        return None
    network = HandNet(config)
    PRETRAINED[args.pretrained](network)
    return network


def _data(args: argparse.Namespace) -> RunData:
    from realhands_ros.training.run_data import RunData

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


def add_detect_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset."""
    parser.add_argument('dataset', type=Path)
    parser.add_argument('--samples', type=int, help='only the first ones (default: all)')


def run_detect(args: argparse.Namespace) -> int:
    """Write MediaPipe's detections beside the dataset; return 0."""
    from realhands_ros.training.detections import write_detections
    from realhands_ros.training.hand_source import SyntheticSource
    from realhands_ros.training.run_data import DETECTIONS_NAME

    path = args.dataset / DETECTIONS_NAME
    write_detections(SyntheticSource(args.dataset), path, args.samples)
    print(path)
    return 0


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the photographs, where the labels go, and who has a say in them."""
    parser.add_argument('folder', type=Path, help='photographs, in subfolders by origin or not')
    parser.add_argument('--out', type=Path, metavar='DIR', help='(default: FOLDER_labelled)')
    parser.add_argument('--teacher', type=Path, metavar='FILE', help='weights of a network')


def run_label(args: argparse.Namespace) -> int:
    """Make pseudo-truth for photographs, a card and sheets to look at; return 0."""
    from realhands_ros.training.label_report import summary, write_report
    from realhands_ros.training.label_run import LabelRun

    out = args.out or args.folder.with_name(args.folder.name + '_labelled')
    counts = LabelRun(args.folder, out, args.teacher).label()
    write_report(out, args.folder, counts)
    print(f'{summary(out, counts)}\n{out}')
    return 0


def add_cache_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder to write, the data and the encoder."""
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument('--synthetic', type=Path, nargs='+', default=[], metavar='DIR')
    parser.add_argument('--photographs', type=Path, nargs='+', default=[], metavar='LABELLED')
    parser.add_argument('--noise', type=Path, metavar='NPZ', help='made by `fit-noise`')
    parser.add_argument('--size', choices=CONFIGS, default='light', help=_DEFAULT)
    parser.add_argument('--start', type=Path, metavar='FILE', help='weights of the encoder')
    parser.add_argument('--pretrained', choices=_PRETRAINED, help='or a foreign encoder')
    parser.add_argument(
        '--teacher', type=Path, metavar='FILE', help="its say in photographs' labels"
    )
    parser.add_argument('--variants', type=float, default=2.0, help='of each hand ' + _DEFAULT)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=1, help='loader processes ' + _DEFAULT)


def run_cache(args: argparse.Namespace) -> int:
    """Write what a frozen encoder sees of the data; return 0."""
    from realhands_ros.handnet.network import HandNet
    from realhands_ros.handnet.weights import load_weights
    from realhands_ros.training.feature_cache import write_features
    from realhands_ros.training.keypoint_noise import KeypointNoise
    from realhands_ros.training.run_data import cached_sources

    config = CONFIGS[args.size]
    network = _start(args, config) or HandNet(config)
    noise = KeypointNoise.load(args.noise) if args.noise else KeypointNoise.isotropic()
    crops = write_features(
        network.eval(),
        cached_sources(args.synthetic, args.photographs, args.variants),
        noise,
        args.out,
        seed=args.seed,
        workers=args.workers,
        teacher=load_weights(args.teacher)[0] if args.teacher else None,
    )
    print(f'{crops} crops in {args.out}')
    return 0


def add_average_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two files of weights and the one to write."""
    parser.add_argument('first', type=Path, help='weights before the last training')
    parser.add_argument('second', type=Path, help='weights after it')
    parser.add_argument('out', type=Path, help='safetensors file to write')


def run_average(args: argparse.Namespace) -> int:
    """Write the mean of two networks' weights; return 0. Raises WeightsError."""
    from dataclasses import replace

    from realhands_ros.handnet.weights import average_weights, load_weights, save_weights

    (first, past), (second, info) = load_weights(args.first), load_weights(args.second)
    stages = [*past.making.get('stages', []), *info.making.get('stages', [])]
    seen = past.making.get('hands_seen', 0) + info.making.get('hands_seen', 0)
    making = {**info.making, 'hands_seen': seen, 'stages': stages}
    save_weights(args.out, average_weights(first, second), replace(info, making=making))
    print(args.out)
    return 0


def add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset, whose detections `train detect` wrote, and the file to write."""
    parser.add_argument('dataset', type=Path)
    parser.add_argument('out', type=Path, help='npz file to write')


def run_fit_noise(args: argparse.Namespace) -> int:
    """Fit the detector's noise and print its size; return 0."""
    from realhands_ros.training.detections import fit_noise
    from realhands_ros.training.hand_source import SyntheticSource
    from realhands_ros.training.run_data import DETECTIONS_NAME

    noise = fit_noise(SyntheticSource(args.dataset), args.dataset / DETECTIONS_NAME)
    noise.save(args.out)
    spread = noise.factor @ noise.factor.T
    image = (spread.diagonal()[:42] ** 0.5).mean()
    world = (spread.diagonal()[42:] ** 0.5).mean() * 180
    print(f'missed {100 * noise.miss_rate:.1f} %, typical error {100 * image:.1f} % of the')
    print(f"keypoints' box in the image, {world:.0f} mm of the world landmarks: {args.out}")
    return 0


def add_fit_marks_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset, the file to write, and which marks are meant."""
    add_fit_arguments(parser)
    parser.add_argument('--world', action='store_true', help="fit the world landmarks' marks")


def run_fit_marks(args: argparse.Namespace) -> int:
    """Fit where on the hand the detector marks each keypoint, print the errors; return 0."""
    import numpy as np

    from realhands_ros.keypoints.keypoint_marks import save_marks
    from realhands_ros.training.hand_source import SyntheticSource
    from realhands_ros.training.marks_fit import blend_marks, fit_marks, mark_noise, marked_views
    from realhands_ros.training.run_data import DETECTIONS_NAME

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
    """Fit where on the hand the world landmarks lie, print the errors; return 0."""
    from realhands_ros.keypoints.keypoint_marks import marks_matrix, save_marks
    from realhands_ros.training.hand_source import SyntheticSource
    from realhands_ros.training.run_data import DETECTIONS_NAME
    from realhands_ros.training.world_marks_fit import (
        fit_world_marks,
        marked_worlds,
        world_error_m,
    )

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
