"""What a set of kernels is: `reference`, `cpu` and `cuda` are modules that fit `Kernels`.

Tensors are NCT (batch, channel, time) unless a shape says otherwise. Values are in SLAYER's units. A kernel's trace is
what its forward pass keeps for its backward pass; it is no one else's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch

Fired = tuple[torch.Tensor, tuple[torch.Tensor, ...]]
"""Spikes, and a trace."""


class CELIFConstants(NamedTuple):
    """What a layer of CE-LIF neurons is, apart from its encoding, which learns."""

    keep_v: torch.Tensor
    """Fraction of the membrane that a step keeps, multiples of 1/4096; float64 of shape (C,)."""
    keep_h: torch.Tensor
    """Fraction of the threshold adaptation that a step keeps, likewise."""
    threshold: float
    """Resting threshold, at least 0."""
    unit: float
    """One state unit, a power of two."""
    half_width: float
    """Half-width of the boxcar surrogate: gradients flow where ``|v - theta|`` is smaller."""
    height: float
    """Height of the boxcar."""


class LIFConstants(NamedTuple):
    """What a layer of floating-point LIF neurons is."""

    decay: float
    """Fraction of the membrane that a step keeps."""
    threshold: float
    """Membrane above which a neuron fires."""
    half_width: float
    """Half-width of the boxcar surrogate, whose height is 1."""


class Embedding(NamedTuple):
    """What is added to a threshold: which of these terms, of spikes and membrane before and the encoding now."""

    s: bool = False
    u: bool = False
    te: bool = False
    s_te: bool = False
    """Spikes times encoding."""
    u_te: bool = False
    """Membrane times encoding, which is CE-LIF."""

    def __call__(self, s: torch.Tensor, u: torch.Tensor, te: torch.Tensor) -> torch.Tensor:
        """Return the sum of the terms."""
        terms = ((self.s, lambda: s), (self.u, lambda: u), (self.te, lambda: te))
        products = ((self.s_te, lambda: s * te), (self.u_te, lambda: u * te))
        first, *others = [term() for is_there, term in (*terms, *products) if is_there]
        return sum(others, first)


class FloatCELIFConstants(NamedTuple):
    """What a layer of floating-point CE-LIF neurons is, apart from its encoding."""

    decay: float
    """Fraction of the membrane that a step keeps."""
    keep: float
    """Fraction of the threshold adaptation that a step keeps."""
    threshold: float
    """Resting threshold."""
    half_width: float
    """Half-width of the boxcar surrogate, whose height is 1."""
    embedding: Embedding
    """What is added to the threshold."""


class ALIFConstants(NamedTuple):
    """What a layer of floating-point ALIF neurons is, apart from its decays, which learn."""

    threshold: float
    """Resting threshold."""
    gain: float
    """How much of the adaptation is added to it."""
    half_width: float
    """Half-width of the boxcar surrogate, whose height is 1."""


class Registers(NamedTuple):
    """What the neurons held at the end of every step, tensors of shape (N, C, T) in SLAYER's units."""

    s: torch.Tensor
    """Spikes, 0 or 1."""
    v: torch.Tensor
    """Membrane, before the reset of a neuron that fired."""
    h: torch.Tensor
    """Threshold adaptation."""
    theta: torch.Tensor
    """Threshold that the membrane was compared with."""


class Integers(NamedTuple):
    """`Registers` as whole numbers, int32 tensors of shape (N, C, T): spikes, and registers in state units."""

    s: torch.Tensor
    v: torch.Tensor
    h: torch.Tensor
    theta: torch.Tensor


