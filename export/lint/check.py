"""`lint`: everything that the rules find in a module or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...contract.net import Input, Net
from .. import formats, members, stock
from ..netx import layers, stock_forms
from ..stock.file import groups
from . import records, stock_files, stock_netx
from .finding import Finding, Rule, refusal, sort
from .records import of_record

_HELD = ("resonator-decay", "sigma-delta-threshold")
"""Faults of lava-dl's own export, which a file of ours does not have."""


def lint(
    subject: Any,
    *,
    steps: int | None = None,
    sample: npt.ArrayLike | None = None,
    input: Input | None = None,
    input_shape: tuple[int, ...] | None = None,
    delay_shift: bool = False,
    dt: float | None = None,
    clamp_delays: bool = False,
) -> list[Finding]:
    """Return what is wrong, or would silently go wrong, with a network.

    Parameters
    ----------
    subject : Module, Net or path-like
        A network of blocks, a record, or a network file: ours, NIR, or one that stock lava-dl wrote.
    steps, sample, input : optional
        As in `spikeproof.record`, for a module.
    input_shape, delay_shift, clamp_delays, dt : optional
        As in `spikeproof.load`, for a file that stock lava-dl or another tool wrote.

    Returns
    -------
    list of Finding
        The worst first. An ``error`` is what `spikeproof.export_netx` or `spikeproof.load` refuses. Faults of the stock
        path are warnings in a file that stock NetX loads, and else for information: records are exact.

    Raises
    ------
    FileFormatError
        The file is missing or damaged.
    """
    if isinstance(subject, Net):
        return sort(of_record(subject))
    if not isinstance(subject, str | os.PathLike):
        from . import whole_module

        return sort(whole_module.findings(subject, steps=steps, sample=sample, input=input))
    reads: dict[str, Any] = {"input_shape": input_shape, "delay_shift": delay_shift, "clamp_delays": clamp_delays}
    if not formats.is_nir(subject) and stock.is_stock(subject):
        return sort(_of_stock_file(Path(subject), steps=steps, **reads))
    net = formats.load(subject, steps=steps, dt=dt, **reads)
    if formats.is_nir(subject):
        return sort(of_record(net))
    found = of_record(net, "warning" if loads_in_stock(net) else None)
    return sort([finding for finding in found if finding.rule not in _HELD])


def loads_in_stock(net: Net) -> bool:
    """Return whether stock NetX loads the file of a record, and does not refuse what it could not run."""
    held = (
        layers.is_stock(layer) or not isinstance(stock_forms.form_in(net, i), str) for i, layer in enumerate(net.layers)
    )
    return not net.edges and all(held)


def _of_stock_file(path: Path, **reads: Any) -> list[Finding]:
    refused = stock.refusals(path, **reads)
    if refused:
        return [refusal(words) for words in refused]
    net = stock.load(path, **reads)
    with members.opened(path) as file:
        found = stock_files.RULES.findings(stock_files.StockFile(groups(file), net))
    return found + of_record(net, "warning")


def rules() -> list[Rule]:
    """Return all rules: those of modules, of stock files and of records. It loads torch."""
    from . import modules

    return [*modules.RULES, *stock_files.RULES, *stock_netx.GRAPHS, *stock_netx.RULES, *records.RULES]
