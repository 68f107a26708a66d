"""What network records are made of: plain values, which every backend runs and every format holds.

`spikeproof.record` makes a record of a trained module and `spikeproof.load` reads one. With these names one is written
by hand.
"""

from __future__ import annotations

from .contract.net import Edge, Input, Layer, Net
from .contract.neurons.adrf import ADRF
from .contract.neurons.adrf_iz import ADRFIZ
from .contract.neurons.alif import ALIF
from .contract.neurons.celif import CELIF
from .contract.neurons.cuba import CUBA
from .contract.neurons.delta import Delta
from .contract.neurons.leaky_integrator import LeakyIntegrator
from .contract.neurons.readout import Readout
from .contract.neurons.rf import RF
from .contract.neurons.rf_iz import RFIZ
from .contract.neurons.sigma_delta import SigmaDelta
from .contract.sources.coupled import Coupled
from .contract.sources.driven import Driven
from .contract.sources.phase import Phase
from .contract.synapses.axon import Axon
from .contract.synapses.conv import Conv
from .contract.synapses.dense import Dense

__all__ = [
    "ADRF",
    "ADRFIZ",
    "ALIF",
    "CELIF",
    "CUBA",
    "RF",
    "RFIZ",
    "Axon",
    "Conv",
    "Coupled",
    "Delta",
    "Dense",
    "Driven",
    "Edge",
    "Input",
    "Layer",
    "LeakyIntegrator",
    "Net",
    "Phase",
    "Readout",
    "SigmaDelta",
]
