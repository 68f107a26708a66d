"""What a network takes of Loihi 2's cores, of a record or of layers that are described by hand; see docs/map.md."""

from __future__ import annotations

from .export.loihi2.limits import Limits
from .export.loihi2.limits import load as load_limits
from .export.loihi2.mapping import Placement, place
from .export.loihi2.plan import Population
from .export.loihi2.synapses import Conv, Dense, OneToOne, Sparse

__all__ = ["Conv", "Dense", "Limits", "OneToOne", "Placement", "Population", "Sparse", "load_limits", "place"]
