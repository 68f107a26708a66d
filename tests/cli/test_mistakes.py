"""The mistakes of a newcomer, each with its message: what is wrong, where, and how to fix it; exit code 2, no traceback."""

import pickle
import re

import h5py
import numpy as np
import pytest
import torch

import spikeproof
from spikeproof import celif
from spikeproof.contract.errors import SpikeproofError
from spikeproof.export import netx
from spikeproof.train.tasks import data

CHANNELS, STEPS = 3, 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network file, and everything that a newcomer might take for one, or for samples of it."""
    here = tmp_path_factory.mktemp("here")
    torch.manual_seed(0)
    te = celif.TemporalEncoding(4, steps=STEPS)
    params = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.01}
    module = torch.nn.Sequential(
        celif.Dense(params, CHANNELS, 4, temporal_encoding=te, input_exp=-6), spikeproof.Readout(4, 2)
    )
    good = np.zeros((2, CHANNELS, STEPS), np.float32)
    spikeproof.export_netx(module, here / "net.net", sample=good)
    (here / "newer.net").write_bytes((here / "net.net").read_bytes())
    with h5py.File(here / "newer.net", "r+") as file:
        file.attrs["spikeproof_schema"] = netx.file.SCHEMA_VERSION + 1
    arrays = {
        "good": good,
        "short": good[:, :, :5],
        "swapped": good.transpose(0, 2, 1),
        "time_first": good.transpose(2, 0, 1),
        "one": good[0],
        "nan": np.where(np.arange(STEPS) == 7, np.nan, good),
        "large": good + 7,
        "complex": good + 1j,
        "words": np.array(["a", "b"]),
        "none": good[:0],
    }
    for name, array in arrays.items():
        np.save(here / f"{name}.npy", array)
    np.save(here / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(here / "empty.npz")
    np.savez(here / "unnamed.npz", images=good, labels=np.zeros(2))
    (here / "model.pkl").write_bytes(pickle.dumps({"weight": [1, 2]}))
    torch.save(module.state_dict(), here / "model.pt")
    (here / "typo.toml").write_text('task = "digits"\nhiden = [3]\n')
    (here / "broken.toml").write_text("task = digits\n")
    (here / "empty").mkdir()
    (here / "there.net").write_bytes(b"")
    return here


MISTAKES = {
    # mistake: (what is typed, in which a name of a file stands for its path; what is said)
    "a misspelt recipe": ("train digit", r"No recipe is called 'digit'\. Did you mean digits\? Known are adding, .*; or name a"),
    "a misspelt command": ("verifi {net.net}", r"No such command 'verifi'\. Did you mean 'verify'\?"),
    "a misspelt option": ("train digits --foldr x", r"No such option: --foldr .*--folder"),
    "a misspelt key": ("train digits --set epoch=3", r"--set: epoch is unknown\. Did you mean epochs\? Known are task, model"),
    "a key without a value": ("train digits --set epochs", r"--set epochs: write key=value with a key of task"),
    "a value that is no number": ("train digits --set epochs=many", r"--set: epochs: Input should be a valid integer"),
    "a key of another model": ("train digits --set heads=2", r"heads is for model = spikformer or transformer, and .*'stack'"),
    "a misspelt key in a file": ("train {typo.toml}", r"typo\.toml: hiden is unknown\. Did you mean hidden\?"),
    "a recipe that is no TOML": ("train {broken.toml}", r"broken\.toml: not TOML \("),
    "a recipe that is not there": ("train {absent.toml}", r"absent\.toml: no such file\. Write one with: spikeproof new recipe"),
    "a misspelt choice": ("simulate {net.net} -i {good.npy} --backend engin", r"'engin' is not one of 'lava', 'engine'"),
    "a folder that is no run": ("verify {empty}", r"empty: no finished training run here .*Train one with spikeproof train"),
    "a name for a network": ("inspect etth1-day", r"etth1-day: no such file\. It is the name of a trained .*/etth1-day"),
    "a name for a run": ("verify etth1-day", r"etth1-day: no such file\. It is the name of a trained .*/etth1-day"),
    "a folder for a network": ("inspect {empty}", r"empty is a folder without a network, net\.net\. Name a network file"),
    "a folder for samples": ("simulate {net.net} -i {empty}", r"empty: this is a folder\. Name a regular \.npy or \.npz file"),
    "a file that is not there": ("verify {absent.net}", r"absent\.net: no such file\."),
    "samples that are not there": ("simulate {net.net} -i {absent.npy}", r"absent\.npy: no such file\."),
    "no samples at all": ("simulate {net.net}", r"Missing option '--input'"),
    "too few steps": ("simulate {net.net} -i {short.npy}", r"shape \(2, 3, 5\); expected \(samples, 3 channels, 12 steps\)"),
    "swapped axes": ("simulate {net.net} -i {swapped.npy}", r"Its last two axes are swapped: x\.transpose\(0, 2, 1\)"),
    "time first": ("simulate {net.net} -i {time_first.npy}", r"Time comes last here: x\.transpose\(1, 2, 0\)"),
    "a sample without its axis": ("simulate {net.net} -i {one.npy}", r"One sample needs an axis of its own: x\[None\]"),
    "an array of no samples": ("simulate {net.net} -i {none.npy}", r"shape \(0, 3, 12\); expected \(samples, "),
    "values that are not numbers": ("simulate {net.net} -i {nan.npy}", r"Input\[0, 0, 7\] = nan: it is not a number\. Fix"),
    "values out of range": ("simulate {net.net} -i {large.npy}", r"Input\[0, 0, 0\] = 7\.0: payload .* rescale the input"),
    "complex numbers": ("simulate {net.net} -i {complex.npy}", r"complex\.npy: not a \.npy or \.npz file of numbers: the array holds complex64"),
    "words": ("simulate {net.net} -i {words.npy}", r"words\.npy: not a .* file of numbers: the array holds <U1"),
    "an array of objects": ("simulate {net.net} -i {objects.npy}", r"objects\.npy: not a .*the array holds object"),
    "an empty archive": ("simulate {net.net} -i {empty.npz}", r"the archive is empty\. Write it with np\.savez\(path, x=array\)"),
    "an archive without x": ("simulate {net.net} -i {unnamed.npz}", r"no array called x; it holds images, labels\. Call"),
    "swapped arguments": ("simulate {good.npy} -i {net.net}", r"net\.net: .*an HDF5 file, as networks are\. The network comes first"),
    "samples for a network": ("inspect {good.npy}", r"good\.npy: .*an array of NumPy \(\.npy\)\. The network comes first"),
    "a pickle": ("inspect {model.pkl}", r"model\.pkl: .*a pickle, which is never opened here, .*spikeproof\.export_netx\("),
    "a checkpoint of torch": ("verify {model.pt}", r"model\.pt: .*a checkpoint of torch, which is never opened here"),
    "a pickle of samples": ("simulate {net.net} -i {model.pkl}", r"model\.pkl: .*a pickle, which is never opened here"),
    "a network of a newer schema": ("inspect {newer.net}", r"newer\.net: schema version 3, .*which reads versions 1 and 2"),
    "a file that is there": ("export {net.net} -o {there.net}", r"there\.net exists\. Name another file, or .*--force"),
    "an output that is the input": ("simulate {net.net} -i {good.npy} -o {good.npy} --force", r"good\.npy is what the command reads"),
    "an output that is the network": ("prove {net.net} --search -o {net.net} --force", r"net\.net is what the command reads"),
    "no such folder to write to": ("export {net.net} -o {absent}/a.net", r"cannot write here \(No such .*Choose a folder that exists"),
    "no permission to write": ("export {net.net} -o /sys/a.net", r"cannot write here \(Permission .*folder that you may write to"),
    "a network for a trace": ("plot {net.net}", r"net\.net: .*an HDF5 file, as networks are"),
    "samples for a trace": ("compare {good.npy} {good.npy}", r"good\.npy: one array, and not several with names\. spikeproof sim"),
    "too many samples": ("verify {net.net} -i {good.npy} -n none", r"--samples none: give a number from 1, or 'all'"),
    "a misspelt pretrained network": ("demo --pretrained mnist", r"No pretrained network is called 'mnist'.*Did you mean s-mnist\?"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message(run, folder, tmp_path, mistake):
    typed, said = MISTAKES[mistake]
    arguments = re.sub(r"\{(.*?)\}", lambda name: str(folder / name.group(1)), typed).split()
    before = sorted(path.name for path in folder.iterdir())

    code, out, err = run(*arguments, cwd=tmp_path)

    told = " ".join(re.sub("[│╭╮╰╯─]", " ", err).split())
    assert (code, out) == (2, "") and re.search(said, told), told
    assert "Traceback" not in err and "fault of spikeproof" not in err
    assert sorted(path.name for path in folder.iterdir()) == before and not list(tmp_path.iterdir())


def test_data_that_are_not_there_are_told_with_the_variable(run, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_BESIDE", tmp_path / "nowhere")
    monkeypatch.setenv("SPIKEPROOF_DATA", str(tmp_path / "none"))
    code, _, err = run("train", "adding", "--set", "task=qtdb", "--dry-run", cwd=tmp_path)
    assert code == 2 and "SPIKEPROOF_DATA" in err and "Set SPIKEPROOF_DATA to the folder that holds it" in err


PLAIN = torch.nn.Sequential(torch.nn.Conv1d(CHANNELS, 2, 1), torch.nn.ReLU())
X = np.zeros((2, CHANNELS, STEPS), np.float32)
IN_PYTHON = {
    # mistake: (what is called with the path of a network; what is said)
    "a module without blocks": (lambda net: spikeproof.verify(PLAIN, X), r"no .*block"),
    "an export without blocks": (lambda net: spikeproof.export_netx(PLAIN, "a.net", sample=X), r"no .*block"),
    "no module": (lambda net: spikeproof.verify({"weight": 1}, X), r"is no torch module\. Give the module that was trained"),
    "no samples": (lambda net: spikeproof.verify(net), r"Give an input x of shape \(samples, channels, steps\)"),
    "swapped arguments": (lambda net: spikeproof.verify(X, net), r"verify\(network, x\): the network comes first"),
    "swapped arguments to simulate": (lambda net: spikeproof.simulate(X, net), r"simulate\(network, x\): the network is a record or a file, no ndarray"),
    "a record to load": (lambda net: spikeproof.load(spikeproof.load(net)), r"was given a network record, which needs no loading"),
    "one sample": (lambda net: spikeproof.simulate(net, X[0]), r"One sample needs an axis of its own: x\[None\]"),
    "a wrong backend": (lambda net: spikeproof.verify(net, X, backends=("engin",)), r"Unknown backend 'engin'; known are engine"),
    "a misspelt recipe": (lambda net: spikeproof.recipe.find("digit"), r"Did you mean digits\?"),
    "a folder that is no run": (lambda net: spikeproof.verify(net.parent), r"no finished training run here"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", IN_PYTHON)
def test_a_mistake_in_python_is_an_error_of_ours(folder, tmp_path, monkeypatch, mistake):
    monkeypatch.chdir(tmp_path)
    call, said = IN_PYTHON[mistake]
    with pytest.raises(SpikeproofError, match=said):
        call(folder / "net.net")
    assert not list(tmp_path.iterdir())


def test_a_misspelt_name_of_the_package():
    with pytest.raises(AttributeError, match=r"has no attribute 'verifi'\. Did you mean verify\?"):
        spikeproof.verifi  # noqa: B018
