"""docs/results.md: the measured figures beside the paper's, with what was measured on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from realhands_ros.evaluation.replay import BASELINE_TITLES
from realhands_ros.evaluation.report.page import (
    PAPER_PROJECTION,
    PAPER_SEGMENTATION,
    PAPER_STEREO,
    PAPER_TRAINING,
)
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.scores import HAND_METRICS, MASK_METRICS, Metric
from realhands_ros.evaluation.summary import text_table
from realhands_ros.evaluation.tables_measurement import TRUE_MASKS, Measurements

_METRICS = HAND_METRICS | MASK_METRICS
_FORM = ('pa_mpvpe', 'pa_mpvpe_proper', 'pa_mpjpe', 'f5', 'f15', 'auc')
_PLACE = ('mpjpe', 'wrist', 'wrist_rotation')


@dataclass(frozen=True)
class Provenance:
    """
    What the page says about its making: the data, the weights, the machine, the command.

    ``plot`` is where the plot of the PCK curves lies, as the page refers to it, None without one.
    """

    dataset: str
    weights: tuple[str, ...]
    versions: str
    machine: str
    command: str
    plot: str | None = None


def results_page(
    found: Measurements,
    provenance: Provenance,
    photographs: Mapping[str, Mapping[str, EvaluationResult]] | None = None,
) -> str:
    """Return the page; ``photographs``: results by folder and by network, the main one first."""
    sections = [
        _introduction(found, provenance),
        *([_photographs(photographs)] if photographs else []),
        _reconstruction(found),
        _training(found),
        _modalities(found, provenance.plot),
        _segmentation(found),
        _projection(found),
        _legend(),
    ]
    return '\n\n'.join(sections) + '\n'


def _photographs(photographs: Mapping[str, Mapping[str, EvaluationResult]]) -> str:
    """Return the section on photographs: a row for each folder, method and network."""
    rows = []
    for folder, results in photographs.items():
        for network, result in results.items():
            rows += _photograph_rows(folder, network, result)
    columns = [
        '',
        '2D %',
        'PA-MPJPE proper mm',
        'mask IoU',
        'mesh IoU',
        'hands',
        'missed',
    ]
    return f"""## Photographs

Photographs with annotations that nothing was trained on, each reconstructed by itself, with
MediaPipe's own keypoints. 2D: keypoints from the annotated ones, relative to the longer side of
their box; MediaPipe's are those of the same hands.

{text_table(columns, rows)}"""


def _photograph_rows(folder: str, network: str, result: EvaluationResult) -> list[list[str]]:
    def figure(stage: str, metric: str, digits: int) -> str:
        value = result.value(metric, stage)
        return '–' if value is None or value != value else f'{value:.{digits}f}'

    def row(title: str, stage: str, *, is_main: bool = False) -> list[str]:
        share = figure('views', 'detected_share', 1)
        return [
            f'{folder}: {title}',
            share if stage == 'world_landmarks' else figure(stage, 'keypoints_share', 1),
            figure(stage, 'pa_mpjpe_proper', 1),
            figure('views', 'iou', 3) if is_main else '–',
            figure(stage, 'mesh_iou', 3),
            str(result.counts.get('matched', 0)),
            str(result.counts.get('misses', 0)),
        ]

    return [
        row('MediaPipe', 'world_landmarks'),
        row(f'{network}, image alone', 'image_alone'),
        row(network, 'regressed', is_main=True),
        row(f'{network}, refined', 'refined'),
    ]


def _introduction(found: Measurements, provenance: Provenance) -> str:
    total = len(found.found_both)
    weights = '\n'.join(f'  - {line}' for line in provenance.weights)
    return f"""# Results

Made by one command, which prints this page:

```sh
{provenance.command}
```

- Data: {provenance.dataset}. {total} hands, held out from training, each seen by two cameras.
- Keypoints: MediaPipe's own, single images, detection afresh in each. It found
  {sum(found.found_right)} of the hands in the right image and {sum(found.found_both)} in both. The
  side of the hand (left, right) is the true one.
- Weights:
{weights}
- Machine: {provenance.machine}
- Versions: {provenance.versions}

