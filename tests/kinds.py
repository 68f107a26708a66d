"""Networks of every kind of neuron, from what the kinds declare; the parts that a kind has, and golden vectors.

``python tests/kinds.py`` writes docs/neurons.md's table and tests/golden again.
"""

import json
import re
from pathlib import Path

import numpy as np
import oracles

from spikeproof.contract.fields import declared
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
TABLE = "<!-- kinds -->"
N, STEPS = 4, 24


def example(kind, num_neurons=N, **changes):
    """Neurons whose parameters differ a little from one to the next, and that are active in a small network."""
    values = {}
    for name, field in declared(kind).items():
        values[name] = field.example
        if field.each and field.example:  # not all alike
            near = field.example + np.arange(num_neurons) * max(1, field.example // 16)
            values[name] = np.clip(near, field.low, field.high)
    return kind(num_neurons=num_neurons, **values | changes)


def weights(random, *shape):
    """Weights of every size, more of them above 0."""
    return 2 * random.integers(-60, 120, shape)


def network(kind, *, conv=False, seed=0, **changes):
    """A layer of a kind behind the input; those that fire feed a layer of their kind again."""
    random = np.random.default_rng(seed)
    steps, layers, width = STEPS, [], 3
    image = None
    for i in range(2 if kind.fires else 1):
        if conv and i == 0:
            image = (kind.sums, 2, 2)
            synapse = Conv(weight=weights(random, kind.sums, 1, 1, 2), in_shape=(1, 2, 3), stride=(1, 1))
            n, width = 4, 6
        else:
            n = N
            synapse = Dense(weight=weights(random, n * kind.sums, layers[-1].num_neurons if layers else width))
        layers.append(
            Layer(
                name=f"l{i}",
                synapse=synapse,
                neuron=example(kind, n, **changes) if not image or i else example_image(kind, n, **changes),
            )
        )
    te = random.integers(-128, 128, (steps, N)) if kind.takes_te else None
    return Net(inputs=(Input(num_channels=width),), layers=tuple(layers), steps=steps, te=te)


def example_image(kind, num_neurons, **changes):
    """Neurons of one channel, which share their parameters."""
    values = {name: field.example for name, field in declared(kind).items()}
    return kind(num_neurons=num_neurons, **values | changes)


def payload(net, samples=3, seed=1):
    """Unary input, busy and silent by turns."""
    random = np.random.default_rng(seed)
    busy = random.random((samples, 1, net.steps)) < 0.8
    return (busy & (random.random((samples, net.input.num_channels, net.steps)) < 0.6)).astype(np.int32)


def vector(kind, seed=0):
    """A golden vector: a layer's parameters, its sums, and what its oracle makes of them."""
    random = np.random.default_rng([seed, len(kind.__name__)])
    params = example(kind)
    x = 2 * random.integers(-60, 120, (STEPS, kind.sums * N)) * (random.random((STEPS, kind.sums * N)) < 0.6)
    te = random.integers(-128, 128, (STEPS, N)) if kind.takes_te else None
    sent, registers = oracles.run(params, x, te)
    values = {name: np.asarray(getattr(params, name)).tolist() for name in declared(kind)}
    return {
        "kind": kind.__name__,
        "parameters": {"num_neurons": N, **values},
        "sums": x.tolist(),
        **({} if te is None else {"te": te.tolist()}),
        "sent": sent,
        "registers": registers,
    }


def text(vector):
    """A golden vector as JSON with a time step a line, so that a change can be read."""
    lines = json.dumps(vector, indent=1)
    numbers = re.compile(r"\[\s*((?:-?\d+,\s*)*-?\d+)\s*\]")
    return numbers.sub(lambda found: f"[{' '.join(found[1].split())}]", lines) + "\n"


def parts():
    """The optional parts of every kind: name of the part -> kinds that have it."""
    from spikeproof.export.nir import graph
    from spikeproof.export.slayer import registers
    from spikeproof.lava_procs import neurons
    from spikeproof.sim.engine import neurons as engine
    from spikeproof.sim.verify import float_twin

    return {
        "compiled engine loop": set(engine.COMPILED),
        "Lava's own neuron": set(neurons._STOCK),
        "standard NIR node": set(graph._NEURONS),
        "SLAYER neuron": set(registers._DYNAMICS),
        "block of ours": {KINDS["CELIF"], KINDS["CUBA"], KINDS["Readout"]},
        "float twin": {kind for kind in KINDS.values() if float_twin.has_twin(example(kind))},
        "weights diagnosed": {kind for kind in KINDS.values() if kind.charged},
        "cost in papers' counting": {kind for kind in KINDS.values() if kind.multiplications is not None},
    }


def sent(kind):
    """What a kind sends, in words."""
    if not kind.fires:
        return "nothing"
    if hasattr(example(kind), "graded"):
        return "spikes, or payloads"
    return "spikes" if example(kind).max_payload == 1 else "payloads"


def table():
    """The kinds and their parts as a table for the documentation."""
    found = parts()
    head = ["kind", "registers", "sends", "in a NetX file", *found]
    rows = [head, ["---"] * len(head)]
    for name, kind in sorted(KINDS.items()):
        sends = sent(kind)
        rows.append(
            [
                f"[{name}](../{'/'.join(kind.__module__.split('.')[1:])}.py)",
                ", ".join(f"`{register}`" for register in kind.registers),
                sends,
                ", ".join(f"`{layout.type}`" for layout in kind.layouts),
                *("yes" if kind in those else "" for those in found.values()),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main():
    """Write what is made of the registry."""
    for name, kind in KINDS.items():
        (GOLDEN / f"{name}.json").write_text(text(vector(kind)))
    page = ROOT / "docs" / "neurons.md"
    before, _, rest = page.read_text().partition(TABLE)
    _, _, after = rest.partition(TABLE)
    page.write_text(f"{before}{TABLE}\n{table()}\n{TABLE}{after}")


if __name__ == "__main__":
    main()
