"""Sources of frames and ground truth: bags, FreiHAND, held-out synthetic hands."""
