"""Numbers on the command line that have a least value."""

from __future__ import annotations

import argparse


def at_least_one(text: str) -> int:
    """Return a whole number from 1 on; ArgumentTypeError for anything else."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """Return a whole number from 0 on; ArgumentTypeError for anything else."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text) if text.strip().lstrip('-').isdecimal() else None
    if number is None or number < least:
        message = f'{text} given: it must be a whole number, {least} or more'
        raise argparse.ArgumentTypeError(message)
    return number
