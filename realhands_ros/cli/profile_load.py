"""`realhands profile load`: use a saved profile from now on."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.texture.profile import load_profile, use_profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument('profile', type=Path, metavar='PROFILE.npz', help='a saved profile')


def run(args: argparse.Namespace) -> int:
    """Check and install the profile; return 0. Raises ProfileError."""
    path = use_profile(load_profile(args.profile))
    print(f'{args.profile} is in use now ({path})')
    return 0
