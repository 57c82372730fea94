"""The demo: a film of synthetic hands through the live system, measured and shown."""
