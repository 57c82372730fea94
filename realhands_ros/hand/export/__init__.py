"""Rigged hands for other programs: glTF, Wavefront OBJ, URDF."""
