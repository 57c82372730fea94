"""Metrics, scores, replay of recordings, baselines to compare with, results and reports."""
