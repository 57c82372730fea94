"""Hands as teleoperation stacks want them: pure functions from a HandMesh to arrays."""
