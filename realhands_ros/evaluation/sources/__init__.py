"""Where an evaluation gets its frames and its truth from."""
