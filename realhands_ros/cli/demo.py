"""``realhands demo``: hand meshes between two processes, with rate and latency."""

from __future__ import annotations

import argparse

from realhands_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument('--seconds', type=float, default=5.0, help='how long to send (default 5)')
    parser.add_argument('--rate', type=float, default=30.0, help='meshes a second (default 30)')


def run(args: argparse.Namespace) -> int:
    """Send meshes through DDS and print what arrived; 0 when nothing was lost."""
    # Imported here, so that `realhands --help` works where ROS is not built yet.
    from realhands_ros.nodes.fastdds import environment_with_profile
    from realhands_ros.nodes.transport_probe import ProbeSettings, measure_transport

    if args.seconds <= 0 or args.rate <= 0:
        message = f'--seconds {args.seconds:g} --rate {args.rate:g}: both must be positive'
        raise ConfigError(message)
    count = max(1, round(args.seconds * args.rate))
    settings = ProbeSettings('hand_mesh', rate_hz=args.rate, count=count)
    print(f'Sending {count} HandMesh messages at {args.rate:g} Hz from one process to another …')
    result = measure_transport(settings, environment_with_profile())
    print(f'received  {result.received} of {result.sent}')
    print(
        f'latency   median {result.latency_ms(50):.2f} ms, '
        f'p95 {result.latency_ms(95):.2f} ms, p99 {result.latency_ms(99):.2f} ms'
    )
    return 0 if result.received == result.sent else 1
