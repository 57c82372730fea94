"""Images, videos and webcams through the pipeline, without ROS: ``realhands run mono``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.cli.choices import BACKENDS
from realhands_ros.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from realhands_ros.pipeline import PipelineConfig
    from realhands_ros.viewing.picture_run import PictureCamera, PictureRun
    from realhands_ros.viewing.pictures import ImageFiles, PictureOutput, VideoFile, Webcam

_DEFAULT_FOLDER = Path('realhands_pictures')
# LOOKS of viewing/mesh_overlay.py, which imports OpenCV; a test compares them.
_LOOKS = ('shaded', 'textured', 'outline')
# Options of the nodes, which pictures do not have, by the names of the arguments.
_NODE_OPTIONS = (
    'params_file', 'param', 'remap', 'namespace', 'use_sim_time', 'composition', 'record',
)  # fmt: skip
# With more hands than one person has, two may be of the same side.
_ONE_PERSON = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_argument_group('pictures, without ROS').add_mutually_exclusive_group()
    source.add_argument(
        '--image', type=Path, nargs='+', action='extend', metavar='FILE', help='image files'
    )
    source.add_argument('--video', type=Path, metavar='FILE', help='a video')
    source.add_argument('--device', type=int, metavar='N', help='a webcam, the first being 0')
    group = parser.add_argument_group('what becomes of the pictures')
    group.add_argument(
        '--out',
        type=Path,
        metavar='PATH',
        help=f'folder for images (default: {_DEFAULT_FOLDER}), file for a video (default: its '
        'name with _hands behind, here) or a webcam (default: none with --show)',
    )
    group.add_argument('--overwrite', action='store_true', help='files that are there')
    group.add_argument(
        '--save-meshes', type=Path, metavar='DIR', help='write an OBJ a picture: metres, optical'
    )
    group.add_argument('--show', action='store_true', help='in a window; q or Esc ends it')
    group.add_argument('--draw', choices=_LOOKS, default='shaded', help='(default: %(default)s)')
    group.add_argument('--frames', type=int, metavar='N', help='only the first ones')
    _add_lens_and_pipeline(parser)


def _add_lens_and_pipeline(parser: argparse.ArgumentParser) -> None:
    lens = parser.add_argument_group("the pictures' camera").add_mutually_exclusive_group()
    lens.add_argument(
        '--field-of-view', type=float, metavar='DEG', help='of the longer side (default: 60)'
    )
    lens.add_argument(
        '--calibration', type=Path, metavar='YAML', help='camera_info, of camera_calibration'
    )
    group = parser.add_argument_group('how pictures are worked on')
    group.add_argument(
        '--hands',
        type=int,
        default=2,
        metavar='N',
        help='at most (default: 2, of one person; more: of several people)',
    )
    group.add_argument('--no-refinement', action='store_true', help='the bare network')
    group.add_argument('--weights', type=Path, metavar='FILE', help='(the shipped)')
    group.add_argument('--model', type=Path, metavar='DIR', help='(the open hand)')
    group.add_argument('--backend', choices=BACKENDS, default='auto', help='(%(default)s)')


def is_wanted(args: argparse.Namespace) -> bool:
    """Return whether the arguments name pictures."""
    return bool(args.image) or args.video is not None or args.device is not None


def run(args: argparse.Namespace) -> int:
    """
    Process the pictures; return 0, or 1 when some image files could not be read.

    Raises ConfigError, ImageError or CalibrationError for options, files and cameras that cannot
    be used.
    """
    _check(args)
    with ExitStack() as stack:
        return _finish(args, _run_of(args, stack))


def _run_of(args: argparse.Namespace, stack: ExitStack) -> PictureRun:
    """Build everything; first what fails quickly."""
    from realhands_ros.pipeline import HandPipeline
    from realhands_ros.viewing.mesh_overlay import MeshOverlay
    from realhands_ros.viewing.picture_run import MeshFolder, PictureRun
    from realhands_ros.viewing.pictures import Window

    window = Window() if args.show else None
    if window is not None:
        stack.callback(window.close)
    camera = _camera(args)
    source = _source(args)
    output = _output(args, source)
    meshes = None
    if args.save_meshes is not None:
        meshes = MeshFolder(args.save_meshes, args.model, overwrite=args.overwrite)
    return PictureRun(
        source=source,
        camera=camera,
        pipeline=stack.enter_context(HandPipeline(_pipeline_config(args))),
        overlay=MeshOverlay(args.draw, args.model),
        output=None if output is None else stack.enter_context(output),
        meshes=meshes,
        window=window,
        frames=args.frames,
    )


def _finish(args: argparse.Namespace, pictures: PictureRun) -> int:
    from tqdm import tqdm

    if pictures.source.is_film:
        expected = [n for n in (pictures.source.expected, args.frames) if n is not None]
        bar = tqdm(total=min(expected, default=None), unit='frame', dynamic_ncols=True)
        # A webcam never ends by itself: interrupting it is how one stops.
        with bar, suppress(KeyboardInterrupt):
            for seen in pictures:
                bar.update()
                bar.set_postfix_str(f'{len(seen.result.meshes)} hands', refresh=False)
        if args.out is not None and pictures.statistics.frames:
            print(args.out)
    else:
        for seen in pictures:
            print(seen.line, flush=True)
    unreadable = getattr(pictures.source, 'unreadable', [])
    for path in unreadable:
        print(f'{path}: no image that can be read', file=sys.stderr)
    if not pictures.statistics.frames and unreadable:
        message = 'none of the files is an image that can be read'
        raise ImageError(message)
    print(pictures.statistics.text)
    return 1 if unreadable else 0


def _check(args: argparse.Namespace) -> None:
    given = [name for name in _NODE_OPTIONS if getattr(args, name)]
    if given:
        options = ', '.join('--' + name.replace('_', '-') for name in given)
        message = f'{options}: of the nodes, which do not run on --image, --video and --device'
        raise ConfigError(message)
    if args.draw == 'textured' and args.no_texture:
        message = '--draw textured needs the texture: leave --no-texture out'
        raise ConfigError(message)
    if args.frames is not None and args.frames < 1:
        message = f'--frames {args.frames}: give 1 or more'
        raise ConfigError(message)


def _camera(args: argparse.Namespace) -> PictureCamera:
    from realhands_ros.viewing.picture_run import AssumedCamera, CalibratedCamera

    if args.calibration is not None:
        return CalibratedCamera.read(args.calibration)
    return AssumedCamera() if args.field_of_view is None else AssumedCamera(args.field_of_view)


def _source(args: argparse.Namespace) -> ImageFiles | VideoFile | Webcam:
    from realhands_ros.viewing.pictures import ImageFiles, VideoFile, Webcam

    if args.image:
        return ImageFiles(args.image)
    return Webcam(args.device) if args.video is None else VideoFile(args.video)


def _output(
    args: argparse.Namespace, source: ImageFiles | VideoFile | Webcam
) -> PictureOutput | None:
    from realhands_ros.viewing.pictures import ENDING, ImageFolder, VideoOutput

    if args.image:
        folder = args.out or _DEFAULT_FOLDER
        return ImageFolder(folder, args.image, overwrite=args.overwrite)
    if args.out is None:
        if args.video is None and args.show:
            return None
        stem = f'device_{args.device}' if args.video is None else args.video.stem
        args.out = Path(f'{stem}{ENDING}.mp4')
    if args.video is not None and args.out.resolve() == args.video.resolve():
        message = f'--out {args.out} is the video itself: choose another name'
        raise ConfigError(message)
    return VideoOutput(args.out, source.rate, overwrite=args.overwrite)


def _pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    from realhands_ros.handnet.stage import HandNetStageConfig
    from realhands_ros.keypoints.stage import KeypointStageConfig
    from realhands_ros.pipeline import PipelineConfig
    from realhands_ros.refinement.refiner import RefinementConfig
    from realhands_ros.texture.stage import TextureStageConfig

    return PipelineConfig(
        keypoints=KeypointStageConfig(
            max_hands=args.hands,
            one_person=args.hands <= _ONE_PERSON,
            still_images=bool(args.image),
        ),
        handnet=HandNetStageConfig(args.weights, args.model, backend=args.backend),
        refinement=None if args.no_refinement else RefinementConfig(),
        texture=TextureStageConfig() if args.draw == 'textured' else None,
    )
