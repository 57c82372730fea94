"""
Read the official MANO pickles without chumpy and without running any of their code.

``MANO_RIGHT.pkl`` and ``MANO_LEFT.pkl`` were written by Python 2: arrays, a scipy CSC matrix for
``J_regressor`` and a chumpy ``Select`` for ``shapedirs``.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_JOINTS, NUM_VERTICES, TIP_VERTEX_IDS, Handedness
from realhands_ros.errors import ModelFileError
from realhands_ros.geometry.mirror import POINT_SIGNS
from realhands_ros.hand.model_file import (
    FILE_KEYS,
    HandModelData,
    hand_model_data_from_arrays,
)

# Read a pickle without running anything that it names.
#
# A pickle is a program: it names functions and has them called. Here every name has to be in the
# caller's table, and even then nothing is imported or called: the name stands for a subclass of
# InertObject, which only writes down what it was to be called with. The reader of the result takes
# the numbers out of these records.

GlobalName = tuple[str, str]

_RECONSTRUCTOR = {('copy_reg', '_reconstructor'), ('copyreg', '_reconstructor')}


class InertObject:
    """
    The record of an object that a pickle wanted built.

    ``pickled_name`` is the (module, name) that was to be called, ``args`` what it was to be called
    with and ``state`` what was to be put into it.
    """

    pickled_name: GlobalName
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> InertObject:
        """Keep the arguments."""
        record = super().__new__(cls)
        record.args = args
        record.state = None
        return record

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


class _InertUnpickler(pickle.Unpickler):
    """Unpickler whose globals are inert, or refused."""

    def __init__(self, file: IO[bytes], allowed: Collection[GlobalName], path: Path) -> None:
        # latin1 keeps the bytes of Python 2 strings, which is what arrays are stored in.
        super().__init__(file, encoding='latin1')
        self._path = path
        self._classes = {
            name: type('.'.join(name), (InertObject,), {'pickled_name': name}) for name in allowed
        }

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the inert class of an allowed global; raise ModelFileError for any other."""
        if (module, name) in _RECONSTRUCTOR:
            return _reconstruct_inert
        if (module, name) not in self._classes:
            message = (
                f'{self._path} asks for {module}.{name}, which no hand model needs: it is refused '
                'and nothing was run; use a file from the official source'
            )
            raise ModelFileError(message)
        return self._classes[module, name]


def load_inert_pickle(path: Path | str, allowed: Collection[GlobalName]) -> Any:
    """
    Read a pickle into plain containers, numbers, strings and InertObject records.

    ``allowed`` lists the exact (module, name) pairs that may occur, as they are in the file.
    Raises ModelFileError for any other, and for what is not a pickle or is cut short.
    """
    path = Path(path)
    try:
        with path.open('rb') as file:
            return _InertUnpickler(file, allowed, path).load()
    except ModelFileError:
        raise
    except OSError as error:
        message = f'{path} cannot be opened: {error.strerror}'
        raise ModelFileError(message) from error
    # Damaged input makes the unpickler raise almost anything (pickle's documentation says so).
    except Exception as error:
        message = (
            f'{path} is not a pickle, or is damaged or cut short ({error}): download it again'
        )
        raise ModelFileError(message) from error


def _reconstruct_inert(cls: type[InertObject], base: object, state: object) -> InertObject:
    """Stand in for copyreg._reconstructor, by which protocols 0 and 1 make plain objects."""
    if not (isinstance(cls, type) and issubclass(cls, InertObject)):
        message = f'a plain object of {cls!r} was asked for'
        raise pickle.UnpicklingError(message)
    return cls()


Array = NDArray[Any]

# Each name under every module path that Python 2 and 3, old and new numpy and scipy gave it.
_RECONSTRUCT = set(product(('numpy.core.multiarray', 'numpy._core.multiarray'), ['_reconstruct']))
_DTYPE = {('numpy', 'dtype')}
_CSC_MATRIX = set(
    product(('scipy.sparse', 'scipy.sparse.csc', 'scipy.sparse._csc'), ['csc_matrix'])
)
_CHUMPY_ARRAY = {('chumpy', 'Ch'), ('chumpy.ch', 'Ch')}
_CHUMPY_SELECT = {('chumpy.reordering', 'Select'), ('chumpy', 'Select')}
_ENCODE = {('_codecs', 'encode')}
# Named by the records above, or by chumpy's bookkeeping; their content is never looked at.
_IGNORED = {
    *product(('__builtin__', 'builtins'), ('object', 'set')),
    ('numpy', 'ndarray'),
    *product(('numpy.core.multiarray', 'numpy._core.multiarray'), ['scalar']),
}
ALLOWED_GLOBALS: frozenset[GlobalName] = frozenset(
    _RECONSTRUCT | _DTYPE | _CSC_MATRIX | _CHUMPY_ARRAY | _CHUMPY_SELECT | _ENCODE | _IGNORED
)

