from oracles import wrapped

RANGES = {"act": "port", "residue": "port"}
WIDE = True  # sums of 32 bits


def sends(p, change):
    change, k = wrapped(change), p.state_exp
    if change == -(2**31) or abs(change) < p.v_th:
        return 0, change
    return (change // 2**k if k >= 0 else wrapped(change * 2**-k)), 0


def step(p, state, x, te):
    sent, residue = sends(p, x - state["act"] + state["residue"])
    return sent, {"act": x, "residue": residue}
