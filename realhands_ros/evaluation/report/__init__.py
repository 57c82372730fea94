"""Reports of a result: a self-contained HTML page, its plots, and docs/results.md."""
