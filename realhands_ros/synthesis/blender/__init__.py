"""The fine renderer: Blender's Cycles with subsurface scattering, in a process of its own."""
