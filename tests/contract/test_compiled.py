"""The steps that numba writes into loops are the contract's, and code kept on disk follows a changed step."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from spikeproof.contract.compiled import celif, cuba, registers
from spikeproof.contract.fixed import DECAY_ONE, STATE_MAX, decay, sat24, wrap24, wrap32
from spikeproof.contract.neurons.bases.integrator import IntegratorState
from spikeproof.contract.neurons.celif import CELIF, CELIFState
from spikeproof.contract.neurons.cuba import CUBA

ROOT = Path(__file__).resolve().parents[2]
N = 20_000

clip, decayed, times, wrapped = registers.clip, registers.decay, registers.times, registers.wrap
celif_step, cuba_step = celif.step, cuba.step


@njit
def clips(x):
    return np.array([clip(a) for a in x])


@njit
def decays(x, kept):
    return np.array([decayed(x[i], kept[i]) for i in range(len(x))])


@njit
def products(x, factor):
    found = np.empty_like(x)
    for i in range(len(x)):
        found[i] = times(x[i], factor[i])
    return found


@njit
def wraps(x):
    return np.array([wrapped(a) for a in x])


@njit
def celif_steps(v, h, kept, a, te, keep_v, keep_h, resting):
    found = np.empty((5, len(v)))
    for i in range(len(v)):
        found[:, i] = celif_step(v[i], h[i], kept[i], a[i], te[i], keep_v[i], keep_h[i], resting)
    return found


@njit
def cuba_steps(u, v, a, bias, keep_u, keep_v, threshold):
    found = np.empty((3, len(v)))
    for i in range(len(v)):
        x, y, s = cuba_step(u[i], v[i], a[i], bias[i], keep_u[i], keep_v[i], threshold)
        found[0, i], found[1, i], found[2, i] = x, y, s
    return found


def draw(rng, low, high, *edges):
    """Whole numbers of a range, half of them its ends, what is next to them, and more edges."""
    ends = [x for x in (low, low + 1, -1, 0, 1, high - 1, high, *edges) if low <= x <= high]
    return np.where(rng.random(N) < 0.5, rng.choice(ends, N), rng.integers(low, high, N, endpoint=True))


def test_registers_are_the_contracts():
    rng = np.random.default_rng(0)
    wide = draw(rng, -(2**40), 2**40, STATE_MAX, STATE_MAX + 1, -STATE_MAX, -STATE_MAX - 1)
    port = draw(rng, -(2**31), 2**31 - 1, *(sign * (2**23 + near) for sign in (1, -1) for near in (-1, 0, 1)))
    state, kept = draw(rng, -STATE_MAX - 1, STATE_MAX + 1), draw(rng, 0, DECAY_ONE, 2048, 4055)
    for number, kept_of in ((np.int64, kept), (np.float64, kept / DECAY_ONE)):
        assert np.array_equal(clips(wide.astype(number)), sat24(wide))
        assert np.array_equal(wraps(port.astype(number)), wrap24(port))
        assert np.array_equal(decays(state.astype(number), kept_of), decay(state, DECAY_ONE - kept))
    assert np.array_equal(wraps(wide), wrap24(wrap32(wide)))
    single = np.where(abs(wide) > 2**24, wide.astype(np.float32).astype(np.int64), wide)
    assert np.array_equal(clips(single.astype(np.float32)), sat24(single))
    assert np.array_equal(
        decays(state.astype(np.float32), (kept / DECAY_ONE).astype(np.float32)), decay(state, DECAY_ONE - kept)
    )


@pytest.mark.parametrize("exponent", [0, 3, 9, 12, 23])
def test_products_in_float32_round_toward_zero(exponent):
    """Those of states and encodings, and those just below, at and above a whole number."""
    rng = np.random.default_rng(exponent)
    x, te = draw(rng, -STATE_MAX, STATE_MAX), draw(rng, -128, 127)
    near = np.clip(
        (rng.integers(1, 127, N) << exponent) // np.where(te, te, 1) + rng.integers(-1, 2, N), -STATE_MAX, STATE_MAX
    )
    x = np.where(rng.random(N) < 0.5, near, x)
    exact = np.sign(x * te) * (abs(x * te) >> exponent)
    found = products(x.astype(np.float32), (te * 2.0**-exponent).astype(np.float32)).astype(np.int64)
    held = abs(exact) <= 2**24
    assert np.array_equal(found[held], exact[held])
    assert (np.sign(found[~held]) == np.sign(exact[~held])).all() and (abs(found[~held]) >= 2**24).all()
    rounded = np.trunc(x.astype(np.float32) * (te * 2.0**-exponent).astype(np.float32)).astype(np.int64)
    assert exponent in (0, 23) or (rounded != exact)[held].any()  # so the correction was needed


@pytest.mark.parametrize("number", [np.float64, np.float32])
@pytest.mark.parametrize("v_th_mant", [0, 19, 2**17 - 1])
@pytest.mark.parametrize("te_exp", [0, 9, 23])
def test_celif_is_the_contracts(te_exp, v_th_mant, number):
    rng, resting = np.random.default_rng(te_exp), v_th_mant * 64
    v, h, x = draw(rng, -STATE_MAX, STATE_MAX), draw(rng, -STATE_MAX, STATE_MAX), draw(rng, -(2**49), 2**49, resting)
    x = x.astype(number).astype(np.int64)  # a loop in float32 reads currents of float32
    s, te, v_decay, th_decay = draw(rng, 0, 1), draw(rng, -128, 127), draw(rng, 0, 4096, 4096), draw(rng, 0, 4096, 4096)
    near = rng.random(N) < 0.3  # where nothing is left of before, the membrane meets the threshold
    x[near], v_decay[near], th_decay[near], te[near] = resting + rng.integers(-1, 2, near.sum()), 4096, 4096, 0
    params = CELIF(num_neurons=N, v_decay=v_decay, th_decay=th_decay, v_th_mant=v_th_mant, te_exp=te_exp, a_shift=0)

    factors = te * 2.0**-te_exp, 1 - v_decay / 4096, 1 - th_decay / 4096
    v_then, h_then, kept, theta, fired = celif_steps(
        *(y.astype(number) for y in (v, h, v * (1 - s), x, *factors)), number(resting)
    )

    spikes, after = params.step(CELIFState(v, h, s), x, te)
    assert (after.v == params.threshold(after.h)).any() and 0 < spikes.sum() < N
    for got, wanted in ((v_then, after.v), (h_then, after.h), (theta, params.threshold(after.h)), (fired, spikes)):
        assert np.array_equal(got, wanted)
    assert np.array_equal(kept, after.v * (1 - spikes))


@pytest.mark.parametrize("number", [np.float64, np.int64])
@pytest.mark.parametrize("v_th_mant", [0, 19, 2**17 - 1])
def test_cuba_is_the_contracts(v_th_mant, number):
    rng = np.random.default_rng(v_th_mant)
    u, v, bias = draw(rng, -STATE_MAX, STATE_MAX + 1), draw(rng, -STATE_MAX, STATE_MAX), draw(rng, -4096, 4095)
    x = draw(rng, -(2**18), 2**18, 2**17, -(2**17)) if number is np.float64 else draw(rng, 1 - 2**31, 2**31 - 1, 2**25)
    u_decay, v_decay = draw(rng, 0, 4096, 4096), draw(rng, 0, 4096, 4096)
    near = rng.random(N) < 0.3
    u_decay[near], v_decay[near], bias[near] = 4096, 4096, 0
    x[near] = v_th_mant + rng.integers(-1, 2, near.sum())
    params = CUBA(num_neurons=N, u_decay=u_decay, v_decay=v_decay, v_th_mant=v_th_mant, bias_mant=bias)

    keeps = [4096 - lost for lost in (u_decay, v_decay)]
    keeps = [kept / 4096 for kept in keeps] if number is np.float64 else keeps
    got = cuba_steps(*(y.astype(number) for y in (u, v, x << 6, bias << 6)), *keeps, number(v_th_mant << 6))

    spikes, after = params.step(IntegratorState(u, v), x)
    assert 0 < spikes.sum() < N
    for ours, wanted in zip(got, (after.u, after.v, spikes), strict=True):
        assert np.array_equal(ours, wanted)


LOOP = """
import numpy as np
from spikeproof.contract.compiled.compiling import compiled
from spikeproof.contract.compiled.registers import clip

