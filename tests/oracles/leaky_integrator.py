from oracles import clip, decayed, shifted, wrapped

RANGES = {"u": "currents"}
WIDE = True  # sums of 32 bits


def integrated(p, state, x):
    u = wrapped(decayed(state["u"], p.u_decay) + shifted(x, p.a_shift))
    u = u - 2**24 if u > 2**23 else u + 2**24 if u <= -(2**23) else u
    return u, clip(decayed(state["v"], p.v_decay) + shifted(u + p.bias_mant * 64, p.u_shift))


def step(p, state, x, te):
    u, v = integrated(p, state, x)
    return 0, {"u": u, "v": v}
