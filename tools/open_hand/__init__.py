"""Builds the open hand model of ``models/mano`` from a freely licensed rigged hand."""
