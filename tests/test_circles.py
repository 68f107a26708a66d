"""No module of the package imports itself by way of others, neither when it is loaded nor in a function; no folder."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("contract", "export", "train", "lava_procs", "sim", "cli")

KNOWN: set[frozenset[str]] = set()
"""Circles of modules that are there; what is undone is taken out of this list, and nothing is added to it."""
KNOWN_FOLDERS = {
    # slayer/network.py asks the linter's words for modules, and the linter of modules makes a record
    frozenset({"export/lint", "export/slayer"}),
}
"""The same of folders."""


def modules():
    """Every module of the package by its name."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")] + list(ROOT.glob("*.py"))
    found = {}
    for path in paths:
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(["spikeproof", *(part for part in parts if part != "__init__")])] = path
    return found


def statements(node):
    """All import statements in a tree that run, those in functions among them, but not those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from statements(ast.Module(child.orelse, []))
        else:
            yield from statements(child)


def imports(name, path, known):
    """The modules of the package that a module imports: what it names, not the packages above that."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for one in statements(ast.parse(path.read_text())):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names if alias.name in known)
            continue
        base = package[: len(package) - one.level + 1] if one.level else []
        stem = ".".join([*base, *filter(None, [one.module])])
        for alias in one.names:
            inner = f"{stem}.{alias.name}"
            yield from (each for each in ([inner] if inner in known else [stem]) if each in known)


def circles(graph):
    """Groups of modules each of which reaches all others of its group (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = set()
            while node not in group:
                group.add(stack.pop())
            if len(group) > 1 or node in graph[node]:
                found.append(frozenset(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set(), "f": {"f"}}
    assert set(circles(graph)) == {frozenset("abc"), frozenset("f")}
    tree = ast.parse("if TYPE_CHECKING:\n import a\nelse:\n import b\ndef f():\n from . import c\n")
    assert [one.names[0].name for one in statements(tree)] == ["b", "c"]


def graph_of_modules():
    known = modules()
    return {name: set(imports(name, path, known)) - {name} for name, path in known.items()}


def test_nothing_is_imported_in_a_circle():
    graph = graph_of_modules()
    assert graph["spikeproof.sim.verify.verify"] >= {"spikeproof.contract.net", "spikeproof.sim.verify.pairing"}

    found = set(circles(graph))

    told = [" <-> ".join(sorted(group)) for group in found - KNOWN]
    assert not told, "modules import each other in a circle: " + "; ".join(told)
    assert found == KNOWN, "a circle is undone; take it out of KNOWN"


def test_no_folder_imports_another_in_a_circle():
    """Of folders side by side; what lies in a folder itself may use the folders in it, and they it."""
    known = modules()
    folder = {name: path.relative_to(ROOT).parent.as_posix() for name, path in known.items()}
    graph = {each: set() for each in folder.values()}
    for name, targets in graph_of_modules().items():
        for other in map(folder.get, targets):
            here = folder[name]
            if not (f"{here}/".startswith(f"{other}/") or f"{other}/".startswith(f"{here}/") or "." in (here, other)):
                graph[here].add(other)

    found = set(circles(graph))

    told = [" <-> ".join(sorted(group)) for group in found - KNOWN_FOLDERS]
    assert not told, "folders import each other in a circle: " + "; ".join(told)
    assert found == KNOWN_FOLDERS, "a circle is undone; take it out of KNOWN_FOLDERS"
