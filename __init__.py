"""spikeproof: train spiking networks with SLAYER blocks, export to NetX, run on Lava, prove every spike.

The public names are loaded when they are first used, so ``import spikeproof`` loads neither torch nor Lava.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    # public name: (module, attribute; None for the module itself)
    "celif": (".train.blocks.celif", None),
    "cpg": (".train.cpg", None),
    "Readout": (".train.blocks.readout", "Readout"),
    "record": (".export.slayer.network", "record"),
    "accelerate": (".train.slayer.accelerate", "accelerate"),
    "export_netx": (".export.slayer.network", "export_netx"),
    "lint": (".export.lint.check", "lint"),
    "load": (".export.formats", "load"),
    "saturate": (".train.slayer.saturate", "saturate"),
    "reset_state": (".export.parts.state", "reset_state"),
    "simulate": (".sim.simulate", "simulate"),
    "verify": (".sim.verify.verify", "verify"),
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _PUBLIC[name]
    loaded = importlib.import_module(module, __name__)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
