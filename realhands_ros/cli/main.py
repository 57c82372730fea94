"""
Entry point of the ``realhands`` command: the table of all commands, and the parser made of it.

A command declares its options with ``add_arguments(parser)`` and is executed by ``run(args)``,
which returns the exit code. Modules of this package import PyTorch, MediaPipe, OpenCV, ROS and the
like only inside ``run``: help and argument errors come at once, and a command works where the
dependencies of another one are missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from realhands_ros import __version__
from realhands_ros.cli import (
    demo,
    doctor,
    eval_compare,
    eval_live,
    eval_tables,
    evaluate,
    export,
    export_rig,
    hand,
    profile,
    run_nodes,
    synth,
    synth_bag,
    train,
    view,
)
from realhands_ros.errors import RealhandsError


@dataclass(frozen=True)
class Command:
    """A command: its line in --help, the function that declares its options, what it executes."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


@dataclass(frozen=True)
class Group:
    """A word that is followed by the name of a command; ``metavar`` stands for that in --help."""

    summary: str
    commands: Mapping[str, Command | Group]
    metavar: str = 'ACTION'


COMMANDS: dict[str, Command | Group] = {
    'doctor': Command(
        'say what is installed and whether the demo can run', doctor.add_arguments, doctor.run
    ),
    'demo': Command(
        'film synthetic hands, run the live system on the film, and measure it',
        demo.add_arguments,
        demo.run,
    ),
    'run': Group(
        'run the live system: stereo, mono, or a bag',
        {
            'stereo': Command(
                'the four nodes on the topics of a stereo camera',
                run_nodes.add_stereo_arguments,
                run_nodes.run,
            ),
            'mono': Command(
                'the nodes on a single camera, or on an image, a video or a webcam without ROS',
                run_nodes.add_mono_arguments,
                run_nodes.run_mono,
            ),
            'replay': Command(
                'the four nodes, and a bag that is played to them',
                run_nodes.add_replay_arguments,
                run_nodes.run,
            ),
        },
        metavar='SYSTEM',
    ),
    'hand': Group(
        'import the official MANO hand model, draw a hand model',
        {
            'import': Command(
                'read MANO_RIGHT.pkl / MANO_LEFT.pkl safely, without chumpy, and write npz twins',
                hand.add_import_arguments,
                hand.run_import,
            ),
            'show': Command(
                'draw the hand model to a PNG: poses and shapes, skin weights, texture atlas',
                hand.add_show_arguments,
                hand.run_show,
            ),
        },
    ),
    'synth': Group(
        'make synthetic stereo images of hands with ground truth',
        {
            'dataset': Command(
                'write a dataset; run again to resume',
                synth.add_dataset_arguments,
                synth.run_dataset,
            ),
            'sheet': Command(
                'write one picture of many samples', synth.add_sheet_arguments, synth.run_sheet
            ),
            'bag': Command(
                'write a rosbag2 of a ZED that sees moving hands, with the truth in it',
                synth_bag.add_arguments,
                synth_bag.run,
            ),
        },
        metavar='COMMAND',
    ),
    'train': Group(
        'train the network; measure the keypoint detector for it',
        {
            'run': Command(
                'train; run again to go on after a stop',
                train.add_run_arguments,
                train.run_training,
            ),
            'label': Command(
                'make pseudo-truth for photographs without truth',
                train.add_label_arguments,
                train.run_label,
            ),
            'cache': Command(
                'write what a frozen encoder sees of a dataset',
                train.add_cache_arguments,
                train.run_cache,
            ),
            'average': Command(
                'write the mean of the weights before and after a training',
                train.add_average_arguments,
                train.run_average,
            ),
            'detect': Command(
                'run MediaPipe over a synthetic dataset',
                train.add_detect_arguments,
                train.run_detect,
            ),
            'fit-noise': Command(
                'fit the keypoint noise to the detections',
                train.add_fit_arguments,
                train.run_fit_noise,
            ),
            'fit-marks': Command(
                'fit where the detector marks the keypoints',
                train.add_fit_marks_arguments,
                train.run_fit_marks,
            ),
        },
    ),
    'export': Group(
        "write the network for other runtimes, a user's hands as a rig",
        {
            'onnx': Command(
                'write the network to an ONNX file', export.add_onnx_arguments, export.run_onnx
            ),
            'openvino': Command(
                'write the network as OpenVINO files, in 8-bit integers with --calibrate',
                export.add_openvino_arguments,
                export.run_openvino,
            ),
            'rig': Command(
                'write the hands of a profile as glTF (.glb), Wavefront (.obj) or URDF (.urdf)',
                export_rig.add_arguments,
                export_rig.run,
            ),
        },
    ),
    'profile': Group(
        "keep, use and show a user's skin and hand shape",
        {
            'save': Command(
                'write the profile in use to a file, or make one from a recording',
                profile.add_save_arguments,
                profile.run_save,
            ),
            'load': Command(
                'make a saved profile the one in use: the live system starts with it',
                profile.add_load_arguments,
                profile.run_load,
            ),
            'show': Command(
                'say what a profile holds; draw it', profile.add_show_arguments, profile.run_show
            ),
        },
    ),
    'eval': Group(
        'measure accuracy: tables, bags, folders of images',
        {
            'bag': Command(
                'replay a recording of a ZED and measure',
                evaluate.add_bag_arguments,
                evaluate.run_bag,
            ),
            'images': Command(
                'reconstruct a folder of photographs and measure',
                evaluate.add_images_arguments,
                evaluate.run_images,
            ),
            'freihand': Command(
                'evaluate on FreiHAND, write the file for its challenge',
                evaluate.add_freihand_arguments,
                evaluate.run_freihand,
            ),
            'live': Command(
                'listen to a running system: latency and drops',
                eval_live.add_arguments,
                eval_live.run,
            ),
            'compare': Command(
                'compare saved results hand by hand', eval_compare.add_arguments, eval_compare.run
            ),
            'tables': Command(
                "the paper's tables on a held-out synthetic dataset, for docs/results.md",
                eval_tables.add_arguments,
                eval_tables.run,
            ),
        },
    ),
    'view': Command(
        'show a bag or the running system in the Rerun viewer', view.add_arguments, view.run
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (1 for an error that realhands reports itself)."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = parser_for(words)
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return int(args.run(args))
    except RealhandsError as error:
        print(f'realhands {args.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser_for(words: Sequence[str]) -> argparse.ArgumentParser:
    """
    Return the parser of a command line, which leaves the command's function in ``args.run``.

    All commands have their names and summaries, the one that ``words`` name its options too.
    """
    parser = argparse.ArgumentParser(
        prog='realhands', description='Metric, textured 3D hand meshes from a stereo camera.'
    )
    parser.add_argument('--version', action='version', version=f'realhands {__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', title='commands')
    _add_commands(subparsers, COMMANDS, words)
    return parser


def _add_commands(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    commands: Mapping[str, Command | Group],
    words: Sequence[str],
) -> None:
    for name, command in commands.items():
        parser = subparsers.add_parser(name, help=command.summary, description=command.summary)
        if not words or words[0] != name:
            continue
        if isinstance(command, Group):
            inner = parser.add_subparsers(dest='action', metavar=command.metavar, required=True)
            _add_commands(inner, command.commands, words[1:])
        else:
            command.add_arguments(parser)
            parser.set_defaults(run=command.run)


if __name__ == '__main__':
    sys.exit(main())
