"""Maps: where the layers of a network would lie on Loihi 2, what each core holds, and what does not fit.

A map is necessary, not sufficient: the compiler that decides is Intel's, and not public.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ...contract.net import Net
from . import limits as limits_of
from . import ways
from .limits import Limits
from .partition import LIMITED, Use, parts, room, smallest, split, use
from .plan import CLOCK, Plan, Population, plan
from .synapses import Part

WHENCE = {
    "cores": "estimate: the fewest equal parts of a layer that fit, no two layers on one core; Intel's compiler may "
    "take more",
    "synapse_words, dense": "reconstructed from tables that Intel's compiler printed; fits every printed row",
    "synapse_words, sparse": "estimate: the same lists without zeros; 5 % or less above the printed rows",
    "synapse_words, conv shared": "estimate, an upper bound: 2 to 4 times the printed rows",
    "delay_bits": "estimate: added to every synapse; never seen printed",
    "input_axons": "reconstructed: one an input, as printed; convolutions 2, where 1 or 2 were printed",
    "axon_map": "estimate: one a neuron and connection, one a place into a convolution; as printed for few target "
    "cores",
    "state_words": "reconstructed for hard-coded LIF (1, as printed); estimate for micro-coded neurons: one word and "
    "one a register, as the two known ones took",
    "neuron_groups": "estimate: distinct sets of parameters",
    "accumulators": "estimate: one a neuron and kind of input; how many a core has is not public",
}
"""Where each figure of a map comes from."""

_SHOWN = 4
"""Ways that a note names."""

OTHER_NEURONS = (
    "CE-LIF neurons, read-outs and oscillators are micro-coded: on a chip they need Intel's tools for that, and their "
    "figures are a projection."
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What does not fit, and the smallest change that would make it."""

    where: str
    limit: str
    needs: int
    holds: int
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: needs {self.needs:,} {_spoken(self.limit)}, {self.holds:,} are there. {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One population on its cores.

    Parameters
    ----------
    population : Population
        The neurons and what feeds them.
    uses : tuple of Use
        What each of its cores holds; empty if it does not fit.
    halving : int
        Cores that repeated halving would take.
    places : int
        Into how many parts its places are cut.
    """

    population: Population
    uses: tuple[Use, ...]
    halving: int
    places: int

    @property
    def largest(self) -> Use:
        """The largest use of any core."""
        return max(self.uses, key=lambda found: found.core_words)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A network on Loihi 2.

    Parameters
    ----------
    placed : tuple of Placed
        The populations in order; cores are numbered through them.
    limits : Limits
        What was allowed.
    problems : tuple of Problem
        What does not fit; empty if all does.
    notes : tuple of str
        What to mind.
    """

    placed: tuple[Placed, ...]
    limits: Limits
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether everything fits, by public figures."""
        return not self.problems

    @property
    def neurons(self) -> int:
        """Neurons of all populations, clocks, oscillators and relays among them."""
        return sum(placed.population.neurons for placed in self.placed)

    @property
    def cores(self) -> int:
        """Number of cores."""
        return sum(len(placed.uses) for placed in self.placed)

    @property
    def chips(self) -> int:
        """Number of chips."""
        return -(-self.cores // self.limits.cores_per_chip.value)

    @property
    def utilisation(self) -> float:
        """Share of the words of the cores in use that is taken."""
        words = sum(found.core_words for placed in self.placed for found in placed.uses)
        return words / (self.cores * self.limits.core_words.value) if self.cores else 0.0

    def __str__(self) -> str:
        most, placed = self.limits.chips.value, sum(use.neurons for of in self.placed for use in of.uses)
        neurons = f"{placed:,} of {self.neurons:,}" if placed < self.neurons else f"{placed:,}"
        found = (
            f"{'FITS' if self.fits else 'DOES NOT FIT'}, by public figures: {neurons} neurons on "
            f"{_count(self.cores, 'core')} of {_count(self.chips, 'chip')} ({most:,} allowed), their memory "
            f"{self.utilisation:.0%} full"
        )
        return "\n".join(
            [found, *(f"problem: {problem}" for problem in self.problems), *(f"note: {note}" for note in self.notes)]
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON, every core among them."""
        return {
            "fits": self.fits,
            "neurons": self.neurons,
            "cores": self.cores,
            "chips": self.chips,
            "utilisation": self.utilisation,
            "layers": [_as_dict(placed) for placed in self.placed],
            "problems": [dataclasses.asdict(problem) | {"words": str(problem)} for problem in self.problems],
            "notes": list(self.notes),
            "whence": WHENCE,
            "limits": dataclasses.asdict(self.limits),
        }


def place(net: Net | Plan, limits: Limits | None = None) -> Placement:
    """Place a network on the cores of Loihi 2.

    Parameters
    ----------
    net : Net or tuple of Population
        A record, or a plan written by hand.
    limits : Limits, optional
        Default: the public ones.

    Returns
    -------
    Placement

    Raises
    ------
    UnsupportedError
        A layer has synapses whose memory is unknown here.

    Examples
    --------
    >>> from spikeproof.export.loihi2.synapses import Dense
    >>> one = Population(name="a", kind="LIF", channels=128, inputs=(Dense(source="input", num_inputs=784),))
    >>> place((one,)).cores
    3
    """
    limits = limits or limits_of.load()
    populations = plan(net, limits) if isinstance(net, Net) else net
    placed, problems = [], []
    for i in range(len(populations)):
        found, problem = _place(populations, i, limits)
        placed.append(found)
        problems += problem
    notes = _waiting(net) if isinstance(net, Net) else []
    notes += _holding(placed, limits)
    if any("micro-coded" in population.kind or "CPG" in population.kind for population in populations):
        notes.append(OTHER_NEURONS)
    found_map = Placement(placed=tuple(placed), limits=limits, problems=(), notes=())
    if not problems:
        notes += _fan_out(found_map, populations)
    if found_map.chips > limits.chips.value and not problems:
        fix = f"Allow {found_map.chips} chips (chips = {found_map.chips} in a file of limits), or take fewer neurons."
        there = limits.chips.value
        problems.append(Problem(where="the network", limit="chips", needs=found_map.chips, holds=there, fix=fix))
    return dataclasses.replace(found_map, problems=tuple(problems), notes=tuple(notes))


def _place(populations: Plan, index: int, limits: Limits) -> tuple[Placed, list[Problem]]:
    population = populations[index]
    targets = [c for p in populations for c in p.inputs if c.source == population.name]
    answers = any(p.answers for p in populations)
    to_host = population.answers if answers else index + 1 == len(populations)

    def outgoing(neurons: int, places: int) -> int:
        return neurons * to_host + sum(connection.outgoing(neurons, places) for connection in targets)

    def at(part: Part) -> Use:
        return use(population, part, outgoing)

    problems = []
    if population.longest_delay > limits.longest_delay.value:
        problems.append(
            Problem(
                where=f"layer {population.name!r}",
                limit="longest_delay",
                needs=population.longest_delay,
                holds=limits.longest_delay.value,
                fix=f"Let its inputs' spikes wait for at most {limits.longest_delay.value} steps.",
            )
        )
    found = split(population, outgoing, limits)
    if found is None:
        one = at(smallest(population))
        limit = one.beyond(limits)[0]
        fixes = [_fix(population, i, room(population, i, outgoing, limits)) for i in range(len(population.inputs))]
        problems.append(
            Problem(
                where=f"layer {population.name!r}, one neuron",
                limit=limit,
                needs=getattr(one, limit),
                holds=getattr(limits, limit).value,
                fix=" Or: ".join(filter(None, fixes)) or "Take neurons of fewer state words.",
            )
        )
        uses: tuple[Use, ...] = ()
    else:
        uses = tuple(at(part) for part in parts(population, found.channels, found.places))
    return (
        Placed(
            population=population,
            uses=uses,
            halving=found.halving if found else 0,
            places=found.places if found else 0,
        ),
        problems,
    )


def _fix(population: Population, index: int, most: int) -> str:
    connection = population.inputs[index]
    if not most:
        return ""
    if connection.source.endswith(CLOCK):
        return (
            f"Give the temporal encoding a table of at most {most:,} steps, or one that oscillators drive "
            "(cpg.DrivenEncoding)."
        )
    what = "input channels" if hasattr(connection, "in_channels") else "inputs with a synapse"
    return f"Let each neuron have at most {most:,} {what} from {connection.source.strip(':')!r}."


def _waiting(net: Net) -> list[str]:
    """Say which spikes must wait for others that come a longer way, so that both are of the same step of a sample."""
    found = [(ways.alignment(net, i, way), way.name) for i in range(len(net.layers)) for way in net.incoming(i)]
    late = sorted(((steps, name) for steps, name in found if steps > 0), reverse=True)
    if not late:
        return []
    shown = ", ".join(f"{name} by {_count(steps, 'step')}" for steps, name in late[:_SHOWN])
    more = f" and {len(late) - _SHOWN:,} more" if len(late) > _SHOWN else ""
    return [
        f"{_count(len(late), 'way')} into a layer must wait for what comes by more layers, which is counted as delay "
        f"at the synapses: {shown}{more}."
    ]


def _holding(placed: list[Placed], limits: Limits) -> list[str]:
    """Say what holds spikes that wait, and what becomes of them when a sample ends."""
    notes = []
    relays = [each for each in placed if ways.RELAY in each.population.name]
    if relays:
        words = sum(use.core_words for each in relays for use in each.uses)
        cores = sum(len(each.uses) for each in relays)
        notes.append(
            f"{_count(sum(each.population.neurons for each in relays), 'relay neuron')} in "
            f"{_count(len(relays), 'population')} hold spikes that wait longer than the "
            f"{limits.longest_delay.value} steps of a synapse; they take {_count(words, 'word')} of "
            f"{_count(cores, 'core')}. Shorter delays, or fewer layers beside a skip, save them."
        )
    if any(connection.delay_bits for each in placed for connection in each.population.inputs):
        notes.append(
            "the record loses spikes that are under way when a sample ends, and a chip delivers them into the next "
            "one: clear what waits between samples, or leave as many steps as the longest delay between them."
        )
    return notes


def _fan_out(found: Placement, populations: Plan) -> list[str]:
    """Say where the output axons would not fit if a neuron took one for each core that listens."""
    cores = {placed.population.name: len(placed.uses) for placed in found.placed}
    notes = []
    for placed in found.placed:
        name = placed.population.name
        use, places = placed.largest, -(-placed.population.places // max(placed.places, 1))
        upper = sum(
            connection.outgoing(use.neurons, places) * cores[population.name]
            for population in populations
            for connection in population.inputs
            if connection.source == name
        )
        if upper > found.limits.axon_map.value:
            notes.append(
                f"layer {name!r}: if a neuron took an output axon for each core that listens, instead of one for each "
                f"connection, a core would need {upper:,} of them, and {found.limits.axon_map.value:,} are there."
            )
    return notes


def _as_dict(placed: Placed) -> dict[str, Any]:
    population = placed.population
    return {
        "name": population.name,
        "kind": population.kind,
        "neurons": population.neurons,
        "cores": len(placed.uses),
        "cores_by_halving": placed.halving,
        "state_words_a_neuron": population.state_words,
        "accumulators_a_neuron": population.accumulators,
        "connections": [
            {
                "from": connection.source,
                "encoding": connection.encoding,
                "weight_bits": connection.bits,
                "delay_bits": connection.delay_bits,
            }
            for connection in population.inputs
        ],
        "on_each_core": [dataclasses.asdict(found) | {"core_words": found.core_words} for found in placed.uses],
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _spoken(limit: str) -> str:
    return {"longest_delay": "steps of delay", "core_words": "words of a core"}.get(limit, limit.replace("_", " "))


__all__ = ["LIMITED", "WHENCE", "Placed", "Placement", "Problem", "place"]
