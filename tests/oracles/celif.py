from oracles import clip, decayed, toward_zero


def step(p, state, x, te):
    h = clip(decayed(state["h"], p.th_decay) + toward_zero(state["v"] * te, p.te_exp))
    current = x * 2**p.a_shift + p.bias_mant * 2**p.bias_exp
    v = clip(decayed(0 if state["s"] else state["v"], p.v_decay) + current)
    theta = clip(p.v_th_mant * 64 + h)
    fires = int(v > theta)
    return fires, {"v": v, "h": h, "s": fires, "theta": theta}
