"""Archived Lava imports and computes right on this interpreter.

Lava patches nothing back and may hang, so whatever imports or runs it does so in a fresh interpreter with a
deadline, warnings being errors there too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikeproof.contract.errors import MissingDependencyError
from spikeproof.lava_procs import compat

NEEDS_DATACLASS_PATCH = sys.version_info >= (3, 11)
NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2])

needs_lava = pytest.mark.skipif(compat.available().lava_nc is None, reason="lava-nc is not installed")
needs_slayer = pytest.mark.skipif(
    compat.available().lava_dl is None or importlib.util.find_spec("torch") is None,
    reason="lava-dl or torch is not installed",
)
needs_no_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is not None and importlib.util.find_spec("cv2") is not None,
    reason="torchvision and OpenCV are installed, so nothing stands in for them",
)


# networkx 2.8.7, the newest that lava-nc allows on Python 3.10, looks for pandas and warns without it.
STRICT = ("-W", "error", "-W", "ignore::ImportWarning:networkx.convert")


def run_fresh(folder: Path, code: str, *arguments: str, deadline: int = 120) -> Any:
    """Run `code` in a new interpreter, warnings being errors; return what its last line says in JSON."""
    process = subprocess.Popen(
        [sys.executable, *STRICT, "-c", textwrap.dedent(code), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        # The leader is not reaped yet, so its number is still the number of its own group.
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"no end after {deadline} s\n{out}\n{err}")
    assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
    return json.loads(out.splitlines()[-1])


# Without Lava


def test_importing_compat_loads_neither_lava_nor_torch(tmp_path: Path) -> None:
    loaded = run_fresh(
        tmp_path,
        """
        import json, sys
        from spikeproof.lava_procs import compat
        compat.available()
        print(json.dumps(sorted(name for name in sys.modules if name.startswith(("lava.", "torch")))))
        """,
    )
    assert loaded == []


def test_missing_lava_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_is_installed", lambda name: False)
    with pytest.raises(MissingDependencyError, match=r"Lava is not installed\. .*pip install .*lava-nc==0\.10\.0"):
        compat.apply()
    assert ("--ignore-requires-python" in compat.INSTALL_LAVA) == NEEDS_DATACLASS_PATCH


def test_a_module_that_lava_imports_and_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_is_installed", lambda name: name != "asteval")
    with pytest.raises(MissingDependencyError, match=r"imports asteval, .*pip install asteval"):
        compat.apply()
    assert compat.available().missing == ("asteval",)


def test_another_release_of_lava_is_refused() -> None:
    with pytest.raises(MissingDependencyError, match=r"differs from that of release 0\.10\.0 .*0 times"):
        compat._hashable_encoder("class Other: ...")


def test_the_stand_in_names_the_mend_and_bears_introspection() -> None:
    stand_in = compat._StandIn("some.part")
    with pytest.raises(
        MissingDependencyError, match=r"some\.part\.YOLOLoss needs torchvision .*pip install torchvision"
    ):
        _ = stand_in.YOLOLoss
    assert not hasattr(stand_in, "__warningregistry__")


def test_available_tells_in_words_what_this_interpreter_needs() -> None:
    facts = compat.available()
    words = "\n".join(facts.needed)
    assert ("var_model" in words) == NEEDS_DATACLASS_PATCH
    assert ("ports.ports" in words) == (NUMPY >= (2, 1))
    assert "conv.utils" in words
    assert ("adrf_iz" in words) == (facts.lava_dl is not None)


# Lava imported, not run


@needs_lava
@needs_slayer
def test_an_adrf_iz_neuron_has_a_forward_pass(tmp_path: Path) -> None:
    meant, spikes = run_fresh(
        tmp_path,
        """
        import json, torch
        from spikeproof.lava_procs import compat
        compat.apply()
        from lava.lib.dl import slayer
        params = {"threshold": 0.5, "threshold_step": 0.1, "period": 8, "decay": 0.1,
                  "threshold_decay": 0.1, "refractory_decay": 0.1}
        neuron = slayer.neuron.adrf_iz.Neuron(**params)
        real, imag = torch.zeros(1, 1, 3), torch.tensor([[[0.0, 1.0, 0.0]]])
        print(json.dumps([neuron.spike(*neuron.dynamics((real, imag))).tolist(), neuron((real, imag)).tolist()]))
        """,
    )
    assert meant == spikes == [[[0.0, 1.0, 0.0]]]


@needs_lava
def test_lava_imports_without_a_warning(tmp_path: Path) -> None:
    facts = run_fresh(
        tmp_path,
        """
        import json, sys
        from spikeproof.lava_procs import compat
        before = compat.available()
        compat.apply()
        import lava.proc.lif.models, lava.proc.dense.models, lava.proc.conv.models
        import lava.proc.io.source, lava.proc.io.sink, lava.proc.monitor.models
        import lava.magma.core.run_configs, lava.magma.runtime.runtime
        print(json.dumps([before.applied, before.needed, compat.available().applied]))
        """,
    )
    before, needed, after = facts
    assert before == []
    assert set(needed) <= set(after)


@needs_lava
def test_apply_twice_is_harmless(tmp_path: Path) -> None:
    first, second, wrapped = run_fresh(
        tmp_path,
        """
        import json, sys
        from spikeproof.lava_procs import compat
        compat.apply()
        first = len(sys.meta_path)
        import lava.proc.lif.process, lava.proc.conv.utils as utils
        conv = utils.conv
        compat.apply()
        print(json.dumps([first, len(sys.meta_path), utils.conv is not conv]))
        """,
    )
    assert first == second
    assert not wrapped


@needs_lava
@pytest.mark.skipif(not NEEDS_DATACLASS_PATCH, reason="Python 3.10 does not refuse these defaults")
def test_only_lavas_own_dataclasses_are_spared(tmp_path: Path) -> None:
    """Stock Lava is refused here; with apply it is not, and another module's mutable default still is."""
    refusals, same, loader = run_fresh(
        tmp_path,
        """
        import dataclasses, json
        stock, refusals = dataclasses.dataclass, []
        try:
            import lava.magma.compiler.var_model
        except ValueError as error:
            refusals.append(str(error))
        from spikeproof.lava_procs import compat
        compat.apply()
        import lava.magma.compiler.var_model as var_model
        @dataclasses.dataclass
        class Mutable:
            value: int = 0
        try:
            @dataclasses.dataclass
            class Holder:
                held: Mutable = Mutable()
        except ValueError as error:
            refusals.append(str(error))
        print(json.dumps([refusals, dataclasses.dataclass is stock, type(var_model.__loader__).__module__]))
        """,
    )
    assert ["ByteEncoder" in refusals[0], "Mutable" in refusals[1], len(refusals)] == [True, True, 2]
    assert same
    assert loader == "spikeproof.lava_procs.compat"


