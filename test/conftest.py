"""Fixtures shared by all tests; see also the report of what was skipped at the end of a run."""
