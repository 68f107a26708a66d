"""What SLAYER's classes are, and the blocks of a module that only calls them in the order in which it holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as _torch_module

from ...contract.errors import UnsupportedError
from .pair import Pair
from .protocol import is_own_block

STOCK = "lava.lib.dl.slayer.block."
"""Where SLAYER's blocks live."""


def kind(module: Any) -> tuple[str, str]:
    """Return the family and the kind of a stock block, ("cuba", "Dense") say; of other modules two empty strings.

    A class of the user's that inherits from a stock block is of that block's kind.
    """
    if isinstance(module, Pair):
        return module.family, module.kind
    for one in type(module).__mro__:
        family, _, name = f"{one.__module__}.{one.__name__}".removeprefix(STOCK).partition(".")
        if one.__module__.startswith(STOCK) and family != "base":
            return family, name
    return "", ""


def is_block(module: Any) -> bool:
    """Whether a module is a block of ours or of SLAYER's, or stands between blocks as a CPG Concat does."""
    return is_own_block(module) or bool(kind(module)[0])


def label(module: Any) -> str:
    """Return what layers of a block are called, "cuba" say, without their number."""
    family, _ = kind(module)
    return family or type(module).__module__.rsplit(".", 1)[-1]


def passes_on(module: Any) -> bool:
    """Whether a module is an Input block without a neuron, which passes on what it receives.

    Raises
    ------
    UnsupportedError
        Its options make SLAYER's own forward pass raise.
    """
    family, name = kind(module)
    if name != "Input" or module.neuron is not None:
        return False
    if module.delay_shift or family == "sigma_delta":
        hint = "Leave" if family == "sigma_delta" else "Build it with delay_shift=False, or leave"
        raise UnsupportedError(f"Input: without a neuron SLAYER's own forward pass raises. {hint} it out.")
    return True


def is_plain(module: Any) -> bool:
    """Whether a module calls blocks, and nothing else, in the order in which it holds them: then no sample is needed.

    That is a block as its class left it, or a Sequential of such. Nobody may listen: a hook can change what is passed.
    """
    if _is_heard(module):
        return False
    if type(module) is nn.Sequential:
        return "forward" not in vars(module) and all(is_plain(member) for member in module)
    return is_block(module) and _runs_its_class(module) and not any(map(_is_heard, module.modules()))


def plain_members(module: Any) -> list[Any]:
    """Return the blocks of a plain module in order."""
    return list(_flat(module))


def _flat(module: Any) -> Iterator[Any]:
    if isinstance(module, nn.Sequential) and not is_block(module):
        for member in module:
            yield from _flat(member)
    else:
        yield module


_KNOWN = ("lava.lib.dl.slayer.", __package__.partition(".")[0] + ".")
"""Where methods are from that do what SLAYER's classes do, faults of lava-dl that are worked around among them."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def _is_heard(module: Any) -> bool:
    everywhere = _torch_module._global_forward_hooks or _torch_module._global_forward_pre_hooks
    return bool(everywhere) or any(
        not makes_weight(hook) for name in _HOOKS for hook in getattr(module, name, {}).values()
    )


def makes_weight(hook: Any) -> bool:
    """Whether a hook is one of torch's own that computes a weight before every call: a norm, or pruning."""
    return type(hook).__module__.startswith("torch.nn.utils.")


@contextmanager
def unheard(part: Any) -> Iterator[None]:
    """Let hooks on the parts of a block, which a record does not hold, do nothing in a ``with`` block."""
    kept = [(hooks, dict(hooks)) for module in part.modules() for hooks in (getattr(module, name) for name in _HOOKS)]
    try:
        for hooks, before in kept:
            for key, hook in before.items():
                if not makes_weight(hook):
                    del hooks[key]
        yield
    finally:
        for hooks, before in kept:
            hooks.clear()
            hooks.update(before)


def changed_method(part: Any) -> str:
    """Return which method of SLAYER's synapses or neurons a subclass or an object changes; "" for none."""
    for name in ("forward", "dynamics", "spike"):
        method = getattr(type(part), name, None)
        if method is not None and (name in vars(part) or not method.__module__.startswith(_KNOWN)):
            return name
    return ""


def _runs_its_class(module: Any) -> bool:
    """Whether a block's forward pass is that of SLAYER's class or ours, and no subclass or object changes it."""
    known = type(module).forward.__module__.startswith(_KNOWN)
    return known and "forward" not in vars(module) and type(module).__call__ is nn.Module.__call__
