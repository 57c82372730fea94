"""21 landmarks of a hand in an image: heatmaps, detection, tracking, two-view association."""