class CELIFDense(NamedTuple):
    """Kernels that do a dense layer and its CE-LIF neurons in one call, recurrent or not."""

    forward: Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None, torch.Tensor, CELIFConstants], Fired
    ]
    """``forward(x, weight, bias, feedback, te, constants)`` returns what `Kernels.celif_forward` does of
    ``weight @ x + bias``, or with a `feedback` what `CELIFRecurrent.forward` does of it.

    `x` has the shape (N, I, T) and a dtype in which the sums over it are exact; `weight`, of that dtype, (C, I); `bias`
    is multiples of the unit, of shape (C,), or None; `feedback` is None or whole numbers of units, (C, C), one row a
    receiver.
    """
    backward: Callable[
        [
            torch.Tensor,
            torch.Tensor,
            torch.Tensor | None,
            torch.Tensor,
            CELIFConstants,
            Sequence[torch.Tensor],
            bool,
        ],
        tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor],
    ]
    """``backward(grad, weight, feedback, te, constants, trace, needs_x)`` returns the gradients of x, weight, bias,
    feedback and te.

    That of `x` is None unless `needs_x`, and that of `feedback` if there is none. With a feedback, the trace ends with
    the spikes.
    """


class CELIFRecurrent(NamedTuple):
    """Kernels of CE-LIF neurons whose spikes come back to them a step later."""

    forward: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, CELIFConstants], Fired]
    """``forward(z, te, weight, constants)`` returns what `Kernels.celif_forward` does where the current of a step is
    that of `z` and ``weight @ s`` of the step before. `weight` (C, C) is whole numbers of units, one row a receiver.
    """
    backward: Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor, CELIFConstants, Sequence[torch.Tensor]],
        tuple[torch.Tensor, torch.Tensor],
    ]
    """``backward(grad, te, weight, constants, trace)`` returns the gradients of z and te, by `reference`'s rule."""


class LIFKernels(NamedTuple):
    """Kernels of floating-point LIF neurons, on float32 of shape (T, M): M neurons of all samples side by side."""

    forward: Callable[[torch.Tensor, LIFConstants], tuple[torch.Tensor, torch.Tensor]]
    """``forward(x, constants)`` returns spikes, and membranes before their reset."""
    backward: Callable[[torch.Tensor, torch.Tensor, LIFConstants], torch.Tensor]
    """``backward(grad, u, constants)`` returns the gradient of the currents, given the membranes `u`."""


class FloatCELIFKernels(NamedTuple):
    """Kernels of floating-point CE-LIF neurons, on float32 of shape (N, T, C)."""

    forward: Callable[[torch.Tensor, torch.Tensor, FloatCELIFConstants], Fired]
    """``forward(x, te, constants)`` returns spikes for currents `x` and an encoding `te` of shape (C, T)."""
    backward: Callable[
        [torch.Tensor, torch.Tensor, FloatCELIFConstants, Sequence[torch.Tensor]], tuple[torch.Tensor, torch.Tensor]
    ]
    """``backward(grad, te, constants, trace)`` returns the gradients of x and te."""


class ALIFKernels(NamedTuple):
    """Kernels of floating-point ALIF neurons, on float32 of shape (N, T, C); decays a step are of shape (C,)."""

    forward: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, ALIFConstants], Fired]
    """``forward(x, alpha, rho, constants)`` returns spikes for currents `x`; membranes keep `alpha` of themselves in a
    step, and adaptations `rho`.
    """
    backward: Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor, ALIFConstants, Sequence[torch.Tensor]],
        tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    ]
    """``backward(grad, alpha, rho, constants, trace)`` returns the gradients of x, alpha and rho."""


