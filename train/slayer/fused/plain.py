"""Whether stock modules do what their classes say, so that a loop may do it in their place."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils.weight_norm import WeightNorm

from .arrays import is_float32

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_heard() -> bool:
    """Say whether somebody listens to all modules, or watches what torch does."""
    listens = any(getattr(torch_module, f"_global{name}", None) for name in _HOOKS)
    traces = torch._C._is_tracing() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
    return listens or traces or torch.get_default_dtype() != torch.float32


def runs(module: Any, **methods: Any) -> bool:
    """Say whether a module's methods are these functions, and nobody listens to it; weight norms do not count."""
    kind = type(module)
    if kind.__call__ is not nn.Module.__call__ or any(name in vars(module) for name in methods):
        return False
    if any(getattr(kind, name, None) is not function for name, function in methods.items()):
        return False
    listening = [hook for name in _HOOKS for hook in getattr(module, name).values()]
    return all(isinstance(hook, WeightNorm) for hook in listening)


def weight(synapse: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the weights that a synapse's own forward pass would use, as it would compute them."""
    for hook in synapse._forward_pre_hooks.values():  # old-style weight norms
        hook(synapse, (x,))
    found: torch.Tensor = synapse.weight if synapse._pre_hook_fx is None else synapse._pre_hook_fx(synapse.weight)
    return found


def is_power_of_two(number: Any) -> bool:
    """Say whether a number is 1, 2, 4 and so on."""
    return isinstance(number, int) and number > 0 and number & (number - 1) == 0


def has_plain_parameters(*modules: Any) -> bool:
    """Say whether all parameters and buffers of modules are float32 on the CPU."""
    return all(is_float32(x) for module in modules for x in [*module.parameters(False), *module.buffers(False)])
