from oracles.alif import relaxed
from oracles.rf import turned


def step(p, state, x, te):
    (real, imag), (theta, r) = turned(p, state, x), relaxed(p, state)
    fires = int(imag >= theta + r)
    sent = fires * imag if p.graded else fires
    return sent, {"real": real, "imag": imag, "theta": theta, "r": r, "s": fires}
