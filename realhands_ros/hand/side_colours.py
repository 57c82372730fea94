"""The colours that tell left from right wherever hands are drawn."""

from __future__ import annotations

from realhands_ros.hand.topology import Handedness

# RGB.
SIDE_COLOURS: dict[Handedness, tuple[int, int, int]] = {
    'right': (245, 190, 140),
    'left': (140, 190, 245),
}
