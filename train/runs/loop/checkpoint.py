"""The state of a training run under way in one file: tensors as safetensors, everything else as JSON beside them.

Nothing in it can run code when it is read, which a pickle can.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ....contract.errors import FileFormatError
from ....export.files import replacing

_PLAIN = (str, int, float, bool, type(None))


def save(tree: Any, path: Path) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values; the file appears whole or not at all.

    Raises
    ------
    TypeError
        Something is of another kind.
    """
    tensors: dict[str, torch.Tensor] = {}

    def encode(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors[str(len(tensors))] = value.detach().contiguous().clone()
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):  # keys may be numbers, which JSON would turn into text
            return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            return {type(value).__name__: [encode(item) for item in value]}
        if type(value) in _PLAIN:
            return value
        raise TypeError(f"a checkpoint cannot hold {value!r}")

    structure = json.dumps(encode(tree))
    with replacing(path) as temporary:
        safetensors.torch.save_file(tensors, str(temporary), metadata={"structure": structure})


def load(path: Path) -> Any:
    """Return what `save` wrote.

    Raises
    ------
    FileFormatError
        The file is none, or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            structure = json.loads(file.metadata()["structure"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # no mapping
        return _decode(structure, tensors)
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path}: cannot be read as a checkpoint ({error}). Remove it to train from the start."
        ) from None


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_decode(key, tensors): _decode(item, tensors) for key, item in content}
    items = [_decode(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
