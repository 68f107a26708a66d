"""Mutate network files of every kind of layer and load them, and see what memory and time it takes; for test_fuzz.py.

    python fuzz.py FOLDER COUNT SEED

The last line is JSON: how many files were loaded and refused, and the first of those that ended otherwise.
"""

import json
import resource
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from spikeproof.contract import neurons
from spikeproof.contract.adrf import ADRF
from spikeproof.contract.adrf_iz import ADRFIZ
from spikeproof.contract.alif import ALIF
from spikeproof.contract.axon import Axon
from spikeproof.contract.celif import CELIF
from spikeproof.contract.conv import Conv
from spikeproof.contract.cpg import Phase
from spikeproof.contract.cuba import CUBA
from spikeproof.contract.delta import Delta
from spikeproof.contract.errors import SpikeproofError
from spikeproof.contract.membrane import Membrane
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.readout import Readout
from spikeproof.contract.rf import RF
from spikeproof.contract.rf_iz import RFIZ
from spikeproof.contract.sigma_delta import SigmaDelta
from spikeproof.contract.synapse import Dense
from spikeproof.export import formats, netx
from spikeproof.export.lint.check import lint

sys.path.append(str(Path(__file__).parents[1]))
from stock_files import CONV, DENSE, INPUT, write

MEMORY, SECONDS = 256 * 2**20, 10
N = 4

ROTATION = {"sin_decay": [100, 2000, 3000, 77], "cos_decay": 3000, "v_th_mant": 30}
ADAPTS = {"th_decay": 400, "ref_decay": [1, 2, 3, 4000], "v_th_mant": 30, "v_th_step": 7}
KINDS = {
    CELIF: {"v_decay": 2048, "th_decay": 41, "v_th_mant": 19, "te_exp": 9},
    CUBA: {"u_decay": 1000, "v_decay": [1, 2, 3, 4], "v_th_mant": 40, "bias_mant": [1, -2, 3, 0]},
    Membrane: {"u_decay": 1000, "v_decay": [1, 2, 3, 4], "u_shift": -2},
    Readout: {"bias_mant": [1, -2, 3, 0], "v_decay": 9},
    ALIF: {"u_decay": 1000, "v_decay": 100, **ADAPTS},
    ADRF: ROTATION | ADAPTS,
    ADRFIZ: ROTATION | ADAPTS,
    RF: ROTATION,
    RFIZ: ROTATION | {"graded": 1},
    SigmaDelta: {"v_th": [64, 0, 7, 4096], "bias": 5},
    Delta: {"v_th": [64, 0, 7, 4096], "state_exp": -1},
}
assert set(KINDS) == set(neurons.RULES), "a kind of neuron that is not fuzzed"


def good(random):
    """Networks of one layer of each kind, and some with images, delays, feedback and oscillators."""
    for kind, params in KINDS.items():
        rule = neurons.RULES[kind]
        sums = N * rule.sums

        def weights(*shape):
            return 2 * random.integers(-128, 128, shape)

        neuron = kind(num_neurons=N, **params)
        axon = Axon(delay=[1, 2, 5, 1]) if rule.fires else None
        te = random.integers(-128, 128, (6, N)) if kind is CELIF else None
        unary = rule.fires and neurons.max_payload(neuron) == 1
        cpg = Phase(num_neurons=2, increment=[5, 2**20], start=0, length=2**22)
        yield Net(
            input=Input(num_channels=3),
            layers=(
                Layer(
                    name="dense1", synapse=Dense(weight=weights(sums, 5)), neuron=neuron, cpg=cpg, axon=axon,
                    feedback=Dense(weight=weights(sums, N)) if unary else None,
                ),
            ),
            steps=6, te=te,
        )  # fmt: skip
        conv = Conv(weight=weights(rule.sums, 2, 2, 2), in_shape=(2, 3, 3), stride=(1, 1))
        yield Net(
            input=Input(num_channels=18, bits=4, exp=-2),
            layers=(Layer(name="conv1", synapse=conv, neuron=kind(num_neurons=4, **params)),), steps=6, te=te,
        )  # fmt: skip


def of_stock(path):
    """Write files as stock lava-dl does, and yield after each."""
    complex_weights = {key: value for key, value in DENSE.items() if key != "weight"} | {
        "weight/real": DENSE["weight"], "weight/imag": DENSE["weight"], "neuron/type": "RF_PHASE",
        "neuron/sinDecay": 2000, "neuron/cosDecay": 3000,
    }  # fmt: skip
    resonator = {key: value for key, value in complex_weights.items() if key.rpartition("/")[2] not in UNKNOWN_TO_RF}
    square = np.full((2, 2), 4.0)
    for layers in (
        [INPUT, DENSE, DENSE | {"weight": square, "delay": [3.0, 0.0], "bias": [2.0, -4.0]}],
        [{"type": "input", "shape": [1, 4, 4]}, CONV, {"type": "flatten", "shape": [8]}, STOCK_LAST],
        [INPUT, DENSE | {"type": "dense_rec", "weight_rec": square}, {"type": "average", "shape": [1]}],
        [DENSE | {"type": "input", "shape": [3], "weight": 36.0}, resonator],
    ):
        yield write(path, layers, **{"simulation/tSample": 16})


