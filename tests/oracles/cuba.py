from oracles.leaky_integrator import RANGES, WIDE, integrated

__all__ = ["RANGES", "WIDE", "step"]


def step(p, state, x, te):
    u, v = integrated(p, state, x)
    fires = int(v > p.v_th_mant * 64)
    return fires * v if p.graded else fires, {"u": u, "v": 0 if fires else v}