The paper's figures are those it gives for its own data, real photographs of FreiHAND or its own
synthetic set: they show the order of magnitude, not who is ahead."""


def _reconstruction(found: Measurements) -> str:
    name = found.networks[0]
    rows = (
        (BASELINE_TITLES['mean_shape'], 'mono/mean_shape'),
        (f'{BASELINE_TITLES["world_landmarks"]}, right image', 'mono/world_landmarks'),
        (BASELINE_TITLES['triangulation'], 'stereo/triangulation'),
        (f'{BASELINE_TITLES["inverse_kinematics"]}, mono', 'mono/inverse_kinematics'),
        (f'{BASELINE_TITLES["inverse_kinematics"]}, stereo', 'stereo/inverse_kinematics'),
        ('network, mono', f'mono/{name}'),
        ('network, stereo', f'stereo/{name}'),
        ("network, stereo, the paper's fusion (eq. 6, 7)", 'stereo/paper_fusion'),
        ('network + refinement, mono', 'mono/refined/lm'),
        ('network + refinement, stereo', 'stereo/refined/lm'),
    )
    metrics = (*_FORM, *_PLACE)
    everyone = (
        ('network, mono', f'mono/{name}'),
        ('network, stereo', f'stereo/{name}'),
        ('network + refinement, stereo', 'stereo/refined/lm'),
    )
    paper = text_table(
        ('paper, its synthetic set', 'PA-MPVPE mm', 'F@5', 'F@15'),
        [(title, *values) for title, *values in PAPER_STEREO],
    )
    return f"""## One view and two (Tables 1 and 4)

Hands that MediaPipe found in both images, as the live system reconstructs them; mono is the right
image alone, as in the paper.

{_table(found, rows, metrics, found.found_both)}

All hands; where MediaPipe missed one, the network sees the whole picture and no keypoints:

{_table(found, everyone, metrics, None)}

{paper}"""


def _training(found: Measurements) -> str:
    rows = []
    for name in found.networks:
        rows += [(f'{name}, no keypoints', f'mono/{name}/blind'), (name, f'mono/{name}')]
    paper = text_table(
        ('paper, FreiHAND', 'PA-MPVPE mm', 'F@5', 'F@15'),
        [(title, *values) for title, *values in PAPER_TRAINING],
    )
    return f"""## Training stages, with and without keypoints (Table 2)

Right image, no refinement, the same crops with and without keypoints; hands found in both images.

{_table(found, rows, _FORM, found.found_both)}

{paper}"""


def modality_rows(found: Measurements) -> dict[str, str]:
    """Return the keys of the measurements that Fig. 8 is about, by their titles."""
    name = found.networks[0]
    return {
        f'{views}, {what}': f'{views}/{name}{suffix}'
        for views in ('mono', 'stereo')
        for what, suffix in (('no keypoints', '/blind'), ('MediaPipe', ''))
    }


def _modalities(found: Measurements, plot: str | None) -> str:
    metrics = ('auc', 'auc_keypoints', 'auc_relative', 'mpvpe', 'mpvpe_abs')
    picture = '' if plot is None else f'\n\n![PCK curves]({plot})'
    return f"""## Keypoints as a modality (Fig. 8)

Areas under the PCK curves (0 to 50 mm), aligned and not; hands found in both images.

{_table(found, list(modality_rows(found).items()), metrics, found.found_both)}{picture}"""


def _segmentation(found: Measurements) -> str:
    rows = [
        (title, *(metric.text(found.masks.mean(key, name)) for name, metric in _mask_metrics()))
        for title, key in (('HSV skin threshold', 'hsv'), ('network', 'network'))
    ]
    table = text_table(('', *(metric.heading for _, metric in _mask_metrics())), rows)
    paper = text_table(
        ('paper, its synthetic set', 'IoU', 'accuracy'),
        [(title, *values) for title, *values in PAPER_SEGMENTATION],
    )
    return f"""## Segmentation (Table 3)

Both views, in the network's own crops, against the visible part of the hand; all hands.

{table}

{paper}"""


def _projection(found: Measurements) -> str:
    metrics = ('iou', 'pa_mpvpe', 'f5', 'wrist', 'centre')
    tables = []
    cases = {'mono': 'mono', 'stereo': 'stereo', 'stereo, with the true masks': TRUE_MASKS}
    for title, key in cases.items():
        rows = [(variant.title, f'{key}/refined/{variant.name}') for variant in found.variants]
        tables.append(f'{title}:\n\n{_table(found, rows, metrics, found.found_both)}')
    paper = text_table(
        ('paper, FreiHAND, MediaPipe keypoints', 'IoU'),
        [(title, *values) for title, *values in PAPER_PROJECTION],
    )
    return '\n\n'.join([
        '## Refinement (Fig. 9)',
        "IoU of the projected mesh with the true mask, in the crops; what hides the hand counts "
        'against it. Hands found in both images.',
        *tables,
        paper,
    ])  # fmt: skip


def _table(
    found: Measurements,
    rows: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    hands: Sequence[bool] | None,
) -> str:
    book = found.book
    lines = []
    for title, key in rows:
        values = [_METRICS[metric].text(book.mean(key, metric, hands)) for metric in metrics]
        lines.append((title, *values, str(book.count(key, hands))))
    return text_table(('', *(_METRICS[metric].heading for metric in metrics), 'hands'), lines)


def _mask_metrics() -> tuple[tuple[str, Metric], ...]:
    return tuple(MASK_METRICS.items())


def _legend() -> str:
    lines = [f'- {metric.title}: {metric.meaning}' for metric in _METRICS.values()]
    return '## Metrics\n\n' + '\n'.join(lines)
