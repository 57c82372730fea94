from __future__ import annotations

import os
import pickle
import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.pickle_import import read_official_pickle


class _Python2Pickler(pickle._Pickler):
    """Write bytes as Python 2 wrote its strings."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack('<i', len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def _new_class(monkeypatch, module: str, name: str) -> type:
    """Create a plain class in a module of that name, for pickles to refer to."""
    cls = type(name, (), {'__module__': module})
    home = types.ModuleType(module)
    setattr(home, name, cls)
    monkeypatch.setitem(sys.modules, module, home)
    return cls


def _new_object(cls: type, **attributes: Any) -> Any:
    created = cls()
    vars(created).update(attributes)
    return created


@pytest.fixture
def official_content(monkeypatch, random_model_arrays):
    """Make a dictionary as the official pickles hold it: chumpy, CSC and bookkeeping included."""
    monkeypatch.setitem(sys.modules, 'chumpy', types.ModuleType('chumpy'))
    ch_class = _new_class(monkeypatch, 'chumpy.ch', 'Ch')
    select_class = _new_class(monkeypatch, 'chumpy.reordering', 'Select')
    csc_class = _new_class(monkeypatch, 'scipy.sparse.csc', 'csc_matrix')
    arrays = random_model_arrays()

    directions = np.random.default_rng(5).normal(size=(778, 3, 20))
    directions[:, :, :10] = arrays['shapedirs']
    indices = np.arange(directions.size).reshape(directions.shape)[:, :, :10].ravel()
    bookkeeping = {'_dirty_vars': {'a'}, '_itr': None, '_depends_on_deps': {}}
    select = _new_object(
        select_class,
        a=_new_object(ch_class, x=directions, **bookkeeping),
        idxs=indices,
        preferred_shape=(778, 3, 10),
        **bookkeeping,
    )
    columns, rows = np.nonzero(arrays['J_regressor'].T)
    regressor = _new_object(
        csc_class,
        _shape=(16, 778),
        data=arrays['J_regressor'][rows, columns],
        indices=rows.astype(np.int32),
        indptr=np.searchsorted(columns, np.arange(779)).astype(np.int32),
        format='csc',
        maxprint=50,
    )
    return {
        **arrays,
        'v_template': np.asfortranarray(arrays['v_template']),
        'weights': arrays['weights'].astype('>f8'),
        'J_regressor': regressor,
        'shapedirs': select,
        'bs_style': 'lbs',
        'bs_type': 'lrotmin',
        'J': np.zeros((16, 3)),
    }


def _write(content: object, path: Path, *, protocol: int = 2, python2: bool = True) -> Path:
    pickler = _Python2Pickler if python2 else pickle.Pickler
    with path.open('wb') as file:
        pickler(file, protocol=protocol, fix_imports=True).dump(content)
    return path


def _assert_same_model(data: HandModelData, arrays: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(data.shapedirs, arrays['shapedirs'])
    np.testing.assert_array_equal(data.joint_regressor, arrays['J_regressor'])
    np.testing.assert_array_equal(data.skin_weights, arrays['weights'])
    np.testing.assert_array_equal(data.v_template, arrays['v_template'])
    np.testing.assert_array_equal(data.posedirs, arrays['posedirs'])
    np.testing.assert_array_equal(data.faces, arrays['f'])
    np.testing.assert_array_equal(data.hands_mean, arrays['hands_mean'])
    np.testing.assert_array_equal(data.hands_components, arrays['hands_components'])


@pytest.mark.parametrize(
    ('protocol', 'python2'), [(2, True), (0, False), (1, False), (2, False), (4, False)]
)
def test_reads_official_pickles(
    official_content, random_model_arrays, tmp_path: Path, protocol: int, python2: bool
) -> None:
    path = tmp_path / 'MANO_RIGHT.pkl'
    _write(official_content, path, protocol=protocol, python2=python2)
    data = read_official_pickle(path)
    assert data.handedness == 'right'
    _assert_same_model(data, random_model_arrays())


def test_reads_a_twin_without_chumpy(random_model_arrays, tmp_path: Path) -> None:
    path = _write(random_model_arrays(), tmp_path / 'hand.pkl', protocol=4, python2=False)
    np.testing.assert_array_equal(
        read_official_pickle(path).shapedirs, random_model_arrays()['shapedirs']
    )


def _turn_left(arrays: dict[str, Any]) -> None:
    # As the official left file has it: mirrored template, unmirrored x of the shape directions.
    arrays['v_template'] = arrays['v_template'] * [-1, 1, 1]


def test_left_model_is_repaired(official_content, random_model_arrays, tmp_path: Path) -> None:
    _turn_left(official_content)
    data = read_official_pickle(_write(official_content, tmp_path / 'MANO_LEFT.pkl'))
    assert data.handedness == 'left'
    expected = random_model_arrays()['shapedirs'] * np.array([-1, 1, 1])[:, None]
    np.testing.assert_array_equal(data.shapedirs, expected)


def test_name_and_content_must_agree(official_content, tmp_path: Path) -> None:
    path = _write(official_content, tmp_path / 'mano_left.pkl')
    with pytest.raises(ModelFileError, match='named as a left hand but its fingers'):
        read_official_pickle(path)
    _turn_left(official_content)
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match='named as a right hand but its fingers'):
        read_official_pickle(path)


class _Call:
    """Pickles as a call of ``function(*args)``."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.args


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_code_is_refused_and_does_not_run(official_content, tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / 'ran'
    official_content['weights'] = _Call(os.system, f'touch {marker}')
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl', protocol=protocol, python2=False)
    with pytest.raises(ModelFileError, match=r'asks for posix\.system.*nothing was run'):
        read_official_pickle(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists(), 'the trap itself does not work'


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('builtins', 'eval'),
        ('builtins', 'getattr'),
        ('numpy', 'fromfile'),
        ('numpy.core.multiarray', 'fromfile'),
        ('numpy', 'core.multiarray._reconstruct'),
        ('_codecs', 'lookup'),
        ('chumpy.ch', 'os.system'),
        ('scipy.sparse', 'load_npz'),
        ('copyreg', 'add_extension'),
    ],
)
def test_names_next_to_the_allowed_ones_are_refused(
    tmp_path: Path, module: str, name: str
) -> None:
    path = tmp_path / 'MANO_RIGHT.pkl'
    text = [b'\x8c' + bytes([len(part)]) + part.encode() for part in (module, name)]
    path.write_bytes(b'\x80\x04' + text[0] + text[1] + b'\x93)R.')
    with pytest.raises(ModelFileError, match=f'asks for {module}.{name}'):
        read_official_pickle(path)


