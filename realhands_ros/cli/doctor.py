"""``realhands doctor``: what is installed, whether the demo can run, and what to install."""

from __future__ import annotations

import argparse

from realhands_ros.system.doctor import Status, can_run_demo, examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument('--brief', action='store_true', help='print only what stops the demo')


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 when the demo can run, else 1."""
    findings = examine()
    for finding in findings:
        if args.brief and finding.status is not Status.FAILED:
            continue
        print(f'{finding.name:16}{finding.status.value:8}{finding.detail}')
        if finding.status is not Status.OK:
            print(f'{"":24}{finding.remedy}')
    if can_run_demo(findings):
        if not args.brief:
            print('\nThe demo can run: realhands demo')
        return 0
    print('\nThe demo cannot run: see the lines marked FAILED.')
    return 1
