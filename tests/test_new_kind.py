"""The page on adding a neuron keeps its word: its files, added to a copy of the package, make a kind that does all it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("contract", "export", "train", "sim", "lava_procs", "cli", "tests", "docs")
FILES = re.findall(r"```py\n# (\S+)\n(.*?)```", (ROOT / "docs" / "add_a_neuron.md").read_text(), re.S)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package with the files of the page in it; its folder belongs on the path."""
    place = tmp_path_factory.mktemp("package")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, place / "spikeproof" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "__main__.py", "pyproject.toml"):
        shutil.copy(ROOT / name, place / "spikeproof")
    for name, text in FILES:
        assert not (place / "spikeproof" / name).exists()
        (place / "spikeproof" / name).write_text(text)
    run(place, "tests/kinds.py")
    return place


def run(place, *command):
    """Run Python in the copy, which must find itself and not the package that is tested."""
    found = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=place / "spikeproof",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(place), "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-4000:]
    return found.stdout


def test_the_page_shows_four_files_of_the_package_and_one_test():
    assert [name for name, _ in FILES] == [
        "contract/neurons/eif.py",
        "tests/oracles/eif.py",
        "train/blocks/eif.py",
        "contract/compiled/eif.py",
        "sim/engine/loops/eif.py",
    ]


@pytest.mark.slow
@pytest.mark.lava
def test_a_kind_of_one_file_passes_the_tests_of_all_kinds(package):
    out = run(
        package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_kinds.py", "tests/contract/test_neurons.py",
        "-k", "EIF or table or left_over",
    )  # fmt: skip
    assert re.search(r"\b1[0-9] passed", out) and "skipped" not in out, out
    row = next(line for line in (package / "spikeproof/docs/neurons.md").read_text().splitlines() if "[EIF]" in line)
    assert "| `v` | spikes | `EIF` | yes |" in row  # the engine has a compiled loop


SCRIPT = """
import numpy as np, kinds
import spikeproof
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.eif import EIF
from spikeproof.export import formats
from spikeproof.sim.report import page

assert spikeproof.__file__.startswith({place!r}), spikeproof.__file__
net = kinds.network(KINDS["EIF"])
x = kinds.payload(net)
verdict = spikeproof.verify(net, x, backends=("engine", "reference"))
assert verdict.exact, str(verdict)
page.write(verdict, {place!r} + "/report.html", title="EIF")
assert "l1" in open({place!r} + "/report.html").read()
try:
    EIF(num_neurons=2, v_decay=5000, v_soft=1, slope=1, v_th_mant=3)
except spikeproof.contract.errors.RecordError as error:
    assert str(error) == "EIF v_decay = 5000 is not a whole number in 0..4096.", error
formats.write(net, {place!r} + "/a.net")
"""


def test_it_is_verified_reported_and_checked(package):
    run(package, "-W", "ignore", "-c", "import sys; sys.path.append('tests')\n" + SCRIPT.format(place=str(package)))
    for command in (
        ("inspect", "a.net"),
        ("map", "a.net"),
        ("simulate", "a.net", "-i", "x.npy", "--backend", "engine"),
    ):
        if "x.npy" in command:
            run(package, "-c", f"import numpy as np; np.save({str(package / 'x.npy')!r}, np.ones((2, 3, 24)))")
        named = [package / part if part.endswith((".net", ".npy")) else part for part in command]
        assert "EIF" in run(package, "-m", "spikeproof", *named) or command[0] == "simulate"


TRAINED = """
import torch
import spikeproof
from spikeproof.train.blocks import eif
from spikeproof.train.blocks.dense import DenseBlock

torch.manual_seed(0)
module = torch.nn.Sequential(
    DenseBlock(eif.Neuron(), 6, 16, bias=False, weight_scale=3.0),
    DenseBlock(eif.Neuron(threshold=1.0), 16, 5, bias=False, weight_scale=3.0),
)
x = (torch.rand(24, 6, 30) < 0.4).float()
y = torch.randint(0, 5, (24,))
optimiser, losses = torch.optim.Adam(module.parameters(), 0.01), []
for _ in range(40):
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(module(x).mean(-1) * 8, y)
    loss.backward()
    optimiser.step()
    losses.append(float(loss))
assert losses[-1] < 0.7 * losses[0], losses
path = {place!r} + "/trained.net"
spikeproof.export_netx(module, path, sample=x[:2])
verdict = spikeproof.verify(module, x[:4], file=path, backends=("engine", "lava"))
print(verdict)
assert verdict.exact and verdict.whole
"""


@pytest.mark.lava
def test_a_second_file_trains_and_the_proof_is_exact(package):
    out = run(package, "-W", "ignore", "-c", TRAINED.format(place=str(package)))
    assert out.startswith("EXACT") and "torch and lava are exact" in out
