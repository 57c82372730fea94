"""
Writes the pose sampler's mean and principal components into a folder's model files.

Run ``python -m tools.build_pose_statistics`` after any change of the open hand's
mesh, of the gestures or of the sampler. Official MANO files have statistics of their own and need
none.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from realhands_ros.hand.model_file import (
    default_model_folder,
    load_hand_model_data,
    mirrored_hand_model_data,
    save_hand_model_data,
)
from realhands_ros.hand.pose_sampler import pose_statistics


def write_pose_statistics(folder: Path | str) -> None:
    """Give the right hand of ``folder`` its statistics and write the left as its mirror image."""
    data = load_hand_model_data(folder, 'right')
    mean, components = pose_statistics(data)
    data = replace(data, hands_mean=mean, hands_components=components)
    save_hand_model_data(data, folder)
    save_hand_model_data(mirrored_hand_model_data(data), folder)


def main() -> None:
    """Write the statistics of the open hand, or of the folder given."""
    parser = argparse.ArgumentParser(description='Write pose statistics into hand model files.')
    parser.add_argument('--folder', type=Path, help='model folder (default: the open hand)')
    write_pose_statistics(parser.parse_args().folder or default_model_folder())


if __name__ == '__main__':
    main()