UNKNOWN_TO_RF = ("iDecay", "vDecay", "refDelay")
STOCK_LAST = {"type": "dense", "shape": [2], "weight": np.full((2, 8), 4.0)}


def everything(file):
    """The names of all groups and datasets of a file."""
    names = []
    file.visit(names.append)
    return names


def bytes_changed(path, random):
    """Flip bits, cut the end off, or blank a stretch."""
    content = bytearray(path.read_bytes())
    way = random.integers(3)
    if way == 0:
        for place in random.integers(len(content), size=random.integers(1, 9)):
            content[place] ^= 1 << random.integers(8)
    elif way == 1:
        del content[random.integers(len(content)) :]
    else:
        begin = random.integers(len(content))
        content[begin : begin + 40] = random.bytes(len(content[begin : begin + 40]))
    path.write_bytes(content)
    return ("bit flips", "truncation", "noise")[way]


VALUES = (
    lambda random: np.float64(random.choice([np.nan, np.inf, 0.5, -1e300])),
    lambda random: random.integers(-(2**40), 2**40, random.integers(0, 4, random.integers(0, 4))),
    lambda random: np.array([b"text"]),
    lambda random: "text",
    lambda random: h5py.Empty("f4"),
    lambda random: np.zeros(3, [("a", "i4"), ("b", "f8")]),
    lambda random: np.ones((2, 2), np.complex128),
    lambda random: np.zeros((1,) * int(random.integers(1, 30)), np.int8),
)
LINKS = (
    lambda random, names: h5py.SoftLink("/" + str(random.choice(names))),
    lambda random, names: h5py.SoftLink("/nowhere"),
    lambda random, names: h5py.ExternalLink("elsewhere.h5", "/a"),
    lambda random, names: h5py.ExternalLink("/etc/passwd", "/"),
)


def structure_changed(path, random):
    """Change a dataset's type and shape, claim a huge one, drop or add one, or make a link of one."""
    with h5py.File(path, "r+") as file:
        names = everything(file)
        name, way = str(random.choice(names)), random.integers(6)
        if way == 0:
            del file[name]
        elif way == 1:
            file[f"{name.rpartition('/')[0]}/more"] = VALUES[random.integers(len(VALUES))](random)
        elif way == 2:
            del file[name]
            file[name] = VALUES[random.integers(len(VALUES))](random)
        elif way == 3:
            del file[name]
            shape = (int(2 ** random.integers(20, 45)), int(random.integers(1, 4)))
            file.create_dataset(name, shape, random.choice(["i1", "i4", "f8"]), chunks=(1024, 1))
        elif way == 4:
            del file[name]
            file[name] = LINKS[random.integers(len(LINKS))](random, names)
        else:
            attribute = random.choice([*file.attrs.keys(), "other"])
            file.attrs[attribute] = VALUES[random.integers(5)](random)
    return ("missing field", "extra field", "wrong type", "huge size", "link", "attribute")[way]


def peak():
    """The most memory that this process ever had, in bytes, untouched pages among it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmPeak:"))


def late(*_):
    raise TimeoutError(f"no end after {SECONDS} s")


def main(folder, count, seed):
    random = np.random.default_rng(seed)
    path, whole = folder / "net.net", []
    for net in good(random):
        netx.write(net, path)
        assert formats.load(path) == net
        whole.append(path.read_bytes())
    for _ in of_stock(path):
        assert lint(path) is not None
        whole.append(path.read_bytes())
    most = peak() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most + 2**32, most + 2**32))  # for the machine's sake
    signal.signal(signal.SIGALRM, late)
    ended, ways, wrong = Counter(), Counter(), []
    for i in range(count):
        path.write_bytes(whole[i % len(whole)])
        change = bytes_changed if random.integers(2) else structure_changed
        way = change(path, random)
        ways[way] += 1
        signal.alarm(SECONDS)
        try:
            formats.load(path)
            ended["loaded"] += 1
            lint(path)
        except SpikeproofError as error:
            ended["refused"] += 1
            if "net.net" not in str(error):
                wrong.append(f"{i}, {way}: a refusal that names no file: {error}")
        except BaseException:
            wrong.append(f"{i}, {way}: {traceback.format_exc()[-600:]}")
        finally:
            signal.alarm(0)
        if peak() > most:
            wrong.append(f"{i}, {way}: {(peak() - most + MEMORY) // 2**20} MB were allocated")
            break
    print(json.dumps({"ended": ended, "ways": ways, "wrong": wrong[:5], "count": len(wrong)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
