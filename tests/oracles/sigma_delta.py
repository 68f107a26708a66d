from oracles import wrapped
from oracles.delta import WIDE, sends

__all__ = ["RANGES", "WIDE", "step"]
RANGES = {"sigma": "port", "act": "positive", "residue": "port"}


def step(p, state, x, te):
    sigma = wrapped(state["sigma"] + x)
    act = max(wrapped(sigma + p.bias), 0)
    sent, residue = sends(p, act - state["act"] + state["residue"])
    return sent, {"sigma": sigma, "act": act, "residue": residue}
