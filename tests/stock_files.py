"""Small files in the format of stock lava-dl."""

import h5py
import numpy as np


def write(path, layers, **members):
    """Write a file as stock lava-dl does; values of a layer by their path in its group."""
    with h5py.File(path, "w") as file:
        for i, fields in enumerate(layers):
            group = file.create_group(f"layer/{i}")
            for name, value in fields.items():
                text = name.endswith(("type", "activation"))
                group[name] = np.array([value.encode()]) if text else value
        for name, value in members.items():
            file[name] = value
    return path


DENSE = {
    "type": "dense",
    "shape": [2],
    "weight": np.array([[2.0, -4.0, 6.0], [8.0, 10.0, -12.0]]),
    **{"neuron/type": "CUBA", "neuron/iDecay": 1024, "neuron/vDecay": 128, "neuron/vThMant": 80},
    **{"neuron/refDelay": 1, "neuron/gradedSpike": False},
}
CONV = DENSE | {
    "type": "conv",
    "shape": [2, 2, 2],
    "weight": np.full((2, 1, 3, 3), 2.0),
    **{"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1},
}
INPUT = {"type": "input", "shape": [3]}
