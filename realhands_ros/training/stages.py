"""
The training stages (section 3.5, Fig. 4 and 5): what each trains, and on what.

What a stage does not name is frozen, its batch statistics too. The text we have carries no
figures, so that this table is our reading: the image's head, tail and regressor are trained first;
the keypoints' head then learns to give the same tail what it knows; the decoder learns on the
image's features; the fusion learns to weigh the two heads; at last all are trained together. The
decoder takes part in that, because it reads the features that change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from realhands_ros.errors import ConfigError
from realhands_ros.handnet.network import Route

Objective = Literal['mano', 'segmentation', 'stereo']


@dataclass(frozen=True)
class TrainingStage:
    """
    One stage.

    ``trains``: submodules of HandNet. ``objectives``: eq. 9, 10, 11. ``paper_epochs`` of which
    ``paper_decay`` with falling learning rate. ``share``: of the hands in a run of ours.
    ``slow``: submodules among those trained that learn at SLOW_RATE of the learning rate, since
    they come with weights that know real hands. ``cached``: the stage reads the features that were
    written beforehand (feature_cache.py), not images.
    """

    name: str
    route: Route
    trains: tuple[str, ...]
    objectives: tuple[Objective, ...]
    paper_epochs: int
    paper_decay: int
    share: float
    slow: tuple[str, ...] = ()
    cached: bool = False


SLOW_RATE = 0.15

_ALL_MONO = ('image_head', 'keypoint_head', 'fusion', 'tail', 'regressor', 'decoder')

# fmt: off
STAGES = (
    TrainingStage('image', 'image', ('image_head', 'tail', 'regressor'), ('mano',),
                  120, 20, 0.22),
    TrainingStage('keypoint', 'keypoints', ('keypoint_head',), ('mano',),
                  100, 20, 0.10),
    TrainingStage('segmentation', 'image', ('decoder',), ('segmentation',),
                  10, 6, 0.05),
    TrainingStage('fusion', 'both', ('fusion', 'regressor.landmarks'), ('mano',),
                  100, 20, 0.08),
    TrainingStage('finalize', 'both', _ALL_MONO, ('mano', 'segmentation'),
                  180, 20, 0.50),
    TrainingStage('synthetic', 'both', ('image_head',), ('mano',),
                  2, 2, 0.0),
    TrainingStage('stereo', 'both', ('stereo',), ('stereo',),
                  8, 4, 0.05),
)
# The same network trained in one go, for comparison (Table 2).
JOINT = TrainingStage('joint', 'both', _ALL_MONO, ('mano', 'segmentation'), 500, 20, 0.95)
# With image head and tail that have learnt elsewhere: the regressor learns to read the frozen
# features, the decoder to draw on them, and then all that is behind the image head together.
READ = TrainingStage('read', 'both', ('regressor',), ('mano',), 0, 0, 1.0, cached=True)
DRAW = TrainingStage('draw', 'image', ('decoder',), ('segmentation',), 0, 0, 1.0)
TUNE = TrainingStage('tune', 'both', ('keypoint_head', 'fusion', 'tail', 'regressor', 'decoder'),
                     ('mano', 'segmentation'), 0, 0, 1.0, slow=('tail', 'regressor', 'decoder'))
WEIGH = TrainingStage('weigh', 'both', ('stereo',), ('stereo',), 0, 0, 1.0, cached=True)
# fmt: on

# In runs much shorter than the paper's, a longer part of them goes into the falling rate.
_DECAY_SHARE = 0.3

RECIPES: dict[str, tuple[TrainingStage, ...]] = {
    'multi': STAGES,
    'single': (JOINT, STAGES[-1]),
    # For a network that has been through the others: more of the same.
    'more': tuple(stage for stage in STAGES if stage.name in ('finalize', 'stereo')),
    'stereo': STAGES[-1:],
    'read': (READ,),
    'draw': (DRAW,),
    'tune': (TUNE,),
    'weigh': (WEIGH,),
}


@dataclass(frozen=True)
class PlannedStage:
    """A stage with its length: ``steps``, and the first step at which the learning rate falls."""

    stage: TrainingStage
    steps: int
    decay_from: int


def plan_by_hands(recipe: str, hands: int, hands_per_step: int) -> tuple[PlannedStage, ...]:
    """Return the stages of a recipe for ``hands`` hands in all, divided by the stages' shares."""
    stages = _stages(recipe)
    total = sum(stage.share for stage in stages)
    lengths = (round(hands * stage.share / total / hands_per_step) for stage in stages)
    return tuple(
        PlannedStage(stage, steps, steps - round(_DECAY_SHARE * steps))
        for stage, steps in zip(stages, lengths, strict=True)
        if steps
    )


def plan_by_epochs(recipe: str, dataset: int, hands_per_step: int) -> tuple[PlannedStage, ...]:
    """Return the stages of a recipe for the paper's epochs over a dataset of that many hands."""
    epoch = -(-dataset // hands_per_step)
    return tuple(
        PlannedStage(
            stage, epoch * stage.paper_epochs, epoch * (stage.paper_epochs - stage.paper_decay)
        )
        for stage in _stages(recipe)
    )


def _stages(recipe: str) -> tuple[TrainingStage, ...]:
    if recipe not in RECIPES:
        message = f'unknown recipe {recipe!r}; use one of {", ".join(RECIPES)}'
        raise ConfigError(message)
    return RECIPES[recipe]
