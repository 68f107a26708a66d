"""What things of training state about themselves when they are to be proved; `spikeproof.verify` reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class ToProve(NamedTuple):
    """What is to be proved; `spikeproof.sim.verify.provable.Claim` says what each field means."""

    network: Any
    x: npt.NDArray[Any]
    samples: int | None = None
    file: Path | None = None
    real: npt.NDArray[np.float64] | None = None
    meaning: str = ""
    classes: npt.NDArray[np.int64] | None = None
    judge: Callable[[npt.NDArray[np.float64], npt.NDArray[np.int64]], Mapping[str, float]] | None = None
