"""The report as one self-contained HTML file, with its pictures embedded."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from realhands_ros.evaluation.report.figures import draw_figures, draw_hand_map
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.scores import ALL_METRICS
from realhands_ros.evaluation.summary import (
    count_figures,
    shown_metrics,
    stage_rows,
    time_figures,
    view_figures,
)
from realhands_ros.hand.model_file import HandModelData

# Published figures, shown beside the measured ones.

# "Realistic Hands: A Hybrid Model for 3D Hand Reconstruction", Seeber et al., 2021; centimetres of
# the paper as millimetres. A dash where the copy at hand cannot be read.
PAPER_STEREO = (
    ('monocular (Table 4)', '16.5', '.352', '.860'),
    ('stereo (Table 4)', '9.4', '.578', '.967'),
)
PAPER_TRAINING = (
    ('single-stage, no keypoints (Table 2)', '–', '.31', '.82'),
    ('single-stage, with keypoints (Table 2)', '11.6', '.49', '.92'),
    ('multi-stage, no keypoints (Table 2)', '–', '.45', '–'),
    ('multi-stage, with keypoints (Table 2)', '7.8', '.66', '.97'),
)
PAPER_SEGMENTATION = (
    ('HSV (Table 3)', '.18', '.72'),
    ('Bayesian CNN (Table 3)', '.93', '.99'),
    ('UMA (Table 3)', '.93', '.99'),
    ('paper (Table 3)', '.95', '.99'),
)
PAPER_PROJECTION = (
    ('no refinement (Fig. 9)', '.722'),
    ('3 iterations (Fig. 9)', '.758'),
    ('10 iterations (Fig. 9)', '.793'),
    ('15 iterations (Fig. 9)', '.806'),
)

# What was reported on FreiHAND's evaluation set, FreiHAND alignment: PA-MPJPE and PA-MPVPE in mm,
# F@5, F@15.
FREIHAND = (
    ('mean shape (paper, Table 1)', '–', '16.4', '.336', '.837'),
    ('inverse kinematics (paper, Table 1)', '–', '13.7', '.439', '.892'),
    ('paper, MediaPipe keypoints (Table 1)', '–', '9.7', '.575', '.949'),
    ('paper, PoseNet keypoints (Table 1)', '–', '7.8', '.662', '.971'),
    ('I2L-MeshNet', '7.4', '7.6', '.681', '.973'),
    ('MobRecon', '5.7', '5.8', '.784', '.986'),
    ('HaMeR', '6.0', '5.7', '.785', '.990'),
    ('WiLoR', '5.5', '5.1', '.825', '.993'),
)


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
tr.final td { font-weight: 600 }
img { max-width: 100% } figure { display: inline-block; margin: .4rem; max-width: 20rem;
       vertical-align: top }
figcaption { font-size: .8rem; color: #555 }
.partial { background: #fff0d0; border-left: 4px solid #e09000; padding: .6rem 1rem }
.note { color: #555; font-size: .85rem } dt { font-weight: 600 } dd { margin: 0 0 .4rem 0 }
code { background: #f2f2f2; padding: .1rem .3rem; overflow-wrap: anywhere }
"""


def report_page(result: EvaluationResult, hand: HandModelData) -> str:
    """Return the report; ``hand`` is the right hand model that errors are shown on."""
    figures = draw_figures(result)
    parts = [
        _head(result),
        _section('Stages', _stages(result)),
        _section('Detections and masks', _figure_table(view_figures(result))),
        _section('Counts', _figure_table(count_figures(result)) + _skipped(result)),
        _section('Published figures', _published()),
        _section('PCK', _image(figures.get('pck'), 'PCK curves')),
        _section('Error over time', _image(figures.get('time'), 'errors by frame')),
        _section('Error by keypoint', _image(figures.get('joints'), 'errors by keypoint')),
        _section('Error on the hand', _hand_map(result, hand)),
        _section('Best and worst frames', _pictures(result)),
        _section('Time', _figure_table(time_figures(result)) + _image(figures.get('latency'), '')),
        _section('Metrics', _legend(result)),
        _section('Made by', _about(result.about)),
        _numbers(result),
    ]
    body = '\n'.join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(_title(result))}</title><style>{_STYLE}</style></head>\n'
        f'<body>\n{body}\n</body></html>\n'
    )


