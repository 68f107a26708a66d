from oracles import clip, decayed, shifted


def relaxed(p, state):
    rest, theta, r = p.v_th_mant * 64, state["theta"], state["r"]
    raised = clip(theta + p.v_th_step * 64) if state["s"] else theta
    refractory = decayed(clip(r + 2 * theta) if state["s"] else r, p.ref_decay)
    return clip(rest + decayed(raised - rest, p.th_decay)), refractory


def step(p, state, x, te):
    u = clip(decayed(state["u"], p.u_decay) + shifted(x, p.a_shift))
    v = clip(decayed(state["v"], p.v_decay) + u)
    theta, r = relaxed(p, state)
    fires = int(v >= theta + r)
    return fires * v if p.graded else fires, {"u": u, "v": v, "theta": theta, "r": r, "s": fires}
