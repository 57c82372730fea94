"""The paper's tables in our data, for docs/results.md."""
