"""Measures of how good reconstructions are, baselines, and reports."""