@compiled
def loop(x):
    for i in range(len(x)):
        x[i] = clip(x[i])

x = np.array([2.0**30, 5.0])
loop(x)
print(x.tolist(), len(loop.stats.cache_hits))
"""


def test_code_kept_on_disk_follows_a_changed_step(tmp_path):
    """Numba alone would take the loop, whose file is the same, from the disk with the old step in it."""
    package = tmp_path / "spikeproof"
    shutil.copytree(ROOT / "contract", package / "contract", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").touch()
    (tmp_path / "loop.py").write_text(LOOP)

    def run():
        return subprocess.check_output([sys.executable, "loop.py"], text=True, cwd=tmp_path).strip()

    assert run() == f"[{float(STATE_MAX)}, 5.0] 0"
    assert run() == f"[{float(STATE_MAX)}, 5.0] 1"
    step = package / "contract" / "compiled" / "registers.py"
    step.write_text(step.read_text().replace("    top = alike(STATE_MAX, x)\n", "    top = alike(4, x)\n"))
    assert run() == "[4.0, 4.0] 0"


def test_contract_needs_numpy_alone():
    """Every module but the compiled steps imports without numba, and those say how to get it."""
    code = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['numba'] = None\n"
        "from spikeproof import contract\n"
        "from spikeproof.contract.errors import MissingDependencyError\n"
        "names = [one.name for one in pkgutil.walk_packages(contract.__path__, 'spikeproof.contract.')]\n"
        "for name in names:\n"
        "    if '.compiled.' not in name:\n"
        "        importlib.import_module(name)\n"
        "print(len(names) > 20, 'torch' in sys.modules)\n"
        "try:\n"
        "    import spikeproof.contract.compiled.celif\n"
        "except MissingDependencyError as error:\n"
        "    print(error)\n"
    )
    first, second = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT.parent).splitlines()
    assert first == "True False"
    assert second.endswith("Install it with: pip install numba") and "batch engine" in second
