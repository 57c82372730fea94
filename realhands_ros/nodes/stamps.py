"""Stamps as nanoseconds."""

from __future__ import annotations

from builtin_interfaces.msg import Time


def nanoseconds(stamp: Time) -> int:
    """Return a stamp in nanoseconds since its epoch."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec
