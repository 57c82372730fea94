"""The qualities of service of the package's topics."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

# Results of a stage: every frame counts, but a late one is not worth waiting for.
RESULTS = QoSProfile(depth=5)

# What does not change: who comes later gets it as well. One message a hand.
LATCHED = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)

# Calibrations are repeated with every image, and match a publisher of either reliability.
CALIBRATION = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def images(reliability: str) -> QoSProfile:
    """Return the profile of an image subscription, 'reliable' or 'best_effort'."""
    policy = {
        'reliable': ReliabilityPolicy.RELIABLE,
        'best_effort': ReliabilityPolicy.BEST_EFFORT,
    }[reliability]
    # The two cameras of a pair may come one after the other, several frames apart.
    return QoSProfile(depth=5, reliability=policy)
