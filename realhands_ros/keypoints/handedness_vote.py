"""Left or right: what all looks at one hand say together."""

from __future__ import annotations

import math

from realhands_ros.hand.topology import Handedness

# One look says no more than this, however sure of itself.
_SUREST = 0.97
# What looks add up to is bounded: looks at a pose that deceives the detector are all wrong alike,
# so about four seconds of them must not outvote what was seen before, but more may: a wrong
# beginning has to come to an end.
_MOST_LOG_ODDS = 800.0
# With evidence this strong (log odds) a hand has a side, which it changes only for as strong
# evidence of the other.
_TO_DECIDE = 6.0


class HandednessVote:
    """Adds the log odds of single looks and keeps to its answer until clearly outvoted."""

    def __init__(self) -> None:
        """Begin without evidence."""
        self._log_odds = 0.0
        self._answer: Handedness = 'right'
        self._is_decided = False

    def add(self, right: float) -> None:
        """Count one look's probability in [0, 1] that it is a right hand."""
        bounded = min(max(right, 1.0 - _SUREST), _SUREST)
        summed = self._log_odds + math.log(bounded / (1.0 - bounded))
        self._log_odds = min(max(summed, -_MOST_LOG_ODDS), _MOST_LOG_ODDS)
        is_clear = abs(self._log_odds) >= _TO_DECIDE
        if is_clear or not self._is_decided:
            self._answer = 'right' if self._log_odds >= 0 else 'left'
        self._is_decided |= is_clear

    @property
    def handedness(self) -> Handedness:
        """Return the answer; right without any look."""
        return self._answer

    @property
    def score(self) -> float:
        """Return the probability of the answer."""
        towards = self._log_odds if self.handedness == 'right' else -self._log_odds
        return 1.0 / (1.0 + math.exp(-towards))
