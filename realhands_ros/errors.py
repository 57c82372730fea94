"""
The exceptions that realhands raises on purpose.

Every message says what was wrong, the value that was found, and what to do about it. Callers that
want to survive anything the package rejects catch ``RealhandsError``; a bare ``ValueError`` or
``KeyError`` out of the package is a bug.
"""


class RealhandsError(Exception):
    """Base class of every error that realhands raises on purpose."""


class ModelFileError(RealhandsError):
    """A hand-model file is missing, damaged, or not in MANO's layout."""


class CalibrationError(RealhandsError):
    """A camera calibration cannot be used: zero focal length, zero baseline, wrong shape."""


class ImageError(RealhandsError):
    """An image has the wrong encoding, size or content."""


class MessageError(RealhandsError):
    """A ROS message is inconsistent with its own definition."""


class DatasetError(RealhandsError):
    """A dataset folder or file is missing, incomplete or damaged."""


class ConfigError(RealhandsError):
    """A parameter or command-line option has a value outside its range."""


class WeightsError(RealhandsError):
    """A file of network weights is missing, damaged, or belongs to another network."""


class ProfileError(RealhandsError):
    """A user's profile is missing, damaged, foreign, or cannot be written."""
