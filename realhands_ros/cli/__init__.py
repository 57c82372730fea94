"""The ``realhands`` command: argument parsing and printing only."""
