"""Masked arrays, whose hidden values NumPy gives to whoever does not ask for the mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract.errors import InputError


def refuse(x: Any) -> None:
    """Refuse a masked array, or a list of some.

    Raises
    ------
    InputError
        It is one.
    """
    each = x if isinstance(x, list | tuple) else [x]
    if any(isinstance(one, np.ma.MaskedArray) for one in each):
        raise InputError("The input is a masked array, whose hidden values would count. Give x.filled(0), say.")
