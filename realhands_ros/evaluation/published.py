"""Figures that others published, for tables that show ours beside them."""

from __future__ import annotations

# "Realistic Hands: A Hybrid Model for 3D Hand Reconstruction", Seeber et al., 2021; centimetres of
# the paper as millimetres. A dash where the copy at hand cannot be read.
PAPER_STEREO = (
    ('monocular (Table 4)', '16.5', '.352', '.860'),
    ('stereo (Table 4)', '9.4', '.578', '.967'),
)
PAPER_TRAINING = (
    ('single-stage, no keypoints (Table 2)', '–', '.31', '.82'),
    ('single-stage, with keypoints (Table 2)', '11.6', '.49', '.92'),
    ('multi-stage, no keypoints (Table 2)', '–', '.45', '–'),
    ('multi-stage, with keypoints (Table 2)', '7.8', '.66', '.97'),
)
PAPER_SEGMENTATION = (
    ('HSV (Table 3)', '.18', '.72'),
    ('Bayesian CNN (Table 3)', '.93', '.99'),
    ('UMA (Table 3)', '.93', '.99'),
    ('paper (Table 3)', '.95', '.99'),
)
PAPER_PROJECTION = (
    ('no refinement (Fig. 9)', '.722'),
    ('3 iterations (Fig. 9)', '.758'),
    ('10 iterations (Fig. 9)', '.793'),
    ('15 iterations (Fig. 9)', '.806'),
)

# What was reported on FreiHAND's evaluation set, FreiHAND alignment: PA-MPJPE and PA-MPVPE in mm,
# F@5, F@15.
FREIHAND = (
    ('mean shape (paper, Table 1)', '–', '16.4', '.336', '.837'),
    ('inverse kinematics (paper, Table 1)', '–', '13.7', '.439', '.892'),
    ('paper, MediaPipe keypoints (Table 1)', '–', '9.7', '.575', '.949'),
    ('paper, PoseNet keypoints (Table 1)', '–', '7.8', '.662', '.971'),
    ('I2L-MeshNet', '7.4', '7.6', '.681', '.973'),
    ('MobRecon', '5.7', '5.8', '.784', '.986'),
    ('HaMeR', '6.0', '5.7', '.785', '.990'),
    ('WiLoR', '5.5', '5.1', '.825', '.993'),
)