def test_allowed_names_are_not_called(official_content, tmp_path: Path, monkeypatch) -> None:
    def fail(*args: Any) -> None:
        raise AssertionError(args)

    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl', protocol=0, python2=False)
    monkeypatch.setattr(sys.modules['chumpy.ch'], 'Ch', fail)
    monkeypatch.setattr(sys.modules['scipy.sparse.csc'], 'csc_matrix', fail)
    monkeypatch.setattr('numpy.core.multiarray._reconstruct', fail)
    read_official_pickle(path)


def test_object_arrays_are_refused(official_content, tmp_path: Path) -> None:
    official_content['hands_mean'] = np.array(['a'] * 45, dtype=object)
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match=r"hands_mean of .*type 'O8'"):
        read_official_pickle(path)


def test_missing_key(official_content, tmp_path: Path) -> None:
    del official_content['posedirs']
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match='lacks posedirs'):
        read_official_pickle(path)


def test_wrong_shape(official_content, tmp_path: Path) -> None:
    official_content['weights'] = official_content['weights'][:, :15]
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match=r'weights of .* has shape \(778, 15\)'):
        read_official_pickle(path)


def _spoil(key: str, **attributes: Any):
    def change(content: dict[str, Any]) -> None:
        vars(content[key]).update(attributes)

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_spoil('J_regressor', _shape=(24, 6890)), r'J_regressor of .*sparse shape \(24, 6890\)'),
        (_spoil('J_regressor', indptr=np.zeros(779, int)), 'J_regressor of .* damaged'),
        (_spoil('J_regressor', indices=np.array([99])), 'J_regressor of .* damaged'),
        (_spoil('shapedirs', idxs=np.array([10**9])), 'shapedirs of .* damaged'),
        (_spoil('shapedirs', a=3), 'shapedirs of .* damaged'),
        (_spoil('shapedirs', preferred_shape=(7, 3)), 'shapedirs of .* damaged'),
        (lambda content: content.update(f=[1, 2]), 'f of .* is a list, not an array'),
    ],
)
def test_damaged_records(official_content, tmp_path: Path, change, message: str) -> None:
    change(official_content)
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match=message):
        read_official_pickle(path)


@pytest.mark.parametrize('kept', [0.0, 0.001, 0.3, 0.9999])
def test_truncated_file(official_content, tmp_path: Path, kept: float) -> None:
    path = _write(official_content, tmp_path / 'MANO_RIGHT.pkl')
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ModelFileError, match='is not a pickle, or is damaged or cut short'):
        read_official_pickle(path)


@pytest.mark.parametrize('content', [b'PK\x03\x04 a zip', b'<html>sign in</html>', b'\x00' * 50])
def test_not_a_pickle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match='is not a pickle'):
        read_official_pickle(path)


def test_other_content(tmp_path: Path) -> None:
    path = _write([1, 2], tmp_path / 'MANO_RIGHT.pkl')
    with pytest.raises(ModelFileError, match='holds a list'):
        read_official_pickle(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match='cannot be opened'):
        read_official_pickle(tmp_path / 'MANO_RIGHT.pkl')
