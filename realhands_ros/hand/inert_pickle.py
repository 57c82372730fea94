"""
Read a pickle without running anything that it names.

A pickle is a program: it names functions and has them called. Here every name has to be in the
caller's table, and even then nothing is imported or called: the name stands for a subclass of
InertObject, which only writes down what it was to be called with. The reader of the result takes
the numbers out of these records.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from realhands_ros.errors import ModelFileError

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
