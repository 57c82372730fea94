"""Left or right: what all frames of one hand say together."""

from __future__ import annotations

import math

from realhands_ros.hand.topology import Handedness

# One look of the detector says no more than this, however sure of itself.
_SUREST = 0.97
# It is as sure as it should be of hands of this size, less so of smaller ones, up to this factor
# more of larger ones (logistic regression over the hands of synthetic films).
_ORDINARY_SIZE_PX = 80.0
_MOST_WEIGHT = 2.0
# The sum is bounded: frames in a pose that deceives the detector are all wrong alike, so some
# seconds of them must not outvote what was seen before, but more may: a wrong beginning has to
# come to an end.
_MOST_LOG_ODDS = 400.0
# With evidence this strong (log odds) a hand has a side, which it changes only for as strong
# evidence of the other.
_TO_DECIDE = 6.0


def log_odds_of_look(right: float, size_px: float = _ORDINARY_SIZE_PX) -> float:
    """
    Return the log odds of a detector's probability in [0, 1] that a hand is a right one.

    ``size_px``: longer side of the hand's box; the detector is too sure of small hands.
    """
    bounded = min(max(right, 1.0 - _SUREST), _SUREST)
    weight = min(size_px / _ORDINARY_SIZE_PX, _MOST_WEIGHT)
    return weight * math.log(bounded / (1.0 - bounded))


class HandednessVote:
    """Adds the evidence of single frames and keeps to its answer until clearly outvoted."""

    def __init__(self) -> None:
        """Begin without evidence."""
        self._log_odds = 0.0
        self._answer: Handedness = 'right'
        self._is_decided = False

    def add(self, log_odds: float) -> None:
        """Count one frame's evidence that it is a right hand: log odds, negative for a left."""
        summed = self._log_odds + log_odds
        self._log_odds = min(max(summed, -_MOST_LOG_ODDS), _MOST_LOG_ODDS)
        is_clear = abs(self._log_odds) >= _TO_DECIDE
        if is_clear or not self._is_decided:
            self._answer = 'right' if self._log_odds >= 0 else 'left'
        self._is_decided |= is_clear

    @property
    def handedness(self) -> Handedness:
        """Return the answer; right without any evidence."""
        return self._answer

    @property
    def score(self) -> float:
        """Return the probability of the answer."""
        towards = self._log_odds if self.handedness == 'right' else -self._log_odds
        return 1.0 / (1.0 + math.exp(-towards))

    @property
    def certainty(self) -> float:
        """Return how much speaks for the answer, as log odds."""
        return abs(self._log_odds)
