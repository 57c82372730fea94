"""The parametric hand: file layout, topology, layer, poses, UV atlas."""