@needs_lava
@pytest.mark.skipif(NEEDS_DATACLASS_PATCH, reason="about Python 3.10")
def test_nothing_is_patched_on_python_3_10(tmp_path: Path) -> None:
    loaders, needed = run_fresh(
        tmp_path,
        """
        import json, sys
        from spikeproof.lava_procs import compat
        compat.apply()
        import lava.proc.conv.models, lava.proc.lif.models, lava.magma.runtime.runtime
        names = [patch.module for patch in compat._PATCHES if patch.module in sys.modules and not patch.needed()]
        loaders = sorted({type(sys.modules[name].__loader__).__name__ for name in names})
        print(json.dumps([loaders, compat.available().needed]))
        """,
    )
    assert loaders == ["SourceFileLoader"]
    assert all("conv.utils" in one or "adrf_iz" in one for one in needed)


@needs_lava
def test_lava_imports_after_multiprocessing_was_used(tmp_path: Path) -> None:
    method = run_fresh(
        tmp_path,
        """
        import json, multiprocessing
        multiprocessing.set_start_method("fork")
        from spikeproof.lava_procs import compat
        compat.apply()
        import lava.magma.runtime.runtime
        print(json.dumps(multiprocessing.get_start_method()))
        """,
    )
    assert method == "fork"


@needs_lava
def test_a_program_that_spawns_is_told_what_to_do(tmp_path: Path) -> None:
    message = run_fresh(
        tmp_path,
        """
        import json, multiprocessing
        multiprocessing.set_start_method("spawn")
        from spikeproof.contract.errors import BackendError
        from spikeproof.lava_procs import compat
        compat.apply()
        try:
            import lava.magma.runtime.runtime
        except BackendError as error:
            print(json.dumps(str(error)))
        """,
    )
    assert "'fork', but this program has set 'spawn'" in message
    assert "process of its own" in message


