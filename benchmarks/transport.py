"""
Loss and latency between two processes: stereo images with and without the shipped DDS profile.

    python benchmarks/transport.py
"""

from __future__ import annotations

import os

from benchmarks.common.transport_probe import ProbeSettings, measure_transport
from realhands_ros.system.dds_profile import PROFILE_VARIABLES, environment_with_profile

CASES = (
    ('720p stereo pair, reliable', ProbeSettings('stereo_pair_720p', reliable=True)),
    ('720p stereo pair, best effort', ProbeSettings('stereo_pair_720p', reliable=False)),
    ('HandMeshArray, reliable', ProbeSettings('hand_mesh', reliable=True)),
)


def main() -> None:
    without = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
    profiles = (('default', without), ('shipped', environment_with_profile(without)))
    print(f'{"30 Hz, two processes":32}{"profile":10}{"received":>10}{"p50 ms":>9}{"p95 ms":>9}')
    for name, settings in CASES:
        for profile, environment in profiles:
            result = measure_transport(settings, environment)
            print(
                f'{name:32}{profile:10}{f"{result.received}/{result.sent}":>10}'
                f'{result.latency_ms(50):9.2f}{result.latency_ms(95):9.2f}'
            )


if __name__ == '__main__':
    main()
