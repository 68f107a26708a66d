"""Every set of kernels has every function of `api.Kernels`, under its name; what it lacks, it declares."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from spikeproof.train.kernels import api, select

FOLDER = Path(api.__file__).parent
TRAIN = FOLDER.parent
GROUPS = {
    "celif_dense": api.CELIFDense,
    "celif_recurrent": api.CELIFRecurrent,
    "float_celif": api.FloatCELIFKernels,
    "alif": api.ALIFKernels,
    "lif": api.LIFKernels,
    "normed_lif": api.NormedLIFKernels,
    "gated": api.GatedKernels,
}
FUNCTIONS = {name: function for name, function in vars(api.Kernels).items() if inspect.isfunction(function)}
FUNCTIONS = {name: function for name, function in FUNCTIONS.items() if not name.startswith("_")}
SETS = ("reference", "cpu", "cuda")
LACKS = {
    "reference": {"celif_dense", "float_celif", "alif", "lif", "normed_lif", "gated"},
    "cpu": set(),
    "cuda": {"celif_dense", "float_celif", "alif", "lif", "normed_lif", "gated"},
}


def source_of(module):
    """The text of a module; that of a package begins with the modules of its own that it imports from."""
    if not (FOLDER / module).is_dir():
        return (FOLDER / f"{module}.py").read_text()
    own = (FOLDER / module / "__init__.py").read_text()
    parts = re.findall(r"^from \.(\w+) import", own, re.MULTILINE)
    return "\n".join([*((FOLDER / module / f"{part}.py").read_text() for part in parts), own])


def faults(source, module):
    """What a module's source lacks as a set of kernels; it is read, not run, as Triton may not be installed."""
    tree, found = ast.parse(source), []
    defined = {
        node.name: [arg.arg for arg in node.args.args] for node in tree.body if isinstance(node, ast.FunctionDef)
    }
    taken = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "reference"
        for alias in node.names
    }
    for name, function in FUNCTIONS.items():
        wanted = list(inspect.signature(function).parameters)[1:]
        if defined.get(name, wanted if name in taken else None) != wanted:
            found.append(f"{module}.{name} is missing or does not take {wanted}")
    values = {}
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            (target,) = node.targets if isinstance(node, ast.Assign) else [node.target]
            values[ast.unparse(target)] = node.value, isinstance(after, ast.Expr)
    for name, group in GROUPS.items():
        value, has_words = values.get(name, (None, False))
        lacks = isinstance(value, ast.Constant) and value.value is None and has_words
        has = isinstance(value, ast.Call) and ast.unparse(value.func) == group.__name__
        if not (lacks if name in LACKS[module] else has):
            found.append(f"{module}.{name} is neither {group.__name__}(...) nor declared to be None, with words")
    return found


@pytest.mark.parametrize("module", SETS)
def test_a_set_of_kernels_is_whole(module):
    assert faults(source_of(module), module) == []


@pytest.mark.parametrize("module", SETS)
@pytest.mark.parametrize("name", [*FUNCTIONS, *GROUPS])
def test_a_misspelt_or_missing_function_is_found(module, name):
    """Each name in turn, misspelt wherever it stands as a whole word at the head of a line or of an import."""
    source = source_of(module)
    for before, after in (
        (f"def {name}(", f"def {name}s("),
        (f"import {name} as {name}", f"import {name} as {name}s"),
        (f"\n{name} = ", f"\n{name}s = "),
        (f"\n{name}: ", f"\n{name}s: "),
    ):
        source = source.replace(before, after)

    (found,) = faults(source, module)
    assert f"{module}.{name} is " in found


def test_what_can_be_imported_takes_what_the_protocol_says():
    modules = ["reference", *(["cpu"] if importlib.util.find_spec("numba") else [])]
    for module in modules:
        kernels = importlib.import_module(f"spikeproof.train.kernels.{module}")
        for name, function in FUNCTIONS.items():
            wanted = list(inspect.signature(function).parameters.values())[1:]
            assert list(inspect.signature(getattr(kernels, name)).parameters.values()) == wanted, f"{module}.{name}"
        for name, group in GROUPS.items():
            value = getattr(kernels, name)
            assert value is None if name in LACKS[module] else isinstance(value, group)


def test_the_protocol_names_every_group():
    groups = {name for name, value in vars(api.Kernels).items() if isinstance(value, property)}
    assert groups == set(GROUPS)
    assert set(select._FUSED) == {"cpu", "cuda"}
    assert set(FUNCTIONS) == {"celif_scan", "celif_integers", "celif_forward", "celif_backward", "count"}


def test_nothing_probes_kernels_for_a_name():
    """`hasattr(kernels, "celif_dense_forwrad")` would be slow without a word."""
    for path in (*TRAIN.glob("blocks/*.py"), *TRAIN.glob("sequence/*.py"), *FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr"):
                assert "kernels" not in ast.unparse(node.args[0]), f"{path.name}: {ast.unparse(node)}"
