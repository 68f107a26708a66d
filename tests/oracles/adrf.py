from oracles.alif import relaxed
from oracles.rf import turned


def step(p, state, x, te):
    (real, imag), (theta, r) = turned(p, state, x), relaxed(p, state)
    fires = int(real >= theta + r and state["imag"] < 0 <= imag)
    sent = fires * real if p.graded else fires
    return sent, {"real": real, "imag": imag, "theta": theta, "r": r, "s": fires}
