"""Synthetic stereo hands with exact truth: scenes, renderers, datasets, bags."""
