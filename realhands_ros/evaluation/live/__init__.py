"""The running system on a recording: how fast it is, and how good what it publishes."""