_NUMBER_TYPE = re.compile(r'[fiu][1248]|b1')


def read_official_pickle(path: Path | str) -> HandModelData:
    """
    Read ``MANO_RIGHT.pkl`` or ``MANO_LEFT.pkl`` (or a twin of it made without chumpy).

    The hand is told from the side the fingers point to; the file's name must not say otherwise.
    In the official left model the x of the shape directions has the wrong sign: it is repaired.
    Raises ModelFileError when the file is not such a pickle or asks for code.
    """
    path = Path(path)
    content = load_inert_pickle(path, ALLOWED_GLOBALS)
    if not isinstance(content, Mapping):
        message = f'{path} holds a {type(content).__name__}, not the dictionary of a hand model'
        raise ModelFileError(message)
    arrays = {
        key: _decoded(content[key], f'{key} of {path}') for key in FILE_KEYS if key in content
    }
    data = hand_model_data_from_arrays(arrays, 'right', source=str(path))
    if _handedness_of(data, path) == 'left':
        repaired = data.shapedirs * np.array(POINT_SIGNS)[:, None]
        data = replace(data, shapedirs=repaired, handedness='left')
    return data


def _handedness_of(data: HandModelData, path: Path) -> Handedness:
    wrist_x = data.joint_regressor[0] @ data.v_template[:, 0]
    tips_x = data.v_template[list(TIP_VERTEX_IDS.values()), 0]
    found: Handedness = 'right' if tips_x.mean() < wrist_x else 'left'
    other = 'LEFT' if found == 'right' else 'RIGHT'
    if other in path.name.upper():
        direction = '-x' if found == 'right' else '+x'
        message = (
            f'{path} is named as a {other.lower()} hand but its fingers point along {direction}, '
            f'as those of a {found} one do: rename it or download it again'
        )
        raise ModelFileError(message)
    return found


def _decoded(value: object, where: str) -> Array:
    """Return the array that a record stands for."""
    if not isinstance(value, InertObject):
        message = f'{where} is a {type(value).__name__}, not an array'
        raise ModelFileError(message)
    try:
        if value.pickled_name in _CHUMPY_SELECT:
            return _select(value)
        if value.pickled_name in _CSC_MATRIX:
            return _dense(value)
        return _array(value)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = f'{where} is damaged, or not written as in the official files ({error})'
        raise ModelFileError(message) from error


def _select(record: InertObject) -> Array:
    """Return chumpy's ``Select``: chosen elements of an array, in a shape of their own."""
    source = _array(record.state['a'])
    indices = _array(record.state['idxs'])
    return source.ravel()[indices].reshape(record.state['preferred_shape'])


def _dense(record: InertObject) -> Array:
    """Return the joint regressor, a matrix of compressed columns, as a dense one."""
    state = record.state
    values, rows, starts = (_array(state[name]) for name in ('data', 'indices', 'indptr'))
    if tuple(state['_shape']) != (NUM_JOINTS, NUM_VERTICES):
        message = f'sparse shape {state["_shape"]} instead of {(NUM_JOINTS, NUM_VERTICES)}'
        raise ValueError(message)
    columns = np.repeat(np.arange(NUM_VERTICES), np.diff(starts))
    dense = np.zeros((NUM_JOINTS, NUM_VERTICES))
    np.add.at(dense, (rows, columns), values)
    return dense


def _array(record: InertObject) -> Array:
    """Return a numpy array, or the one inside a plain chumpy array."""
    if record.pickled_name in _CHUMPY_ARRAY:
        record = record.state['x']
    if record.pickled_name not in _RECONSTRUCT:
        message = f'an array is written as {".".join(record.pickled_name)}'
        raise ValueError(message)
    # The state that numpy's ndarray.__setstate__ takes.
    _, shape, dtype, is_fortran, content = record.state
    if any(length < 0 for length in shape):
        message = f'shape {shape}'
        raise ValueError(message)
    number_type = _number_type(dtype)
    flat = np.frombuffer(_raw_bytes(content), number_type)
    return flat.reshape(shape, order='F' if is_fortran else 'C')


def _number_type(record: InertObject) -> np.dtype[Any]:
    code, byte_order = record.args[0], record.state[1]
    if not _NUMBER_TYPE.fullmatch(code):
        message = f'an array of type {code!r} instead of numbers'
        raise ValueError(message)
    return np.dtype(byte_order + code)


def _raw_bytes(content: object) -> bytes:
    """Return the bytes of an array as Python 3, Python 2 (a string) or ``_codecs`` wrote them."""
    if isinstance(content, InertObject) and content.pickled_name in _ENCODE:
        content = content.args[0]
    if isinstance(content, str):
        return content.encode('latin1')
    if isinstance(content, bytes):
        return content
    message = f'the content of an array is a {type(content).__name__}'
    raise TypeError(message)
