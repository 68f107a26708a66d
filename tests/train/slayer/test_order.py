"""Sums over events in the order of torch's product: the same float32 numbers, bit for bit, or none."""

import importlib

import numpy as np
import pytest
import torch

import spikeproof
from spikeproof.lava_procs import compat
from spikeproof.train.slayer.fused import events, order, products
from spikeproof.train.slayer.fused.loops import cuba
from spikeproof.train.slayer.fused.loops import products as loops

if compat.available().lava_dl is None:
    pytest.skip("lava-dl is not installed", allow_module_level=True)
compat.apply()
block = importlib.import_module("lava.lib.dl.slayer").block.cuba
slayer = importlib.import_module("lava.lib.dl.slayer")

SIZES = [(4, 64, 300, 40), (2, 33, 257, 17), (3, 16, 64, 50), (2, 300, 700, 30), (5, 70, 512, 20), (1, 9, 600, 11)]


def behind_dropout(samples, senders, steps, density, seed=0, share=0.05):
    generator = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(samples, senders, steps, generator=generator) < density).float()
    return spikes * torch.nn.functional.dropout(torch.ones(samples, senders, 1), share)


def added_up(x, weight, length):
    seen = events.find(x, 1.0)
    rows, found = np.ascontiguousarray(weight.numpy().T), []
    for starts in seen.starts:
        z = np.empty((x.shape[-1], len(weight)), np.float32)
        loops.forward_in_order(starts, seen.senders, seen.values, (rows, np.float32(1)), length, np.empty_like(z[0]), z)
        found.append(z.T)
    return np.stack(found)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("density", [0.02, 0.3])
def test_sums_over_events_are_torchs_product(size, density):
    samples, neurons, senders, steps = size
    x, weight = behind_dropout(samples, senders, steps, density), torch.randn(neurons, senders) / 7
    length = order.block(weight, x.shape, events.find(x, 1.0))
    theirs = order.product(weight, x).reshape(samples, neurons, steps).numpy()
    assert length, "torch adds up in another order here, so that its product runs: slower, and not wrong"

    assert np.array_equal(added_up(x, weight, length), theirs)
    if density == 0.3:
        assert not np.array_equal(added_up(x, weight, max(length // 3, 1)), theirs)  # so the order does matter


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e-12, 1e12])
def test_what_might_round_otherwise_is_left_to_torch(wrong):
    x, weight = behind_dropout(2, 64, 20, 0.1), torch.randn(8, 64)
    assert order.block(weight, x.shape, events.find(x, 1.0))
    worse = weight.clone()
    worse[3, 5] = wrong
    assert order.block(worse, x.shape, events.find(x, 1.0)) == 0
    if np.isfinite(wrong):
        x[1, 2, 3] = wrong
        assert order.block(weight, x.shape, events.find(x, 1.0)) == 0


def test_an_unknown_order_is_left_to_torch(monkeypatch):
    monkeypatch.setattr(order, "_adds_up", lambda *_: False)
    order._block.cache_clear()
    try:
        assert order._block(2, 64, 700, 30, torch.get_num_threads()) == 0
    finally:
        order._block.cache_clear()


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("delay", [False, True])
def test_layers_behind_a_dropout_add_up_events(monkeypatch, delay):
    called = []
    monkeypatch.setattr(products, "densest_sums", lambda senders, neurons: 1.0)
    monkeypatch.setattr(cuba, "scan_in_order", lambda *args, real=cuba.scan_in_order: (called.append(1), real(*args)))
    params = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.03, "dropout": slayer.neuron.Dropout(p=0.2)}
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        block.Dense(params, 40, 300, weight_norm=True, weight_scale=4, delay=delay),
        block.Dense(params, 300, 70, weight_norm=True, weight_scale=4, delay=delay),
        block.Dense(params, 70, 10, weight_norm=True, weight_scale=4),
    )
    net(torch.zeros(1, 40, 50))  # draws the delays
    for seed in range(6):
        x = (torch.rand(3, 40, 50) < 0.2).float()
        torch.manual_seed(seed)
        stock = net(x)
        torch.manual_seed(seed)
        with spikeproof.accelerate():
            ours = net(x)
        assert torch.equal(ours, stock) and stock.any()
    assert len(called) >= 2 * 6
