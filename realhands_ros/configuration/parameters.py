"""The parameters of the four nodes, each with default, range and description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realhands_ros.errors import ConfigError

# A node's parameter; declarations, descriptions and defaults come from tables of them.

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """
    One parameter of a node.

    ``low`` and ``high`` bound a number, ``choices`` a text. ``unit`` is empty for a pure number.
    """

    name: str
    default: Value
    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def constraints(self) -> str:
        """Return unit and allowed values in words; empty when there are none."""
        words = [self.unit] if self.unit else []
        if self.low is not None and self.high is not None:
            words.append(f'{self.low:g} to {self.high:g}')
        if self.choices:
            words.append(' or '.join(self.choices))
        return ', '.join(words)

    def check(self, value: Value) -> None:
        """Raise ConfigError for a text that is not among the choices."""
        if self.choices and value not in self.choices:
            message = f'{self.name} is {value!r}; use {" or ".join(self.choices)}'
            raise ConfigError(message)


ParameterTable = Sequence[Parameter]


def defaults(table: ParameterTable) -> dict[str, Value]:
    """Return the default of each parameter by its name."""
    return {parameter.name: parameter.default for parameter in table}


# The parameters of the four nodes. config/stereo.yaml is generated from these tables.

_MODEL_FOLDER = Parameter(
    'model_folder', '', 'Folder of a hand model in MANO layout; empty for the open hand.'
)

_EVERY_NODE = (
    Parameter(
        'autostart',
        True,
        'Configure and activate at the start; false leaves that to a lifecycle manager.',
    ),
    Parameter(
        'diagnostics_period',
        1.0,
        'How often /diagnostics is published, and the same complaint is logged again at most.',
        unit='s',
        low=0.1,
        high=60.0,
    ),
)


def _niceness(default: int) -> Parameter:
    return Parameter(
        'niceness',
        default,
        'How much the node yields to others on a busy machine, in a process of its own (Unix '
        'niceness): what later stages would drop anyway is then not computed first.',
        low=0,
        high=19,
    )


_CAMERAS = (
    Parameter('stereo', True, 'Two cameras; false for the left one alone.'),
    Parameter(
        'rectified',
        True,
        'Images are rectified: P of camera_info counts. False: raw ones, K, D, R and P count.',
    ),
)

KEYPOINT_PARAMETERS = (
    *_EVERY_NODE,
    _niceness(0),
    *_CAMERAS,
    Parameter(
        'image_reliability',
        'reliable',
        'Quality of service of the image subscriptions; a ZED offers reliable.',
        choices=('reliable', 'best_effort'),
    ),
    Parameter(
        'sync_slop',
        0.0,
        'How far the stamps of left and right may differ; 0 pairs exactly equal ones.',
        unit='s',
        low=0.0,
        high=1.0,
    ),
    Parameter('max_hands', 2, 'How many hands are looked for.', low=1, high=8),
    Parameter(
        'detection_confidence', 0.5, 'From which score on a new hand is believed.', low=0, high=1
    ),
    Parameter(
        'tracking_confidence', 0.5, 'From which score on a known hand is kept.', low=0, high=1
    ),
    Parameter(
        'model_complexity', 1, "MediaPipe's lite models (0) or the full ones (1).", low=0, high=1
    ),
    Parameter(
        'task_file',
        '',
        "A hand_landmarker.task of MediaPipe's Tasks API; empty for the models in its wheel.",
    ),
    Parameter(
        'keep_lost', 3.0, 'How long a lost hand keeps its identity.', unit='s', low=0, high=10
    ),
    Parameter(
        'one_person', True, 'The hands are those of one person: never two of the same side.'
    ),
    Parameter('crop_size', 128, 'Side of a crop.', unit='pixels', low=16, high=1024),
    Parameter(
        'crop_margin',
        1.5,
        "Side of a crop relative to the keypoints' box; what the network's weights expect.",
        low=1.0,
        high=4.0,
    ),
    Parameter(
        'filter',
        'none',
        'Smoothing of the keypoints; one_euro adds a little lag.',
        choices=('none', 'one_euro'),
    ),
    Parameter(
        'filter_cutoff',
        3.0,
        'Lowest cutoff of the One-Euro filter.',
        unit='Hz',
        low=0.01,
        high=1000,
    ),
    Parameter('filter_beta', 1.5, 'How the cutoff rises with speed.', low=0, high=1000),
    Parameter('parallel_views', True, 'Look at both images at the same time, in two threads.'),
    Parameter('use_meshes', True, 'Let the meshes of earlier frames say where a lost hand is.'),
    Parameter(
        'frames_under_way',
        2,
        'How many frames may be between keypoints and mesh; more wait, the newest first, so that '
        'frames do not grow old on a busy machine. 0 for any number.',
        low=0,
        high=30,
    ),
    Parameter(
        'overlay_rate',
        10.0,
        'Most pictures a second on hands/overlay, while somebody subscribes to it.',
        unit='Hz',
        low=0.1,
        high=60,
    ),
    _MODEL_FOLDER,
)

HANDNET_PARAMETERS = (
    *_EVERY_NODE,
    _niceness(0),
    *_CAMERAS,
    _MODEL_FOLDER,
    Parameter(
        'weights',
        '',
        'Weights (.safetensors) or a compiled network (.xml); empty for the shipped one.',
    ),
    Parameter(
        'pose_blend',
        'rotation',
        "How the poses of two views become one: the paper's linear blend, or a mean rotation.",
        choices=('linear', 'rotation'),
    ),
    Parameter(
        'placement',
        'keypoints',
        "Where the hand is: by the keypoints, or by the network's camera (the paper's eq. 7).",
        choices=('camera', 'keypoints'),
    ),
    Parameter(
        'backend',
        'auto',
        'What runs the network; auto takes openvino on a CPU where it is installed.',
        choices=('auto', 'torch', 'compile', 'openvino'),
    ),
    Parameter('device', 'cpu', 'Device of torch, for example cpu or cuda.'),
    Parameter('threads', 1, "Threads of the network's backend; 0 for all cores.", low=0, high=256),
)

REFINEMENT_PARAMETERS = (
    *_EVERY_NODE,
    _niceness(0),
    *_CAMERAS,
    _MODEL_FOLDER,
    Parameter(
        'optimiser',
        'levenberg_marquardt',
        "How the mesh is pulled onto the silhouettes; gradient_descent is the paper's way.",
        choices=('levenberg_marquardt', 'gradient_descent'),
    ),
    Parameter(
        'budget',
        0.02,
        'Time that the optimiser may take for one hand; 0 for no limit.',
        unit='s',
        low=0.0,
        high=10.0,
    ),
    Parameter(
        'use_last', True, "Hold the mesh to the same hand's mesh of the last frame (steadier)."
    ),
    Parameter(
        'publish_images',
        False,
        'Put crops and silhouettes into hands/mesh as well; they are in hands/mesh_regressed.',
    ),
    Parameter(
        'publish_tf', True, 'Publish the wrists as transforms: on /tf where tf2_msgs is installed.'
    ),
    Parameter(
        'frame_prefix',
        '',
        'Goes before the names of the frames left_wrist and right_wrist, such as "cell_a/" where '
        'several systems share one /tf.',
    ),
    Parameter(
        'publish_doubtful',
        False,
        'Wrists, transforms and the outputs below of meshes flagged LOW_CONFIDENCE as well.',
    ),
    Parameter(
        'publish_rwr',
        False,
        'Publish hands/<side>/rwr_mano, 21 points for rwr_system beside hands/<side>/wrist.',
    ),
    Parameter(
        'publish_dex_retargeting',
        False,
        'Publish hands/<side>/dex_retargeting, 21 points in its operator frame.',
    ),
    Parameter(
        'publish_geort', False, "Publish hands/<side>/geort, 21 points in GeoRT's palm frame."
    ),
    Parameter(
        'publish_openxr', False, 'Publish hands/<side>/openxr_joints, 25 joints as a PoseArray.'
    ),
    Parameter(
        'publish_joint_states',
        False,
        'Publish hands/<side>/joint_states, the angles of the URDF hand.',
    ),
)

TEXTURE_PARAMETERS = (
    *_EVERY_NODE,
    _niceness(10),
    *_CAMERAS,
    _MODEL_FOLDER,
    Parameter('atlas_size', 512, 'Side of the texture atlas.', unit='texels', low=64, high=4096),
    Parameter(
        'smoothing',
        'confidence',
        "How frames are averaged: by confidence, or the paper's exponential smoothing.",
        choices=('confidence', 'exponential'),
    ),
    Parameter(
        'update_rate',
        5.0,
        'Most frames a second that are projected.',
        unit='Hz',
        low=0.1,
        high=120,
    ),
    Parameter(
        'load_profile', True, 'Begin with the profile in use (`realhands profile`), if any.'
    ),
    Parameter(
        'save_profile', False, 'Make what was learnt of the hands the profile in use at the end.'
    ),
    Parameter('texture_rate', 1.0, 'Most atlases a second.', unit='Hz', low=0.01, high=30),
    Parameter('texture_format', 'jpeg', 'Compression of the atlas.', choices=('jpeg', 'png')),
    Parameter(
        'marker_rate',
        10.0,
        'Most markers a second for RViz, while somebody subscribes to hands/markers.',
        unit='Hz',
        low=0.1,
        high=30,
    ),
)

PARAMETER_TABLES = {
    'keypoint_node': KEYPOINT_PARAMETERS,
    'handnet_node': HANDNET_PARAMETERS,
    'refinement_node': REFINEMENT_PARAMETERS,
    'texture_node': TEXTURE_PARAMETERS,
}