class Norming(NamedTuple):
    """What a norm makes of a channel's current z: ``weight * (z - mean) * inverse + bias``; tensors of shape (D,)."""

    weight: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    """Float64."""
    inverse: torch.Tensor
    """Float64, 1 over the standard deviation."""
    of_batch: bool
    """Whether mean and deviation are those of the batch, so that gradients go through them."""

    def line(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the norm as ``scale * z + shift``, float32."""
        scale = self.weight.detach().double() * self.inverse
        return scale.float(), (self.bias.detach().double() - self.mean * scale).float()


class NormedLIFKernels(NamedTuple):
    """Kernels of a norm and the LIF neurons behind it, on float32 of shape (T, ..., D), the channels last."""

    moments: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    """``moments(z)`` returns the mean and the variance of each channel, float64; the variance divides by the number of
    values.
    """
    forward: Callable[[torch.Tensor, Norming, LIFConstants], torch.Tensor]
    """``forward(z, norming, constants)`` returns the spikes."""
    backward: Callable[
        [torch.Tensor, torch.Tensor, Norming, LIFConstants], tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ]
    """``backward(grad, z, norming, constants)`` returns the gradients of z, weight and bias."""


class GatedKernels(NamedTuple):
    """Kernels of a gated recurrent layer whose gates and state are spikes, see `sequence.gru`; float32.

    Currents and gates are of shape (L, R, 3 D), R samples side by side, in the order r, z, n.
    """

    forward: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    """``forward(currents, weight, bias)`` returns the states before, between and after the steps, of shape
    (L + 1, R, D), what the gates are compared with 0, and what was heard from the state.
    """
    backward: Callable[
        [torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...], float], tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ]
    """``backward(grad, weight, trace, half_width)`` returns the gradients of currents, weight and bias; `grad`, of
    shape (L, R, D), is that of the states after each step, and `trace` what the forward pass returned.
    """


class Kernels(Protocol):
    """A set of kernels: the functions that every set has, and the groups of functions that it may declare to lack."""

    @property
    def celif_dense(self) -> CELIFDense | None:
        """Dense CE-LIF layers in one call; None: `blocks.celif.Dense` multiplies first, then calls `celif_forward`."""

    @property
    def celif_recurrent(self) -> CELIFRecurrent:
        """Recurrent CE-LIF layers."""

    @property
    def lif(self) -> LIFKernels | None:
        """LIF neurons over all steps; None: `sequence.layer.Neurons` steps through time in eager PyTorch."""

    @property
    def float_celif(self) -> FloatCELIFKernels | None:
        """Floating-point CE-LIF neurons; None: `neurons.FloatCELIF` steps through time in eager PyTorch."""

    @property
    def alif(self) -> ALIFKernels | None:
        """Floating-point ALIF neurons; None: `neurons.ALIF` steps through time in eager PyTorch."""

    @property
    def normed_lif(self) -> NormedLIFKernels | None:
        """A norm and LIF neurons in one; None: `sequence.layer.Layer` calls one after the other."""

    @property
    def gated(self) -> GatedKernels | None:
        """Gated recurrent layers; None: `sequence.gru` steps along the sequence in eager PyTorch."""

    def celif_scan(self, z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Registers:
        """Return every register of CE-LIF neurons at every step, of the dtype of `z` and without gradient.

        Parameters
        ----------
        z : Tensor, shape (N, C, T)
            Input currents, finite; rounded to whole state units.
        te : Tensor, shape (C, T)
            Encoding, real values.
        constants : CELIFConstants
            The layer's constants.
        """

    def celif_integers(self, z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Integers:
        """Return what `celif_scan` does as the contract's integers, which a proof compares."""

    def celif_forward(self, z: torch.Tensor, te: torch.Tensor, constants: CELIFConstants) -> Fired:
        """Return the spikes of `celif_scan`, and the trace that `celif_backward` wants."""

    def celif_backward(
        self, grad: torch.Tensor, te: torch.Tensor, constants: CELIFConstants, trace: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Go back in time through `celif_forward`, by the rule in `reference.celif_backward`.

        Parameters
        ----------
        grad : Tensor, shape (N, C, T)
            Gradient of the loss to the spikes.
        te, constants
            Those of the forward pass.
        trace : sequence of Tensor
            What the forward pass kept.

        Returns
        -------
        grad_z : Tensor, shape (N, C, T)
        grad_te : Tensor, shape (C, T)
            Its first column is zero: the membrane before a sample is 0.
        """

    def count(self, x: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the sum over time of spikes of shape (N, C, T), in float64 of shape (N, C), and the smallest value."""
