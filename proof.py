"""`spikeproof.verify`: the proof of everything that can be proved, folders of training runs and loaders among it.

This is above both training and simulation, neither of which imports the other.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from .sim import batches
from .sim.verify.verify import verify as _verify

if TYPE_CHECKING:
    from .sim.verify.verdict import Verdict


@functools.wraps(_verify)
def verify(network: Any, x: Any = None, *, progress: Any = None, **options: Any) -> Verdict:  # noqa: D103
    if isinstance(network, str | os.PathLike) and os.path.isdir(network):
        from .train.runs.run import Run

        network = Run.open(network)
    classes = None
    if batches.is_loader(x):
        x, classes = batches.samples_of(x, options.get("samples"))
    if progress is True:
        from .cli.terminal import console

        with console.progress() as shown:
            found = _verify(network, x, progress=shown, **options)
    else:
        found = _verify(network, x, progress=progress or None, **options)
    return batches.judged(found, classes)
