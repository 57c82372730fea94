"""A node's parameter; declarations, descriptions and defaults come from tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realhands_ros.errors import ConfigError

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
