from oracles.rf import turned


def step(p, state, x, te):
    real, imag = turned(p, state, x)
    fires = int(imag >= p.v_th_mant * 64)
    after = (0, p.v_th_mant * 64 - 1) if fires else (real, imag)
    return fires * imag if p.graded else fires, dict(zip(("real", "imag"), after, strict=True))
