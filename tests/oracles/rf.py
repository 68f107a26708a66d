from oracles import clip, shifted, toward_zero


def turned(p, state, x):
    real, imag = state["real"], state["imag"]
    a, b = (shifted(part, p.a_shift) for part in x)
    return (
        clip(toward_zero(p.cos_decay * real, 12) - toward_zero(p.sin_decay * imag, 12) + a),
        clip(toward_zero(p.sin_decay * real, 12) + toward_zero(p.cos_decay * imag, 12) + b),
    )


def step(p, state, x, te):
    real, imag = turned(p, state, x)
    fires = int(real >= p.v_th_mant * 64 and state["imag"] < 0 <= imag)
    return fires * real if p.graded else fires, {"real": real, "imag": imag}
