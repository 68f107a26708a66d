"""Every neuron's equations once more, for one neuron, in Python's own integers, which neither wrap nor round.

A module here belongs to the kind of neuron of the same module name in `spikeproof.contract.neurons`. It has
``step(p, state, x, te)``: `p` has the parameters of one neuron, `state` its registers by name, `x` is its sum, or the
pair of a complex neuron's, and `te` its temporal encoding or None. It returns what the neuron sends and the new
registers. ``RANGES`` names the strategy (`strategies`) that draws a register, where it is not the symmetric 24 bits.
"""

import importlib

from spikeproof.contract.neurons import KINDS


def toward_zero(x, k):
    """Shift right by k bits, rounding toward zero."""
    return abs(x) // 2**k * (1 if x >= 0 else -1)


def clip(x):
    """Saturate at 24 bits, symmetrically."""
    return max(-(2**23 - 1), min(2**23 - 1, x))


def shifted(x, k):
    """Shift left by k bits, or right toward zero."""
    return x * 2**k if k >= 0 else toward_zero(x, -k)


def wrapped(x):
    """Wrap at 32 bits."""
    return (x + 2**31) % 2**32 - 2**31


def decayed(x, lost):
    """Take away a part in 4096ths, rounding toward zero."""
    return toward_zero(x * (4096 - lost), 12)


def of(kind):
    """Return the oracle of a kind of neuron."""
    name = kind.__module__.rpartition(".")[2]
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AssertionError(
            f"{kind.__name__} has no oracle. Write its equations once more in tests/oracles/{name}.py, in Python's own "
            "integers, as the other files there do."
        ) from None


def run(params, x, te=None):
    """Run a layer over one sample by its oracle, neuron by neuron.

    `x` is (steps, sums), `te` (steps, n) or None. Returns what was sent and every register, each (steps, n).
    """
    oracle, n = of(type(params)), params.num_neurons
    assert type(params) in KINDS.values()
    initial = {name: array.tolist() for name, array in params.reset()._asdict().items()}
    sent, registers = [], []
    states = [{name: values[i] for name, values in initial.items()} for i in range(n)]
    for t in range(len(x)):
        row = [int(value) for value in x[t]]
        sums = list(zip(row[:n], row[n:], strict=True)) if params.sums == 2 else row
        made = [
            oracle.step(one(params, i), states[i], sums[i], None if te is None else int(te[t][i])) for i in range(n)
        ]
        sent.append([spike for spike, _ in made])
        states = [state for _, state in made]
        registers.append(states)
    return sent, {name: [[state[name] for state in row] for row in registers] for name in registers[0][0]}


class One:
    """The parameters of one neuron of a layer."""

    def __init__(self, values):
        self.__dict__ |= values


def one(params, i):
    """Return the parameters of neuron i, as Python's integers."""
    return One({name: int(value if isinstance(value, int) else value[i]) for name, value in vars(params).items()})
