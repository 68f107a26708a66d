"""spikeproof: train spiking networks with SLAYER blocks, export to NetX, run on Lava, prove every spike.

The public names are loaded when they are first used, so ``import spikeproof`` loads neither torch nor Lava. From then
on ``import lava...`` works on every Python that this package supports.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .lava_procs.on_import import watch

__version__ = "0.1.0"

_PUBLIC = {
    # public name: (module, attribute; None for the module itself)
    # networks and their blocks
    "celif": (".train.blocks.celif", None),
    "cuba": (".train.blocks.cuba", None),
    "delays": (".train.blocks.delays", None),
    "cpg": (".train.cpg", None),
    "Readout": (".train.blocks.readout", "Readout"),
    "Classifier": (".train.runs.models", "Classifier"),
    "SequenceModel": (".train.sequence.model", "SequenceModel"),
    "accelerate": (".train.slayer.accelerate", "accelerate"),
    "saturate": (".train.slayer.saturate", "saturate"),
    "reset_state": (".export.parts.state", "reset_state"),
    "compat": (".lava_procs.compat", None),
    # training
    "recipe": (".train.runs.recipe", None),
    "fit": (".train.runs.fit", "fit"),
    "Run": (".train.runs.run", "Run"),
    "tasks": (".train.tasks", None),
    # records and files
    "record": (".export.slayer.network", "record"),
    "export_netx": (".export.slayer.network", "export_netx"),
    "load": (".export.formats", "load"),
    "write": (".export.formats", "write"),
    "stock": (".export.stock", None),
    "lint": (".export.lint.check", "lint"),
    "records": (".records", None),
    "phase": (".contract.sources.phase", None),
    # simulation and proof
    "simulate": (".sim.simulate", "simulate"),
    "verify": (".proof", "verify"),
    "network_input": (".sim.torch.backend", "network_input"),
    "verify_recording": (".sim.recordings.against", "verify_recording"),
    "bounds": (".sim.bounds", "bounds"),
    "neurobench": (".sim.cost.neurobench", "neurobench"),
    "Sweep": (".sim.sweep.sweep", "Sweep"),
    "loihi2": (".loihi2", None),
    "lava": (".on_lava", None),
    "errors": (".contract.errors", None),
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        from .export.quoted import did_you_mean

        near = did_you_mean(name, __all__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{near} It has {', '.join(__all__)}.")
    module, attribute = _PUBLIC[name]
    loaded = importlib.import_module(module, __name__)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    _let_notebooks_draw()
    return value


def _let_notebooks_draw() -> None:
    """Give network records, which are below all that draws, what a notebook shows of them."""
    record: Any = sys.modules.get(f"{__name__}.contract.net.net")
    if record is not None and record.drawn_by is None:
        record.drawn_by = _card


def _card(net: Any) -> str:
    from .sim.pictures import cards

    return cards.net(net)


def __dir__() -> list[str]:
    return sorted(__all__)


watch()
del watch
