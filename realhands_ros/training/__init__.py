"""Training of the network: data, augmentation, losses, stages and the loop."""
