"""
Prints what docs/hand_shape.md says in numbers about the open hand, as Markdown tables.

    python -m realhands_ros.hand.open_hand.report [--folder models/mano]
"""

from __future__ import annotations

import argparse
from dataclasses import astuple
from pathlib import Path

import numpy as np
import trimesh

from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.hand.open_hand.measurements import (
    HINGES,
    measure_hand,
    section_ratio,
    without_correctives,
)
from realhands_ros.hand.open_hand.shape_space import SHAPE_DIRECTIONS
from realhands_ros.hand.topology import NUM_SHAPE

_BENDS_DEG = (45, 90)
_SIZE_COEFFICIENTS = (-2, -1, 0, 1, 2)
_OTHER_COEFFICIENTS = (-2, 2)


def main() -> None:
    """Print mesh quality, sizes over the shape directions, and sections at bent joints."""
    parser = argparse.ArgumentParser(description='Measure the open hand.')
    parser.add_argument('--folder', type=Path, help='model folder (default: the open hand)')
    data = load_hand_model_data(parser.parse_args().folder or default_model_folder(), 'right')
    for table in (mesh_table(data), size_table(data), section_table(data)):
        print(table + '\n')


def mesh_table(data: HandModelData) -> str:
    """Return angles and edge lengths of the rest pose."""
    mesh = trimesh.Trimesh(data.v_template, data.faces, process=False)
    angles = np.rad2deg(mesh.face_angles)
    edges = 1000.0 * mesh.edges_unique_length
    rows: list[tuple[str, ...]] = [
        ('smallest angle', f'{angles.min():.1f} deg'),
        ('smallest angle of a face, median', f'{np.median(angles.min(axis=1)):.1f} deg'),
        ('largest angle', f'{angles.max():.1f} deg'),
        ('edges, shortest / mean / longest',
         f'{edges.min():.1f} / {edges.mean():.1f} / {edges.max():.1f} mm'),
        ('longest over shortest edge', f'{edges.max() / edges.min():.1f}'),
    ]  # fmt: skip
    return _table(('mesh', 'value'), rows)


def size_table(data: HandModelData) -> str:
    """Return sizes in millimetres along each shape direction."""
    rows = []
    for direction, name in enumerate(SHAPE_DIRECTIONS):
        for coefficient in _OTHER_COEFFICIENTS if direction else _SIZE_COEFFICIENTS:
            shape = np.zeros(NUM_SHAPE)
            shape[direction] = coefficient
            sizes = astuple(measure_hand(data, shape))
            label = f'{direction} {name}'
            rows.append((label, f'{coefficient:+d}', *(f'{1000 * size:.0f}' for size in sizes)))
    header = ('direction', 'units', 'length', 'breadth', 'circumference', 'wrist', 'span')
    return _table(header, rows)


def section_table(data: HandModelData) -> str:
    """Return section areas at bent joints over straight ones, without and with correctives."""
    plain = without_correctives(data)
    rows = []
    for joint in HINGES:
        ratios = [
            f'{section_ratio(model, joint, bend):.2f}'
            for bend in _BENDS_DEG
            for model in (plain, data)
        ]
        rows.append((joint, *ratios))
    header = ['joint']
    for bend in _BENDS_DEG:
        header += [f'{bend} deg, blending alone', f'{bend} deg, with correctives']
    return _table(header, rows)


def _table(header: tuple[str, ...] | list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


if __name__ == '__main__':
    main()
