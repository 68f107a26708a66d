"""NetX files: what is written reads back equal; what is damaged or foreign is refused by name and place."""

import h5py
import numpy as np
import pytest
import strategies as some
from hypothesis import HealthCheck, given, settings

from spikeproof.contract.errors import FileFormatError, InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.describe import describe
from spikeproof.export.lint.check import lint


def small_net():
    neuron = CELIF(
        num_neurons=2, v_decay=2048, th_decay=[41, 40], v_th_mant=19, te_exp=9, bias_mant=[3, -3], bias_exp=3
    )
    layer = Layer(name="celif1", synapse=Dense(weight=[[2, -256, 0], [254, 8, 16]]), neuron=neuron, scale=128)
    return Net(inputs=(Input(num_channels=3, bits=8, exp=-6),), layers=(layer,), steps=4, te=np.arange(8).reshape(4, 2))


@pytest.fixture
def path(tmp_path):
    """A good file."""
    path = tmp_path / "net.net"
    netx.write(small_net(), path)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(net=some.nets())
def test_a_file_gives_back_its_record(tmp_path, net):
    netx.write(net, tmp_path / "net.net")

    assert netx.load(tmp_path / "net.net") == net


def test_the_same_record_makes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        netx.write(small_net(), tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_encoding_is_stored_once_and_the_versions_are_in_the_file(path):
    with h5py.File(path) as file:
        assert file["te"].shape == (4, 2) and file["te"].dtype == np.int8
        assert file.attrs["spikeproof_schema"] == 1
        assert file.attrs["spikeproof_version"]
        assert set(file["layer/1/neuron"]) == {"type", "vDecay", "thDecay", "vThMant", "teExp", "aShift", "biasExp"}
        assert file["layer/1/neuron/vDecay"].shape == ()


def _set(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


def _attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def _link(name, link):
    def change(file):
        del file[name]
        file[name] = link

    return change


def _delays(shift, delay):
    def change(file):
        file["layer/1/delayShift"] = shift
        file["layer/1/delay"] = delay

    return change


DAMAGE = {
    "nan weight": (_set("layer/1/weight", [[np.nan, 0, 0], [0, 0, 0]]), r"layer/1: Dense weight\[0, 0\] = nan is not a"),
    "odd weight": (_set("layer/1/weight", [[2, 0, 0], [0, 7, 0]]), r"weight\[1, 1\] \(into neuron 1\) = 7 is odd"),
    "text weight": (_set("layer/1/weight", "a"), "layer/1/weight holds object, not numbers"),
    "weight shape": (_set("layer/1/weight", [[2, 2]]), r"weight has shape \(1, 2\), but .* say \(2, 3\)"),
    "no weight": (lambda file: file.__delitem__("layer/1/weight"), "layer/1/weight is missing"),
    "no neuron": (lambda file: file.__delitem__("layer/1/neuron"), "layer/1/neuron is missing"),
    "weight a group": (lambda file: (_set("layer/1/weight", 0)(file), file.__delitem__("layer/1/weight"),
                                     file.create_group("layer/1/weight")), "layer/1/weight is not a dataset"),
    "unknown neuron": (_set("layer/1/neuron/type", "ABC"), "layer/1/neuron/type is 'ABC'; known are .*ALIF, CELIF, CUBA, .*READ"),
    "unknown layer": (_set("layer/1/type", "pool"), "layer/1/type is 'pool'; this version reads layers of type dense, conv"),
    "extra field": (lambda file: file.__setitem__("layer/1/dilation", 3), "layer/1/dilation is unknown here"),
    "lonely delay": (lambda file: file.__setitem__("layer/1/delay", 3), "layer/1/delay stands without delayShift"),
    "no delay": (lambda file: file.__setitem__("layer/1/delayShift", 0), "layer/1: Axon delay: .*(nothing|none) delays"),
    "late shift": (_delays(0, [1, 2]), "layer/1/delayShift is 0, but the delays begin at 1"),
    "long delay": (_delays(1, [0, 63]), r"layer/1: Axon delay\[1\] = 64 is not a whole number in 0\.\.63"),
    "delays of others": (_delays(1, [0, 1, 2]), "layer/1: layer 'celif1': its axon delays 3 neurons, but 2 fire"),
    "extra neuron field": (lambda file: file.__setitem__("layer/1/neuron/refDelay", 3), "layer/1/refDelay is unknown"),
    "extra root": (lambda file: file.__setitem__("extra", 3), "extra is unknown here; known are layer, te"),
    "decay": (_set("layer/1/neuron/vDecay", 5000), r"layer/1: CELIF v_decay = 5000 is not a whole number in 0\.\.4096"),
    "fractional decay": (_set("layer/1/neuron/vDecay", 0.5), r"CELIF v_decay = 0\.5 is not a whole number"),
    "te range": (_set("te", np.full((4, 2), 200)), r"te\[0, 0\] = 200 is not a whole number in -128\.\.127"),
    "no te": (lambda file: file.__delitem__("te"), "CE-LIF layers but no temporal encoding"),
    "layer ids": (lambda file: file.move("layer/1", "layer/2"), r"layer must hold the groups 0 .* it holds \['0', '2'\]"),
    "no layers": (lambda file: file.__delitem__("layer"), "layer is missing"),
    "soft link": (_link("layer/1/weight", h5py.SoftLink("/te")), "layer/1/weight is a link to elsewhere"),
    "external link": (_link("te", h5py.ExternalLink("other.h5", "/te")), "te is a link to elsewhere"),
    "future version": (_attribute("spikeproof_schema", 99), "schema version 99, written by spikeproof .*Export the net"),
    "text version": (_attribute("spikeproof_schema", "x"), "the attribute spikeproof_schema is missing or not a whole"),
    "foreign": (lambda file: file.attrs.__delitem__("spikeproof_schema"), "not written by spikeproof"),
    "no steps": (lambda file: file.attrs.__delitem__("steps"), "the attribute steps is missing"),
    "huge": (lambda file: (file.__delitem__("te"), file.create_dataset("te", (2**40, 2), "i1", chunks=(1024, 2))),
             "te claims 2199023255552 elements"),
    "hollow": (lambda file: (file.__delitem__("te"), file.create_dataset("te", (2**23, 2), "i1", chunks=(1024, 2))),
               "te claims 16777216 bytes and stores 0"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_refused_by_name_and_place(path, what):
    change, words = DAMAGE[what]
    with h5py.File(path, "r+") as file:
        change(file)

    with pytest.raises(FileFormatError, match=words) as caught:
        netx.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"not hdf5 at all", "not a readable HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "not a readable"),
    ],
)
def test_what_is_no_hdf5_file_is_refused(tmp_path, content, words):
    path = tmp_path / "net.net"
    path.write_bytes(content)

    with pytest.raises(FileFormatError, match=words):
        netx.load(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(FileFormatError, match="not a readable HDF5 file .*Export the network again"):
        netx.load(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        netx.load(tmp_path / "absent.net")
    with pytest.raises(InputError, match="cannot write here .*Choose a folder that exists"):
        netx.write(small_net(), tmp_path / "absent" / "net.net")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(netx.layers, "write", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        netx.write(small_net(), path)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_description_is_in_words_and_minds_wide_sums():
    found = describe(small_net())

    assert found["input"] == {"channels": 3, "shape": [3], "kind": "graded, 8 bits, unit 2**-6"}
    assert found["layers"][0]["parameters"]["threshold"] == 19 / 128
    findings = {finding.rule: finding for finding in lint(small_net())}
    assert "can reach 70890" in findings["wide-sums"].what
    assert "stock lava-dl netx refuses" in findings["own-process"].why
