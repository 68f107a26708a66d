"""One step along the sequence of gated layers whose gates are spikes, for CPUs: numba, SIMD over neurons.

The matrix products between steps are torch's. Arrays of a step are (R, 3 D) or (R, D): R samples and spike steps.
"""

from __future__ import annotations

import numpy as np
import torch

from ....contract.compiled.compiling import compiled


@compiled
def _forward_loop(currents, heard, h, before, after):  # type: ignore[no-untyped-def]
    """Write the distances of the three gates from firing to `before`, and the new state to `after`."""
    rows, width = h.shape
    zero, one = np.float32(0), np.float32(1)
    for row in range(rows):
        both, c, a = 2 * width, currents[row], before[row]
        of_gates, new = heard[row], after[row]
        for i in range(both):
            a[i] = c[i] + of_gates[i]
        to, c_n, heard_n = a[both:], c[both:], of_gates[both:]
        for i in range(width):
            to[i] = c_n[i] + (heard_n[i] if a[i] > zero else zero)
        z, old = a[width:both], h[row]
        for i in range(width):
            n = one if to[i] > zero else zero
            new[i] = old[i] if z[i] > zero else n


@compiled
def _backward_loop(grad, carried, before, heard, h, half_width, to_currents, to_heard, kept):  # type: ignore[no-untyped-def]
    """Go back by one step; `kept` is what reaches the state before without passing the gates."""
    rows, width = h.shape
    zero, one = np.float32(0), np.float32(1)
    for row in range(rows):
        both = 2 * width
        a, g, more, old = before[row], grad[row], carried[row], h[row]
        a_r, a_z, a_n, heard_n = a[:width], a[width:both], a[both:], heard[row, both:]
        of_r, of_z, of_n = to_currents[row, :width], to_currents[row, width:both], to_currents[row, both:]
        kept_row, heard_row = kept[row], to_heard[row, both:]
        for i in range(width):
            reached = g[i] + more[i]
            z = one if a_z[i] > zero else zero
            n = one if a_n[i] > zero else zero
            kept_row[i] = reached * z
            of_z[i] = reached * (old[i] - n) if abs(a_z[i]) < half_width else zero
        for i in range(width):
            reached = g[i] + more[i]
            of_n[i] = reached if a_z[i] <= zero and abs(a_n[i]) < half_width else zero
        for i in range(width):
            heard_row[i] = of_n[i] if a_r[i] > zero else zero
            of_r[i] = of_n[i] * heard_n[i] if abs(a_r[i]) < half_width else zero
        gates, copy = to_currents[row], to_heard[row]
        for i in range(both):
            copy[i] = gates[i]


def gated_forward(
    currents: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do as `api.GatedKernels.forward`."""
    length, rows, width = len(currents), currents.shape[1], currents.shape[2] // 3
    states = torch.zeros(length + 1, rows, width)
    before, heard = torch.empty_like(currents), torch.empty_like(currents)
    for step in range(length):
        torch.addmm(bias, states[step], weight.T, out=heard[step])
        arrays = (currents[step], heard[step], states[step], before[step], states[step + 1])
        _forward_loop(*(of.numpy() for of in arrays))
    return states, before, heard


def gated_backward(
    grad: torch.Tensor, weight: torch.Tensor, trace: tuple[torch.Tensor, ...], half_width: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do as `api.GatedKernels.backward`."""
    states, before, heard = trace
    to_currents, to_heard = torch.empty_like(before), torch.empty_like(before)
    carried, kept = torch.zeros_like(states[0]), torch.empty_like(states[0])
    near = np.float32(half_width)
    for step in range(len(before) - 1, -1, -1):
        given = (of[step].numpy() for of in (grad, before, heard, states))
        g, a, of_heard, h = given
        out = (to_currents[step].numpy(), to_heard[step].numpy(), kept.numpy())
        _backward_loop(g, carried.numpy(), a, of_heard, h, near, *out)
        torch.addmm(kept, to_heard[step], weight, out=carried)
    flat = to_heard.flatten(0, 1)
    return to_currents, flat.T @ states[:-1].flatten(0, 1), flat.sum(0)
