"""Which topics of a recording are the camera's, and which one is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realhands_ros.errors import DatasetError
from realhands_ros.messages.topics import (
    EYES,
    HANDS_TYPE,
    IMAGE_TYPES,
    TRUTH_TOPIC,
    WRAPPER_VERSIONS,
    Eye,
    ZedNames,
)

_NAMESPACE_END = '/zed_node/'
_COMPRESSED = '/compressed'


@dataclass(frozen=True)
class CameraTopics:
    """Image and calibration topics, the left camera's first; one camera for mono."""

    images: tuple[str, ...]
    infos: tuple[str, ...]


def find_camera(
    topics: Mapping[str, str],
    *,
    left: str | None = None,
    right: str | None = None,
    mono: bool = False,
) -> CameraTopics:
    """
    Return the topics of a ZED of either wrapper generation, the newest if there are several.

    ``topics`` are types by name; ``left`` and ``right`` name the images of another camera, whose
    camera_info lies beside them. ``mono`` takes the left camera only. Raises DatasetError that
    names what is missing and what is there.
    """
    if left is None:
        left, found_right = _zed_images(topics)
        right = right or found_right
    images = (left,) if mono or right is None else (left, right)
    infos = tuple(_info_topic(image) for image in images)
    missing = [topic for topic in (*images, *infos) if topic not in topics]
    if missing:
        message = (
            f'the recording has no topic {", ".join(missing)}; it has {_listed(topics)}: name the '
            'images with --left and --right; their camera_info must be beside them'
        )
        raise DatasetError(message)
    wrong = [image for image in images if topics[image] not in IMAGE_TYPES]
    if wrong:
        message = f'{wrong[0]} is a {topics[wrong[0]]}, not an image: name another topic'
        raise DatasetError(message)
    return CameraTopics(images, infos)


def find_truth(topics: Mapping[str, str], name: str | None) -> str | None:
    """
    Return the topic that holds the true hands, None if there is none and none was asked for.

    Raises DatasetError when ``name`` is not there or holds something else.
    """
    topic = name or TRUTH_TOPIC
    kind = topics.get(topic)
    if kind is None and name is None:
        return None
    if kind != HANDS_TYPE:
        what = 'is not there' if kind is None else f'is a {kind}'
        message = f'the truth must be a {HANDS_TYPE}; {topic} {what}: it has {_listed(topics)}'
        raise DatasetError(message)
    return topic


def zed_frames(topic: str) -> frozenset[str]:
    """Return what the optical frame of an image topic may be called, by any wrapper generation."""
    camera = topic.partition(_NAMESPACE_END)[0].rpartition('/')[2]
    return frozenset(
        ZedNames(version, camera).optical_frame(eye)
        for version in WRAPPER_VERSIONS
        for eye in EYES
        if f'{_NAMESPACE_END}{eye}/' in topic
    )


def _zed_images(topics: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the left and the right image topic of a ZED; the right one may be missing."""
    for version in reversed(WRAPPER_VERSIONS):
        for topic in sorted(topics):
            camera = topic.partition(_NAMESPACE_END)[0].lstrip('/')
            names = ZedNames(version, camera)
            left = _present(names, 'left', topics)
            if left == topic:
                return left, _present(names, 'right', topics)
    message = (
        f'the recording has no image of a ZED; it has {_listed(topics)}: name other topics with '
        '--left and --right'
    )
    raise DatasetError(message)


def _present(names: ZedNames, eye: Eye, topics: Mapping[str, str]) -> str | None:
    raw = names.image(eye)
    return next((topic for topic in (raw, raw + _COMPRESSED) if topic in topics), None)


def _info_topic(image: str) -> str:
    return image.removesuffix(_COMPRESSED).rpartition('/')[0] + '/camera_info'


def _listed(topics: Mapping[str, str]) -> str:
    return ', '.join(sorted(topics)) or 'no topic at all'
