"""What is checked before processes are started that would stumble over it, each anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from realhands_ros.configuration.files import check_text, read_parameter_file
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.system.graph import Wiring

_IMAGES = ('left/image', 'right/image')


def check_wiring(wiring: Wiring) -> None:
    """Raise ConfigError for parameters and names that no node would take."""
    if wiring.params_file is not None:
        read_parameter_file(wiring.params_file)
    for name, text in wiring.texts.items():
        check_text(name, text)
    check_names(wiring.namespace, wiring.remappings)


def check_names(namespace: str, remappings: Mapping[str, str]) -> None:
    """Raise ConfigError for names that ROS does not allow."""
    from rclpy.exceptions import NameValidationException
    from rclpy.validate_namespace import validate_namespace
    from rclpy.validate_topic_name import validate_topic_name

    def check(option: str, name: str, validate: Callable[[str], object]) -> None:
        try:
            validate(name)
        except NameValidationException as error:
            message = f'{option} {name!r} is no name in ROS: {str(error).splitlines()[0]}'
            raise ConfigError(message) from error

    check('the namespace', f'/{namespace.strip("/")}', validate_namespace)
    for pair in remappings.items():
        for name in pair:
            check('the topic', name, validate_topic_name)


def check_rate(rate: float) -> None:
    """Raise ConfigError for a speed of replay that is none."""
    if not 0.0 < rate < float('inf'):
        message = f'rate is {rate:g}; it must be above zero'
        raise ConfigError(message)


def check_record(bag: Path) -> None:
    """Raise ConfigError when a recording cannot be written to ``bag``."""
    if bag.exists():
        message = f'the recording {bag} exists already: choose another name'
        raise ConfigError(message)
    try:
        bag.mkdir(parents=True)
        bag.rmdir()
    except OSError as error:
        message = f'the recording {bag} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error


def check_bag(bag: Path, wiring: Wiring) -> None:
    """Raise DatasetError for a recording that cannot be read, or lacks the images."""
    from realhands_ros.recordings.bag import open_bag

    wanted = [wiring.resolved(topic) for topic in _IMAGES[: 2 if wiring.is_stereo else 1]]
    with open_bag(bag) as reader:
        there = {c.topic for c in reader.connections if c.msgtype.endswith('/Image')}
    missing = [topic for topic in wanted if topic not in there]
    if missing:
        message = (
            f'{bag} has no images on {" and ".join(missing)}; it has '
            f'{", ".join(sorted(there)) or "none"}: name the camera, or the generation of the ZED '
            'wrapper'
        )
        raise DatasetError(message)
