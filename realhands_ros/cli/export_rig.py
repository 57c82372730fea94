"""`realhands export rig`: a user's hands as a rig that engines and robots load."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.data.topology import NUM_POSE, Handedness
from realhands_ros.errors import ConfigError, DatasetError, ProfileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from realhands_ros.hand.export.rig import HandAnimation, HandRig
    from realhands_ros.texture.profile import HandProfile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare profile, file and what goes into it."""
    parser.add_argument('profile', type=Path, metavar='PROFILE.npz', help='a saved profile')
    parser.add_argument(
        'out', type=Path, metavar='OUT', help='.glb, .obj (with .mtl and _skin.png) or .urdf'
    )
    parser.add_argument(
        '--hand',
        choices=('right', 'left', 'both'),
        default='both',
        help='which one; OBJ and URDF get a file for each (default: %(default)s that there are)',
    )
    parser.add_argument(
        '--webxr', action='store_true', help='glTF: add the 25 joints of WebXR/OpenXR as nodes'
    )
    parser.add_argument(
        '--animate', type=Path, metavar='BAG', help='glTF: add the movement of a recording'
    )
    parser.add_argument(
        '--topic', default='hands/mesh', help='HandMeshArray of that recording (%(default)s)'
    )
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )


def run(args: argparse.Namespace) -> int:
    """Write the files and name them; return 0. Raises ProfileError, ConfigError, DatasetError."""
    from realhands_ros.hand.export.gltf import write_glb
    from realhands_ros.hand.export.urdf import write_urdf
    from realhands_ros.hand.export.wavefront import write_obj
    from realhands_ros.hand.model_file import default_model_folder
    from realhands_ros.texture.profile import load_profile

    writers = {'.obj': write_obj, '.urdf': write_urdf}
    rigs = _rigs(load_profile(args.profile), args.hand, args.model or default_model_folder())
    suffix = args.out.suffix.lower()
    if suffix == '.glb':
        animations = read_movement(args.animate, args.topic) if args.animate else None
        write_glb(rigs, args.out, with_webxr_joints=args.webxr, animations=animations)
        print(f'{args.out}: {" and ".join(rig.handedness for rig in rigs)} hand')
    elif suffix in writers:
        for rig in rigs:
            out = args.out
            if len(rigs) > 1:
                out = out.with_stem(f'{out.stem}_{rig.handedness}')
            print(*writers[suffix](rig, out), sep='\n')
    else:
        message = f'{args.out} ends in {suffix!r}; the formats are .glb, .obj and .urdf'
        raise ConfigError(message)
    return 0


def _rigs(profile: HandProfile, wanted: str, folder: Path) -> list[HandRig]:
    from realhands_ros.hand.export.rig import HandRig
    from realhands_ros.hand.model_file import load_uv_atlas

    topology = load_uv_atlas(folder).key
    if profile.topology != topology:
        message = (
            f'the profile belongs to the hand model {profile.topology}, {folder} holds '
            f'{topology}: name its folder with --model'
        )
        raise ProfileError(message)
    sides = [side for side in profile.hands if wanted in (side, 'both')]
    if not sides:
        message = f'the profile has no {wanted} hand, only {" and ".join(profile.hands)}'
        raise ProfileError(message)
    return [
        HandRig.of(
            folder,
            side,
            shape=profile.hands[side].estimate.shape,
            offsets=profile.hands[side].estimate.offsets,
            atlas=profile.hands[side].atlas,
        )
        for side in sides
    ]


def read_movement(bag: Path, topic: str) -> dict[Handedness, HandAnimation]:
    """
    Return the movement of each hand in a HandMeshArray topic, with or without its leading slash.

    Raises DatasetError when the recording cannot be read or no hand moves in it.
    """
    import numpy as np

    from realhands_ros.messages.decode import HANDEDNESS_OF_NUMBER
    from realhands_ros.messages.topics import HANDS_TYPE
    from realhands_ros.messages.types import stamp_ns
    from realhands_ros.recordings.bag import BagFile
    from realhands_ros.recordings.topics import find_truth

    # Pose (48,) and translation (3,) of each hand by their stamp.
    poses: dict[Handedness, dict[int, NDArray[np.float64]]] = defaultdict(dict)
    with BagFile(bag) as file:
        name = topic if topic in file.topics else f'/{topic}'
        find_truth(file.topics, name)
        for _, message in file.messages({name}):
            for hand in message.hands:
                values = np.concatenate([hand.pose, hand.translation]).astype(np.float64)
                if hand.handedness in HANDEDNESS_OF_NUMBER and np.isfinite(values).all():
                    poses[HANDEDNESS_OF_NUMBER[hand.handedness]].setdefault(
                        stamp_ns(message), values
                    )
    if not poses:
        text = f'{topic} of {bag} holds no hand: name another {HANDS_TYPE} with --topic'
        raise DatasetError(text)
    start_ns = min(min(stamps) for stamps in poses.values())
    return {side: _animation(of_side, start_ns) for side, of_side in poses.items()}


def _animation(poses: dict[int, NDArray[np.float64]], start_ns: int) -> HandAnimation:
    import numpy as np

    from realhands_ros.hand.export.rig import HandAnimation

    stamps = sorted(poses)
    values = np.stack([poses[stamp] for stamp in stamps])
    times = 1e-9 * (np.array(stamps, dtype=np.int64) - start_ns)
    return HandAnimation(times, values[:, :NUM_POSE], values[:, NUM_POSE:])
