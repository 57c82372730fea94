"""Cameras, rotations, alignment and rasterisation; knows nothing of hands."""