@needs_lava
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("side", "channels"), [(127, 1), (128, 1), (200, 1), (5, 127), (5, 128), (5, 200)])
def test_convolutions_past_eight_bits(tmp_path: Path, side: int, channels: int, late: bool) -> None:
    """A kernel of ones over an image of ones counts the pixels under it, whether patched before or after."""
    sums = run_fresh(
        tmp_path,
        """
        import json, sys
        import numpy as np
        from spikeproof.lava_procs import compat
        side, channels, late = map(int, sys.argv[1:])
        if late:
            import lava.proc.conv.utils
        compat.apply()
        from lava.proc.conv import utils
        pair = lambda n: np.array([n, n], dtype=np.int8)
        image = np.ones((side, side, channels), dtype=bool)
        kernel = np.ones((1, 3, 3, channels), dtype=np.int32)
        print(json.dumps(utils.conv(image, kernel, pair(3), pair(1), pair(1), pair(1), np.int8(1)).tolist()))
        """,
        str(side),
        str(channels),
        str(int(late)),
    )
    padded = np.pad(np.ones((side, side), dtype=np.int64), 1)
    expected = sum(padded[x : x + side, y : y + side] for x in range(3) for y in range(3))
    assert np.array_equal(np.array(sums)[:, :, 0], channels * np.asarray(expected))


# Lava run

DENSE_LIF = """
    import json, sys
    import numpy as np
    from spikeproof.lava_procs import compat
    compat.apply()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF

    if __name__ == "__main__":
        weights, x, parameters = (json.loads(text) for text in sys.argv[1:])
        weights, x = np.array(weights), np.array(x)
        steps = x.shape[-1]
        source = Source(data=x)
        dense = Dense(weights=weights)
        out = source.s_out if x.ndim == 2 else source.s_out.flatten()
        out.connect(dense.s_in)
        lif = LIF(shape=(len(weights),), **parameters)
        sink = Sink(shape=(len(weights),), buffer=steps)
        dense.a_out.connect(lif.a_in)
        lif.s_out.connect(sink.a_in)
        try:
            sink.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            result = [np.asarray(a).astype(int).tolist() for a in (sink.data.get(), lif.u.get(), lif.v.get())]
        finally:
            sink.stop()
        print(json.dumps(result))
"""


def dense_lif(weights: Any, x: Any, *, du: int, dv: int, vth: int, bias_mant: int, bias_exp: int) -> Any:
    """Return spikes (neurons, steps) and the last u and v, in Python's integers."""

    def decayed(state: int, lost: int) -> int:
        kept = abs(state) * (4096 - lost) >> 12
        return kept if state >= 0 else -kept

    spikes, last_u, last_v = [], [], []
    for row in weights.tolist():
        u = v = 0
        train = []
        for t in range(x.shape[1]):
            # A synapse process adds one step.
            a = sum(w * s for w, s in zip(row, x[:, t - 1].tolist(), strict=True)) if t else 0
            u = decayed(u, du + 1) + (a << 6)
            assert abs(u) < 2**23, "the wrap of u is tested elsewhere"
            v = decayed(v, dv) + u + (bias_mant << bias_exp)
            v = max(-(2**23) + 1, min(2**23 - 1, v))
            train.append(int(v > vth << 6))
            v = 0 if train[-1] else v
        spikes.append(train)
        last_u.append(u)
        last_v.append(v)
    return spikes, last_u, last_v


