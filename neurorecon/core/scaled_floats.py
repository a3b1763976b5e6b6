"""Floats scaled to the range of 8 bit grey values, so that no limit in grey values depends on their unit."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurorecon.core.derived import Derived
from neurorecon.core.padding import some_boxes
from neurorecon.core.stack import Stack

__all__ = ["Scaled", "scaled_floats"]

# Set by hand; not tuned, unless a line says more.
BITS = 8  # of the grey values that floats are scaled to: those of most microscopes


@dataclass(frozen=True, slots=True)
class Scaled(Derived):
    """A volume of floats times a power of two, which changes no digit; computed as it is read."""

    power: int

    def __getitem__(self, key: Any) -> Any:
        """Return the part that `key` names."""
        return np.ldexp(np.asarray(self.data[key]), self.power)


def scaled_floats(stack: Stack) -> Stack:
    """Return a float32 stack times the power of two that makes its range 128 to 256, by some places; other stacks unchanged."""
    if np.dtype(stack.data.dtype).kind != "f":
        return stack
    blocks = (np.asarray(stack.data[box]) for box in some_boxes(stack.shape))
    low, high = np.array([(block.min(), block.max()) for block in blocks], np.float64).T
    width = float(high.max() - low.min())
    power = BITS - math.frexp(width)[1] if math.isfinite(width) and width > 0 else 0
    return stack if power == 0 else replace(stack, data=Scaled(stack.data, power))
