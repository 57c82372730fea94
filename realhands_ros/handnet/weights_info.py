"""What a file of weights says about itself, whatever its format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realhands_ros.errors import ConfigError, WeightsError
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.handnet.config import HandNetConfig

REMEDY = 'restore the file (git checkout) or train new weights with `realhands train`'


@dataclass(frozen=True)
class WeightsInfo:
    """
    What a weight file says about itself.

    ``shape_basis`` is the key of the hand model whose shape coefficients the network regresses
    (see shape_basis_key). ``making`` are free facts for the model card, such as the data and the
    number of samples seen.
    """

    config: HandNetConfig
    shape_basis: str
    making: Mapping[str, Any] = field(default_factory=dict)

    def as_metadata(self) -> dict[str, str]:
        """Return it as texts, which files keep beside the weights."""
        return {
            'config': json.dumps(self.config.as_dict()),
            'shape_basis': self.shape_basis,
            'making': json.dumps(dict(self.making)),
        }

    @classmethod
    def from_metadata(cls, path: Path, metadata: Mapping[str, str]) -> WeightsInfo:
        """Read what ``as_metadata`` gave of the file ``path``; WeightsError when it cannot be."""
        try:
            config = HandNetConfig.from_dict(json.loads(metadata['config']))
            return cls(config, metadata['shape_basis'], json.loads(metadata['making']))
        except (KeyError, ValueError, TypeError, ConfigError) as error:
            message = f'{path} does not describe its network ({error}): it is damaged; {REMEDY}'
            raise WeightsError(message) from error


def shape_basis_key(data: HandModelData) -> str:
    """Return a short key of a hand model's mean shape and shape directions, for both hands."""
    # The left hand's are the right's with x negated.
    mean = data.v_template[..., None]
    rounded = np.round(np.abs(np.concatenate([mean, data.shapedirs], axis=2)), 6)
    return hashlib.sha256(rounded.astype('<f8').tobytes()).hexdigest()[:16]