@needs_lava
@pytest.mark.lava
@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        ((6,), {"du": 2047, "dv": 400, "vth": 300, "bias_mant": 0, "bias_exp": 0}),
        # NetX writes a current that never decays as -1, which Lava keeps in an unsigned register.
        ((6,), {"du": -1, "dv": 4096, "vth": 0, "bias_mant": 0, "bias_exp": 0}),
        # No leak: the bias carries v to the highest threshold there is.
        ((6,), {"du": 4095, "dv": 0, "vth": 2**17 - 1, "bias_mant": 4095, "bias_exp": 6}),
        ((6,), {"du": 0, "dv": 1, "vth": 4096, "bias_mant": -4096, "bias_exp": 0}),
        ((2, 3), {"du": 2047, "dv": 400, "vth": 300, "bias_mant": 100, "bias_exp": 2}),
    ],
    ids=["plain", "ends", "bias to the top", "negative bias", "flattened"],
)
def test_stock_dense_and_lif_equal_the_oracle(
    tmp_path: Path, shape: tuple[int, ...], parameters: dict[str, int]
) -> None:
    rng = np.random.default_rng(7)
    weights = 2 * rng.integers(-128, 128, size=(9, 6))
    x = rng.integers(0, 2, size=(*shape, 40))
    spikes, u, v = run_fresh(
        tmp_path, DENSE_LIF, json.dumps(weights.tolist()), json.dumps(x.tolist()), json.dumps(parameters)
    )
    expected = dense_lif(weights, x.reshape(6, 40), **parameters)
    assert np.sum(expected[0]) > 0, "nothing fired, so nothing is shown"
    assert np.array_equal(spikes, expected[0])
    assert np.array_equal(u, expected[1])
    assert np.array_equal(v, expected[2])


CONV_FLATTEN_DENSE = """
    import json, sys
    import numpy as np
    from spikeproof.lava_procs import compat
    compat.apply()
    import h5py, torch
    import lava.lib.dl.slayer as slayer
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    torch.manual_seed(3)
    steps, neuron = 30, dict(threshold=0.5, current_decay=0.5, voltage_decay=0.1)
    width, height = 5, 6
    blocks = [
        slayer.block.cuba.Conv(neuron, 2, 4, 3, padding=1, weight_scale=3),
        slayer.block.cuba.Flatten(),
        slayer.block.cuba.Dense(neuron, 4 * width * height, 7, weight_scale=3),
    ]
    x = (torch.rand(1, 2, height, width, steps) < 0.3).float()
    expected = x
    with torch.no_grad():
        for block in blocks:
            expected = block(expected)
    with h5py.File("conv.net", "w") as file:
        layers = file.create_group("layer")
        for i, block in enumerate(blocks):
            block.export_hdf5(layers.create_group(str(i)))

    if __name__ == "__main__":
        net = hdf5.Network("conv.net", input_shape=(width, height, 2))
        source = Source(data=x[0].numpy().transpose(2, 1, 0, 3).astype(int))
        sink = Sink(shape=net.out.shape, buffer=steps)
        source.s_out.connect(net.inp)
        net.out.connect(sink.a_in)
        try:
            net.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            spikes = sink.data.get()
        finally:
            net.stop()
        print(json.dumps([spikes.astype(int).tolist(), expected[0].numpy().astype(int).tolist()]))
"""


@needs_slayer
@pytest.mark.lava
def test_conv_flatten_dense_through_netx_equals_torch(tmp_path: Path) -> None:
    spikes, expected = run_fresh(tmp_path, CONV_FLATTEN_DENSE)
    assert np.sum(expected) > 0, "nothing fired, so nothing is shown"
    assert np.array_equal(spikes, expected)


@needs_slayer
@needs_no_torchvision
def test_slayer_imports_and_its_object_detection_names_the_mend(tmp_path: Path) -> None:
    message = run_fresh(
        tmp_path,
        """
        import json
        from spikeproof.contract.errors import MissingDependencyError
        from spikeproof.lava_procs import compat
        compat.apply()
        import lava.lib.dl.slayer as slayer
        try:
            slayer.obd.yolo_base
        except MissingDependencyError as error:
            print(json.dumps(str(error)))
        """,
    )
    assert "object_detection.yolo_base needs torchvision" in message
