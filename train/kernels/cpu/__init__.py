"""The kernels for CPUs: numba, SIMD over neurons, threads over samples.

Inside, tensors are (N, T, C): batch, time, channel. Neurons lie side by side there, so a step is one vector loop,
and that is the layout in which a matrix product over all steps and samples writes its result. The functions take
and return NCT tensors that are views of it, as ``channels_last`` images are; other layouts are copied.
"""

from __future__ import annotations

from ..api import ALIFKernels, CELIFDense, CELIFRecurrent, FloatCELIFKernels, GatedKernels, LIFKernels, NormedLIFKernels
from .alif import alif_backward, alif_forward
from .celif import celif_backward, celif_forward, celif_integers, celif_scan, count
from .celif_float import float_celif_backward, float_celif_forward
from .dense import dense_backward, dense_forward
from .gates import gated_backward, gated_forward
from .lif_float import lif_backward, lif_forward
from .normed import moments, normed_backward, normed_forward
from .recurrent import recurrent_backward, recurrent_forward

celif_dense = CELIFDense(dense_forward, dense_backward)
celif_recurrent = CELIFRecurrent(recurrent_forward, recurrent_backward)
float_celif = FloatCELIFKernels(float_celif_forward, float_celif_backward)
alif = ALIFKernels(alif_forward, alif_backward)
lif = LIFKernels(lif_forward, lif_backward)
normed_lif = NormedLIFKernels(moments, normed_forward, normed_backward)
gated = GatedKernels(gated_forward, gated_backward)

__all__ = [
    "alif",
    "celif_backward",
    "celif_dense",
    "celif_forward",
    "celif_integers",
    "celif_recurrent",
    "celif_scan",
    "count",
    "float_celif",
    "gated",
    "lif",
    "normed_lif",
]
