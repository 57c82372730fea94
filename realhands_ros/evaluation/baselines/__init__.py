"""Methods to compare with: mean hand, MediaPipe alone, triangulation, inverse kinematics."""
