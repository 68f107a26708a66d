"""A map in words: a table of its layers, and where each figure comes from."""

from __future__ import annotations

import dataclasses

from .mapping import WHENCE, Placed, Placement

COLUMNS = ("layer", "neurons", "cores", "synapse", "axons in", "axons out", "state", "all words", "full")


def rows(found: Placement) -> list[tuple[str, ...]]:
    """Return the header and a row for each population: its cores, and the words of 64 bits in its fullest one."""
    return [COLUMNS, *(_row(found, placed) for placed in found.placed)]


def details(found: Placement) -> list[str]:
    """Return a line for each population: what its neurons are and how their synapses are stored."""
    return [_detail(placed) for placed in found.placed]


def basis(found: Placement) -> str:
    """Return in one sentence which figures are estimates."""
    estimates: list[str] = []
    reconstructed: list[str] = []
    for figure, words in _used(found).items():
        (estimates if words.startswith("estimate") else reconstructed).append(_spoken(figure))
    return (
        f"estimates: {'; '.join(estimates)}. Reconstructed from tables that Intel's compiler printed: "
        f"{'; '.join(reconstructed)}."
    )


def sources(found: Placement) -> list[str]:
    """Return where each figure and each limit comes from, a line each."""
    lines = [f"{_spoken(figure)}: {words}" for figure, words in _used(found).items()]
    for field in dataclasses.fields(found.limits):
        limit = getattr(found.limits, field.name)
        lines.append(f"limit {_spoken(field.name)} {limit.value:,} ({limit.words}), {limit.certainty}: {limit.source}")
    return lines


def shown(name: str) -> str:
    """Return the name of a population as people read it."""
    return name.strip(":").replace(":", " ")


def _used(found: Placement) -> dict[str, str]:
    """Return the figures that occur in a map, and where they come from."""
    encodings = {connection.encoding for placed in found.placed for connection in placed.population.inputs}
    delays = any(connection.delay_bits for placed in found.placed for connection in placed.population.inputs)
    used = {}
    for figure, words in WHENCE.items():
        _, _, encoding = figure.partition(", ")
        if (not encoding or encoding in encodings) and (figure != "delay_bits" or delays):
            used[figure] = words
    return used


def _spoken(figure: str) -> str:
    return figure.replace("_", " ")


def _row(found: Placement, placed: Placed) -> tuple[str, ...]:
    population = placed.population
    name, neurons = shown(population.name), f"{population.neurons:,}"
    if not placed.uses:
        return (name, neurons, "none fits", *[""] * 6)
    largest = placed.largest
    words = (
        largest.synapse_words,
        largest.input_axons,
        largest.axon_map,
        largest.state_words,
        largest.core_words,
    )
    full = largest.core_words / found.limits.core_words.value
    return (name, neurons, f"{len(placed.uses):,}", *(f"{number:,}" for number in words), f"{full:.0%}")


def _detail(placed: Placed) -> str:
    population = placed.population
    parts = [
        f"{population.kind}; state words a neuron: {population.state_words}, accumulators: {population.accumulators}"
    ]
    for connection in population.inputs:
        delay = f", {connection.delay_bits}-bit delays" if connection.delay_bits else ""
        parts.append(f"from {shown(connection.source)}: {connection.encoding}, {connection.bits}-bit weights{delay}")
    if placed.halving:
        parts.append(f"cores by halving: {placed.halving:,}")
    return f"{shown(population.name)}: {'; '.join(parts)}"
