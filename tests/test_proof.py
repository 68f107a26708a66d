"""`spikeproof.verify` in Python says of a training run, by its folder, what the command says of it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer
from test_cli import copy, trained  # noqa: F401

import spikeproof
from spikeproof.cli.proof.verdict import prove_run
from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find

FOREIGN = Path(__file__).parent / "export" / "foreign"
ENGINE = {"backends": ("engine", "reference")}


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """A small finished run of a floating-point sequence model."""
    folder = tmp_path_factory.mktemp("runs") / "folded"
    settings = ["model=spike-tcn", "neuron=lif", "hidden=8", "depth=1", "position=cpg", "epochs=1", "stride=4"]
    return fit(find("digits-plain").replace(settings), folder)


def said(folder, samples, capsys, options=ENGINE):
    """What the command prints, as text and as JSON."""
    found = []
    for as_json in (False, True):
        capsys.readouterr()
        try:
            prove_run(folder, samples, None, options, as_json=as_json)
        except typer.Exit as ended:
            assert ended.exit_code == 1
        found.append(capsys.readouterr().out)
    return found


def test_a_run_is_verified_by_its_folder_as_by_the_command(trained, capsys):  # noqa: F811
    text, plain = said(trained, "7", capsys)

    verdict = spikeproof.verify(trained, samples=7, **ENGINE)

    assert (
        verdict.exact
        and verdict.whole
        and f"{verdict}\n" == text
        and json.dumps(verdict.as_dict(), indent=2) + "\n" == plain
    )
    right = verdict.scores.right
    assert set(right) == {"torch", "engine", "reference"} and {one.total for one in right.values()} == {7}
    assert text.splitlines()[-1] == f"right on these samples: {', '.join(f'{k} {v.right}/7' for k, v in right.items())}"


def test_a_run_is_verified_on_twenty_samples_unless_others_are_asked_for(trained):  # noqa: F811
    run = spikeproof.Run.open(trained)
    for more, count in (({}, 20), ({"samples": "all"}, 450), ({"samples": np.int64(3)}, 3)):
        verdict = spikeproof.verify(run, registers=False, **ENGINE, **more)
        assert verdict.comparisons[0].num_samples == count and verdict.scores.right["torch"].total == count


def test_a_run_whose_file_was_changed_is_not_exact(copy, capsys):  # noqa: F811
    with h5py.File(copy / "net.net", "r+") as file:
        file["layer/2/weight"][1, 0] ^= 1 << 5
    text, plain = said(copy, "2", capsys)

    verdict = spikeproof.verify(copy, samples=2, **ENGINE)

    assert not verdict.exact and f"{verdict}\n" == text and json.dumps(verdict.as_dict(), indent=2) + "\n" == plain
    assert text.startswith("NOT EXACT\nthe file is not the trained network") and "right on these samples: " in text


def test_a_run_of_a_floating_point_model_is_verified_by_its_record(folded, capsys):
    text, plain = said(folded.folder, "5", capsys)

    verdict = spikeproof.verify(folded, samples=5, **ENGINE)

    assert verdict.exact and f"{verdict}\n" == text and json.dumps(verdict.as_dict(), indent=2) + "\n" == plain
    assert "of 5 samples keep their class" in text and "right without rounding: " in text
    module = folded.load().module
    alone = spikeproof.verify(module, folded.load().task.test.x[:5], **ENGINE)
    assert alone.comparisons == verdict.comparisons and alone.float_gap.same_class == verdict.float_gap.same_class
    assert not alone.scores.right


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        (np.zeros((1, 1, 64)), {}, "verified on its own test part: leave out x.* verify the network file, .*net.net"),
        (None, {"samples": 451}, "samples = 451: there are 450"),
        (None, {"samples": 0}, "samples = 0: there are 450"),
        (None, {"samples": "some"}, "samples = 'some': there are 450. Give a number .*or 'all'"),
        (None, {"file": "a.net"}, "Run: leave out file and input"),
    ],
)
def test_what_a_run_does_not_take_is_refused(trained, given, options, words):  # noqa: F811
    with pytest.raises(InputError, match=words):
        spikeproof.verify(trained, given, **ENGINE, **options)


def test_a_folder_without_a_run_and_a_network_to_compare_with_are_refused(tmp_path):
    with pytest.raises(InputError, match="no finished training run here"):
        spikeproof.verify(tmp_path, **ENGINE)
    fit(find("digits-plain").replace(["neuron=lif", "hidden=4", "epochs=1", "stride=8"]), tmp_path)
    with pytest.raises(UnsupportedError, match=r"lif is a floating-point neuron to compare with.*neuron=ce-lif"):
        spikeproof.verify(tmp_path, **ENGINE)


def test_samples_are_the_first_of_an_input_too(trained):  # noqa: F811
    x = np.random.default_rng(0).random((4, 1, 64))
    few, all_of_few = (
        spikeproof.verify(trained / "net.net", given, **ENGINE, **more)
        for given, more in ((x, {"samples": 2}), (x[:2], {}))
    )
    assert few.input_sha256 == all_of_few.input_sha256
    assert spikeproof.verify(trained / "net.net", x, samples="all", **ENGINE).comparisons[0].num_samples == 4
    with pytest.raises(InputError, match="samples = 5: there are 4"):
        spikeproof.verify(trained / "net.net", x, samples=5, **ENGINE)
    with pytest.raises(InputError, match="Give an input x of shape"):
        spikeproof.verify(trained / "net.net", **ENGINE)


def test_another_tools_graph_is_told_of_by_its_path():
    pytest.importorskip("nir")
    x = np.load(FOREIGN / "snntorch.npz")["x"][:2]
    verdict = spikeproof.verify(FOREIGN / "snntorch.nir", x, **ENGINE)
    assert verdict.exact and verdict.net.steps == 60 and "forward Euler" in verdict.float_gap.meaning


@pytest.mark.lava
def test_the_command_and_python_say_the_same_of_lava(trained, run):  # noqa: F811
    code, out, err = run("verify", trained, "--samples", 3, "--lava-samples", 2, "--json")
    assert code == 0, err
    assert out == json.dumps(spikeproof.verify(trained, samples=3, lava_samples=2).as_dict(), indent=2) + "\n"
