"""Run stock SLAYER blocks on fused CPU kernels, without a change to the model.

lava-dl computes on a CPU in Python loops over time steps, and multiplies mostly zeros.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import TracebackType

from ...contract.errors import MissingDependencyError

_SLAYER = "lava.lib.dl.slayer"


class accelerate:  # named as the function that it is used as
    """Make lava-dl's SLAYER run on fused CPU kernels: now, or for the length of a ``with`` block.

    Spikes are those of stock SLAYER bit for bit, gradients within 1e-5 of float64's. ``Dense``, ``Conv``, ``Pool`` and
    ``Recurrent`` blocks of CUBA neurons run in fused passes: products, states, spikes, dropout and delays. Where
    few of the inputs are not zero, only those are multiplied. Of the other families the dynamics, and all learned
    delays, are compiled. No module is changed, and hooks, norms and masks of weights work as before.

    What the kernels do not hold is left to stock code: other devices and dtypes than float32, fewer than four
    steps, parts that a user has changed or listens to, norms and graded spikes of neurons, groups, CUBA states
    that persist or that exceed 2**24 units. Calling it again changes nothing more; `undo` or the end of the block
    restores what was found.

    Raises
    ------
    MissingDependencyError
        lava-dl's SLAYER or numba cannot be imported.

    Examples
    --------
    ::

        spikeproof.accelerate()  # until the process ends, or .undo()

        with spikeproof.accelerate():
            train(slayer_model)
    """

    def __init__(self) -> None:
        _require()
        from .fused.places import places

        self._found = [(place, place.stand_in()) for place in places()]

    def undo(self) -> None:
        """Restore what was in force before."""
        for place, found in reversed(self._found):
            place.put(found)

    def __enter__(self) -> accelerate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


def _require() -> None:
    if importlib.util.find_spec("numba") is None:
        raise MissingDependencyError("accelerate() needs numba: pip install numba.")
    try:
        importlib.import_module(_SLAYER)
    except Exception as error:  # Lava's own import fails in many ways, not all of them an ImportError
        raise MissingDependencyError(
            f"accelerate() cannot import lava-dl's SLAYER ({type(error).__name__}: {error}). spikeproof doctor "
            "says what is missing."
        ) from error