def _title(result: EvaluationResult) -> str:
    return f'realhands: {result.about.get("source", "evaluation")}'


def _head(result: EvaluationResult) -> str:
    about = result.about
    sentence = (
        f'{result.counts.get("frames", 0)} frames, {result.counts.get("hands", 0)} hands, '
        f'{about.get("views", "")}; truth: {about.get("truth", "none")}.'
    )
    head = f'<h1>{escape(_title(result))}</h1><p>{escape(sentence)}</p>'
    if result.partial:
        head += f'<p class="partial">Partial result: {escape(result.partial)}</p>'
    return head


def _section(title: str, content: str) -> str:
    return f'<h2>{escape(title)}</h2>\n{content}' if content else ''


def _stages(result: EvaluationResult) -> str:
    headings, rows = stage_rows(result)
    if not shown_metrics(result):
        return '<p>No hand was found.</p>'
    return _table(headings, rows, final=len(rows) - 1)


def _figure_table(figures: Sequence[tuple[str, str]]) -> str:
    if not figures:
        return ''
    headings, values = zip(*figures, strict=True)
    return _table(headings, [values])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], final: int = -1) -> str:
    head = ''.join(f'<th>{escape(cell)}</th>' for cell in headings)
    body = ''.join(
        f'<tr{" class=final" if number == final else ""}>'
        + ''.join(f'<td>{escape(cell)}</td>' for cell in row)
        + '</tr>'
        for number, row in enumerate(rows)
    )
    table = f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _published() -> str:
    freihand = _table(
        ('FreiHAND, evaluation set (photographs)', 'PA-MPJPE mm', 'PA-MPVPE mm', 'F@5', 'F@15'),
        FREIHAND,
    )
    stereo = _table(("the paper's synthetic set", 'PA-MPVPE mm', 'F@5', 'F@15'), PAPER_STEREO)
    projection = _table(('the paper, FreiHAND, MediaPipe keypoints', 'IoU'), PAPER_PROJECTION)
    note = (
        '<p class="note">Measured on other data than this report: they give the order of '
        'magnitude, not a ranking.</p>'
    )
    return freihand + stereo + projection + note


def _hand_map(result: EvaluationResult, hand: HandModelData) -> str:
    errors = result.maps[result.final_stage].get('vertices_mm')
    if errors is None:
        return ''
    return _image(draw_hand_map(errors, hand), 'mean error of each vertex')


def _pictures(result: EvaluationResult) -> str:
    return ''.join(
        f'<figure>{_image(picture.jpeg, picture.caption, "jpeg")}'
        f'<figcaption>{escape(picture.caption)}</figcaption></figure>'
        for picture in result.pictures
    )


def _image(data: bytes | None, text: str, kind: str = 'png') -> str:
    if data is None:
        return ''
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{encoded}">'


def _skipped(result: EvaluationResult) -> str:
    reasons = result.about.get('skipped') or {}
    items = ''.join(f'<li>{count} {escape(reason)}</li>' for reason, count in reasons.items())
    return f'<p>Skipped:</p><ul>{items}</ul>' if items else ''


def _legend(result: EvaluationResult) -> str:
    means = {name for stage in result.means.values() for name in stage}
    items = ''.join(
        f'<dt>{escape(metric.heading)} <code>{escape(name)}</code></dt>'
        f'<dd>{escape(metric.meaning)}</dd>'
        for name, metric in ALL_METRICS.items()
        if name in means
    )
    return f'<dl>{items}</dl>'


def _about(about: Mapping[str, Any]) -> str:
    items = ''.join(
        f'<dt>{escape(str(name))}</dt><dd><code>{escape(_plain(value))}</code></dd>'
        for name, value in about.items()
        if value not in (None, {}, [])
    )
    return f'<dl>{items}</dl>'


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ', '.join(f'{name} {content}' for name, content in value.items())
    if isinstance(value, list):
        return ', '.join(str(content) for content in value)
    return str(value)


def _numbers(result: EvaluationResult) -> str:
    """Return result.json as a script element that browsers do not run, for other programs."""
    text = json.dumps(result.numbers()).replace('<', '\\u003c')
    return f'<script type="application/json" id="result">{text}</script>'
