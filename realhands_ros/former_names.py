"""
Modules that scripts of users import by the names they had before they moved.

An old name is the new module, and a DeprecationWarning says where it lives now.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER_NAMES = {
    'realhands_ros.bag_types': 'realhands_ros.messages.types',
    'realhands_ros.evaluation.bags': 'realhands_ros.recordings',
    'realhands_ros.evaluation.bags.bag_file': 'realhands_ros.recordings.bag',
    'realhands_ros.keypoints.frame': 'realhands_ros.data.frames',
}


class FormerNames(MetaPathFinder, Loader):
    """Finds the modules of FORMER_NAMES."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a specification of an old name, None for any other."""
        return ModuleSpec(fullname, self) if fullname in FORMER_NAMES else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make an empty module, which exec_module replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that the old name stands for in the place of the empty one."""
        former = module.__name__
        new = FORMER_NAMES[former]
        message = f'{former} is {new} now; change the import'
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        sys.modules[former] = importlib.import_module(new)


def install() -> None:
    """Let old names be imported."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.append(FormerNames())
