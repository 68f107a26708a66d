"""Where in the user's code something happens: file, line and the nearest module."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

_PACKAGE = Path(__file__).resolve().parents[2]
_OURS = (
    *(str(_PACKAGE / folder) + os.sep for folder in ("contract", "export", "sim", "train", "lava_procs", "cli")),
    *map(str, _PACKAGE.glob("*.py")),
)
_TYPED = ("<stdin>", "<ipython-input", "<python-input")
"""How the names begin of what is typed at a prompt."""
_TORCH = str(Path(torch.__file__).resolve().parent) + os.sep
_STANDARD = os.path.realpath(sysconfig.get_paths()["stdlib"]) + os.sep
_LAVA = os.sep + os.path.join("lava", "lib", "dl") + os.sep


class Place(NamedTuple):
    """A line of the user's code."""

    file: str
    """Its name without folders, "model.py" say."""
    line: int
    module: str = ""
    """The nearest module, as the module that was captured calls it; empty for that module itself."""
    kind: str = ""
    """Class of the nearest module of torch's, "Linear" say, if the line is inside one; else empty."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where} (in {self.module})" if self.module else where


def last_place(error: BaseException) -> Place | None:
    """Return the last line of the user's code that an error passed through, None if there is none."""
    found, trace = None, error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if _is_foreign(file):
            found = Place(os.path.basename(file), trace.tb_lineno)
        trace = trace.tb_next
    return found


@cache
def _is_foreign(file: str) -> bool:
    """Whether a file is the user's: none of torch's, lava-dl's, Python's or ours, and no code without a file."""
    if file.startswith("<"):
        return file.startswith(_TYPED)
    file = os.path.realpath(file)  # a package that was imported through a link is the same package
    library = file.startswith(_STANDARD) and "site-packages" not in file
    return not (file.startswith((_TORCH, *_OURS)) or _LAVA in file or library)


def here(names: Mapping[int, str], but: nn.Module | None = None) -> Place:
    """Return the line of the user's code that is running.

    Parameters
    ----------
    names : mapping of id of a module to its name
        What the modules are called.
    but : Module, optional
        Is not taken for the nearest module.
    """
    frame = sys._getframe(1)
    module: str | None = None
    kind = ""
    outermost = frame
    while frame is not None:
        code = frame.f_code
        if code.co_varnames[:1] == ("self",) and not code.co_filename.startswith(_OURS):
            owner = frame.f_locals.get("self")
            if isinstance(owner, nn.Module) and id(owner) in names and owner is not but:
                if module is None:
                    module = names[id(owner)]
                    kind = type(owner).__name__ if type(owner).__module__.startswith("torch.nn.modules.") else ""
                    kind = "" if kind in ("Sequential", "ModuleList", "Module") else kind
        if _is_foreign(code.co_filename):
            if module is None:
                module = _module_of(frame, names)
            return Place(os.path.basename(code.co_filename), frame.f_lineno, module or "", kind)
        outermost, frame = frame, frame.f_back  # type: ignore[assignment]
    return Place(os.path.basename(outermost.f_code.co_filename), outermost.f_lineno, module or "", kind)


def _module_of(frame: object, names: Mapping[int, str]) -> str:
    """Return the name of the module whose method a frame, or one that called it, runs."""
    while frame is not None:
        owner = frame.f_locals.get("self")  # type: ignore[attr-defined]
        if isinstance(owner, nn.Module) and id(owner) in names:
            return names[id(owner)]
        frame = frame.f_back  # type: ignore[attr-defined]
    return ""
