"""A network that is a graph, drawn as text: its layers in running order, and under each every way that leads to it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from .quoted import plain

WIDTH = 80
"""Columns of a terminal."""
_NAME = 64
"""The longest name that a record takes."""


_TIE = "\N{NO-BREAK SPACE}"
"""Between words that stay on one line."""


def drawing(found: Mapping[str, Any], width: int = WIDTH) -> list[str]:
    """Return the lines of the drawing.

    Parameters
    ----------
    found : mapping
        What `spikeproof.export.describe.describe` says of the network.
    width : int
        Longest line. Lines are broken between words, so a number is never cut.

    Returns
    -------
    list of str
    """
    lines = []
    for source in found["inputs"]:
        images = f" as {shape(source['shape'])}" if len(source["shape"]) > 1 else ""
        words = f"input {_name(source['name'])}: {_count(source['channels'], 'channel')}{images}, {source['kind']}"
        lines += _wrapped(words, "", width)
    layers = {layer["name"]: layer for layer in found["layers"]}
    for group in found["order"]:
        if len(group) > 1:
            names = ", ".join(map(_name, group))
            lines += _wrapped(f"These {len(group)} layers feed each other, and run step by step: {names}.", "", width)
        for name in group:
            lines += _layer(layers[name], "  " if len(group) > 1 else "", width)
    lines += _wrapped(f"answers: {', '.join(map(_name, found['outputs']))}", "", width)
    totals = found["totals"]
    counts = [_count(totals[key], key.removesuffix("s")) for key in ("neurons", "weights", "edges")]
    lines += _wrapped(f"in all: {_count(len(layers), 'layer')}, {', '.join(counts)}", "", width)
    return lines


def shape(sizes: list[int]) -> str:
    """Return a shape in words: ``2x28x28``."""
    return "x".join(map(str, sizes))


def delays(way: Mapping[str, Any]) -> str:
    """Return the delays of a way in words; empty if it has none."""
    shortest, longest = way["delays"]
    if not longest:
        return ""
    if shortest == longest:
        return "delay 1 step" if longest == 1 else f"delay {longest} steps"
    return f"delays {shortest} to {longest} steps, {way['delays_are']}"


def shift(way: Mapping[str, Any]) -> str:
    """Return by what the sums of a way are shifted, in words; empty if they are not."""
    return f"sums shifted by {way['weight_exp']} bits" if way["weight_exp"] else ""


def _layer(layer: Mapping[str, Any], indent: str, width: int) -> list[str]:
    size = f" as {shape(layer['shape'])}" if len(layer["shape"]) > 1 else ""
    words = [f"{layer['neuron']}, {_count(layer['neurons'], 'neuron')}{size}", f"latency {layer['latency']}"]
    words += [f"scale {layer['scale']}"]
    if layer["cpg"]:
        words.append(_count(layer["cpg"], "oscillator"))
    if layer["answer"]:
        words.append("an answer")
    lines = _wrapped(f"{_name(layer['name'])}: {', '.join(words)}", indent, width)
    for way in layer["ways"]:
        kind = "" if way["kind"] == "own" else f" ({way['kind']})"
        told = [f"{way['synapse']} {shape(way['shape'])}", *filter(None, [shift(way), delays(way)])]
        lines += _wrapped(f"<- {_name(way['source'])}{kind}: {', '.join(told)}", indent + "  ", width)
    parameters = ", ".join(f"{key} {value}".replace(" ", _TIE) for key, value in layer["parameters"].items())
    return lines + _wrapped(parameters, indent + "  ", width)


def _name(name: str) -> str:
    return plain(name, _NAME)


def _count(number: int, what: str) -> str:
    return f"{number:,}{_TIE}{what}" if number == 1 else f"{number:,}{_TIE}{what}s"


def _wrapped(words: str, indent: str, width: int) -> list[str]:
    """Return lines that break between words but for those that are tied to each other."""
    on = indent + "    "
    lines = textwrap.wrap(
        words, width, initial_indent=indent, subsequent_indent=on, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_TIE, " ") for line in lines]
