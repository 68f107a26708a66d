"""Run stock SLAYER neurons on a fused CPU kernel, without a change to the model.

lava-dl computes its leaky integrators, which are CUBA, ALIF and their kin, in a Python loop over time on a CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType, TracebackType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ...contract.errors import MissingDependencyError

_MODULE = "lava.lib.dl.slayer.neuron.dynamics.leaky_integrator"
_NAME = "_LIDynamics"


class accelerate:  # named as the function that it is used as
    """Make lava-dl's ``leaky_integrator`` run on a fused CPU kernel: now, or for the length of a ``with`` block.

    Outputs are those of stock SLAYER bit for bit, gradients within 1e-6 of theirs. What the kernel does not hold
    is left to stock code: other devices, dtypes and default dtypes than float32, values beyond 2**40 integer units.
    Calling it again changes nothing more; `undo` or the end of the block restores what was found.

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
        self._module = _slayer()
        self._found: Any = getattr(self._module, _NAME)
        if not issubclass(self._found, _Mark):
            setattr(self._module, _NAME, _fused(self._module, self._found))

    def undo(self) -> None:
        """Restore what was in force before."""
        setattr(self._module, _NAME, self._found)

    def __enter__(self) -> accelerate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


class _Mark:
    """Base of the dynamics that `accelerate` puts in place."""


def _slayer() -> ModuleType:
    if importlib.util.find_spec("numba") is None:
        raise MissingDependencyError("accelerate() needs numba: pip install numba.")
    try:
        return importlib.import_module(_MODULE)
    except Exception as error:  # Lava's own import fails in many ways, not all of them an ImportError
        raise MissingDependencyError(
            f"accelerate() cannot import lava-dl's SLAYER ({type(error).__name__}: {error}). On Python 3.11 and later "
            "call spikeproof.lava_procs.compat.apply() before Lava's first import; spikeproof doctor says what is "
            "missing."
        ) from error


def _fused(module: ModuleType, stock: type[torch.autograd.Function]) -> type[torch.autograd.Function]:
    """Return a stand-in for lava-dl's ``_LIDynamics`` that falls back on `stock`'s own functions."""
    from ..kernels import cpu_leaky

    class FusedLIDynamics(_Mark, torch.autograd.Function):
        DEBUG = False  # lava-dl sets it at every call

        @staticmethod
        def forward(ctx: Any, x, decay, state, threshold, scale):  # type: ignore[no-untyped-def]
            fits = (
                x.device.type == "cpu"
                and x.dtype == state.dtype == torch.get_default_dtype() == torch.float32
                and x.numel() > 0
                and x.shape[:-1] == state.shape
            )
            y = cpu_leaky.forward(x, decay, state, threshold, scale) if fits else None
            ctx.fused = y is not None
            if y is None:
                y = module._li_dynamics_fwd(x, decay, state, threshold, scale, dtype=torch.int64)
            # Stock keeps the output always; only a learned decay needs it.
            ctx.save_for_backward(decay, *([y] if ctx.needs_input_grad[1] or not ctx.fused else []))
            return y

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad):  # type: ignore[no-untyped-def]
            decay, *kept = ctx.saved_tensors
            if not ctx.fused:
                return *module._li_dynamics_bwd(grad, *kept, decay), None, None, None
            grad_x = cpu_leaky.backward(grad, decay)
            grad_decay = None
            if kept:
                # As lava-dl sums it: over everything, or all but the first dimension after the batch.
                product = grad_x[..., 1:] * kept[0][..., :-1]
                if decay.numel() == 1:
                    grad_decay = product.flatten().sum(0, keepdim=True)
                else:
                    grad_decay = product.sum((0, -1))
                    if grad_decay.dim() != 1:
                        grad_decay = grad_decay.flatten(1).sum(1)
            return grad_x, grad_decay, None, None, None

    return FusedLIDynamics
