"""Imports run one way: this table is the one in the design, and a wrong arrow fails."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

OURS = {
    "contract": set(),
    "export": {"contract"},
    "train": {"contract", "export"},
    "lava_procs": {"contract", "export"},  # the network in the place of NetX's reads files
    "sim": {"contract", "export", "lava_procs"},
    "cli": {"contract", "export", "train", "sim"},
}
"""Folder -> which of our folders it may import."""

THEIRS = {
    "contract": {"numpy", "numba"},
    "export": {"numpy", "h5py", "torch", "tomli", "nir"},
    "train": {
        "numpy",
        "h5py",
        "torch",
        "safetensors",
        "sklearn",
        "numba",
        "triton",
        "lava",
        "lightning",
        "pydantic",
        "pooch",
        "tomli",
        "scipy",
        "matplotlib",
    },
    "lava_procs": {"numpy", "lava"},
    "sim": {"numpy", "numba", "threadpoolctl", "torch", "jinja2", "distributed", "matplotlib"},
    "cli": {"numpy", "typer", "rich"},
}
"""Folder -> which third parties it may import."""

ONLY_IN = {
    "torch": {
        "export": {"capture/", "parts/", "slayer/", "lint/modules.py", "lint/whole_module.py"},
        "sim": {"torch/", "verify/verify.py", "verify/float_twin.py"},
    },
    "numba": {"contract": {"compiled/"}},
    "nir": {"export": {"nir/graph.py"}},
    "lightning": {"train": {"runs/fit.py", "runs/loop/"}},
    "distributed": {"sim": {"sweep/sweep.py"}},
    "matplotlib": {"sim": {"pictures/png.py"}},
}
"""Third party -> folder -> the only files in it, or folders, that may import it."""


CALLED = {"lava-dl": "lava", "scikit-learn": "sklearn", "Dask's distributed": "distributed"}
"""Library, as the page says -> what is imported, where that is not its name in small letters."""


def test_the_page_on_the_architecture_has_this_table():
    _, _, page = (ROOT / "docs" / "architecture.md").read_text().partition("## Who may import whom")
    for folder, theirs in THEIRS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{folder}/` | "))
        ours, libraries = (cell.strip() for cell in row.split("|")[2:4])
        assert {word.strip(" `/") for word in ours.split(",")} - {"nothing"} == OURS[folder], folder
        named = [word.strip() for word in libraries.partition(";")[0].split(",")]
        if ";" in libraries:  # and what only some of its files import
            named.append(libraries.partition(";")[2].split()[0])
        assert {CALLED.get(word, word.lower()) for word in named} == theirs, folder


def imported(path):
    """Every module that a file imports, anywhere in it, as (ours, folder) or (theirs, package)."""
    package = ("spikeproof", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *filter(None, [node.module])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from names


def files():
    return [path for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        first, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if first == "spikeproof":
            fine = target == folder or target in OURS[folder] or target == "__version__"
        else:
            fine = first in sys.stdlib_module_names or first in THEIRS[folder]
            inner = path.relative_to(ROOT / folder).as_posix()
            fine = fine and any(inner.startswith(one) for one in ONLY_IN.get(first, {}).get(folder, {inner}))
        assert fine, f"{folder}/ may not import {name}"


def test_importing_the_package_loads_neither_torch_nor_lava():
    code = (
        "import sys, spikeproof, spikeproof.cli, spikeproof.contract.net, spikeproof.sim.compare\n"
        "loaded = {name.partition('.')[0] for name in sys.modules} & {'torch', 'lava', 'h5py', 'matplotlib'}\n"
        "print(sorted(loaded))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_files_are_read_and_run_without_torch_and_lava():
    code = (
        "import sys, spikeproof.export.formats, spikeproof.export.stock, spikeproof.export.loihi2.mapping\n"
        "import spikeproof.sim.engine, spikeproof.sim.lava.backend, spikeproof.sim.report.page\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'lava', 'matplotlib'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_are_listed_and_load():
    import spikeproof

    for name in spikeproof.__all__:
        assert getattr(spikeproof, name) is not None
    assert set(spikeproof.__all__) <= set(dir(spikeproof))
    with pytest.raises(AttributeError, match=r"has no attribute 'celiff'\. Did you mean celif\? It has .*celif"):
        spikeproof.celiff  # noqa: B018


def test_every_module_is_short_enough_to_read():
    long = [str(path.relative_to(ROOT)) for path in files() if len(path.read_text().splitlines()) > 400]
    assert long == []


def test_every_function_is_short_enough_to_read():
    long = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                lines = node.end_lineno - body[0].lineno + 1
                if lines > 50:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert long == []


def test_no_folder_holds_more_modules_than_one_looks_through():
    counts = {}
    for path in files():
        if path.name != "__init__.py":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 14} == {}


def test_packages_are_listed():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(["spikeproof", *path.parent.relative_to(ROOT).parts]) for path in files()}
    assert found | {"spikeproof"} == set(listed)
