"""Test-time optimisation of the hand mesh through a soft silhouette (paper, section 3.2)."""
