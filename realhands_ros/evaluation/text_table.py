"""Tables in aligned Markdown: readable in a terminal, rendered in a browser."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, aligned left, the others are numbers."""
    lines = [list(headings), *[list(row) for row in rows]]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(headings))]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join(_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return '| ' + ' | '.join([first, *others]) + ' |'
