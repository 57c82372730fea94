"""
Commands of commands: what each is called, and the module that is imported once it is chosen.

A module offers ``add_arguments(parser)`` and, unless it has commands of its own, ``run(args)``,
which returns an exit code. Others are not imported: help comes at once, and a command works where
what another one needs is not installed.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any


def add_commands(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, str],
    prefix: str = '',
    **options: Any,
) -> None:
    """
    Add commands with one line of help each; ``options`` are those of ``add_subparsers``.

    The module of the command ``name`` is ``realhands_ros.cli.{prefix}{name}``.
    """
    actions = parser.add_subparsers(parser_class=_CommandParser, **options)
    for name, summary in commands.items():
        module = f'realhands_ros.cli.{prefix}{name}'
        actions.add_parser(name, help=summary, description=summary, module=module)


class _CommandParser(argparse.ArgumentParser):
    """The parser of one command, which imports its module when it has to parse."""

    def __init__(self, *args: Any, module: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._module = module

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self._module is not None:
            module = importlib.import_module(self._module)
            self._module = None
            module.add_arguments(self)
            self.set_defaults(run=getattr(module, 'run', None))
        return super().parse_known_args(args, namespace)
