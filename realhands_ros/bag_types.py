"""The message types that bags of this package hold, for rosbags: no ROS installation is needed."""

from __future__ import annotations

from functools import lru_cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from realhands_ros.resources import resource_path


@lru_cache(maxsize=1)
def bag_typestore() -> Typestore:
    """
    Return a store of ROS 2's common messages and of ``realhands/msg/*``.

    Raises ConfigError when the package's msg folder is missing.
    """
    store = get_typestore(Stores.LATEST)
    types = {}
    for path in sorted(resource_path('msg').glob('*.msg')):
        types.update(get_types_from_msg(path.read_text(), f'realhands/msg/{path.stem}'))
    store.register(types)
    return store
