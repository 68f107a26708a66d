"""What the site needs beyond MkDocs: links to files of the repository, and the reference of all public names.

MkDocs and griffe are imported where they are used, so that a test can read `GROUPS` without them.
"""

from __future__ import annotations

import logging
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "docs" / "spikeproof"
log = logging.getLogger("mkdocs.hooks")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")

GROUPS = {
    "Networks and their blocks": (
        "celif", "cuba", "delays", "cpg", "Readout", "Classifier", "SequenceModel", "accelerate", "saturate",
        "reset_state", "compat",
    ),
    "Training": ("recipe", "fit", "Run", "tasks"),
    "Records and files": ("record", "export_netx", "load", "write", "stock", "lint", "records", "phase"),
    "Simulation and proof": (
        "simulate", "network_input", "verify", "verify_recording", "bounds", "neurobench", "Sweep", "loihi2",
        "lava", "errors",
    ),
}  # fmt: skip
"""Heading of the reference -> public names; a test compares them with all there are."""

WRAPPED = {"verify": "spikeproof.sim.verify.verify.verify"}
"""Public names that are a wrapper -> what has their docstring and signature."""


def slug(heading: str) -> str:
    """Return the name of the page of a group."""
    return heading.lower().replace(" ", "_")


def on_startup(**_: Any) -> None:
    """Let the package be found by its name, and without what lies beside it: environments, tests, this site.

    At the start, since what reads docstrings looks for its folders before other events reach these hooks.
    """
    SOURCE.mkdir(parents=True, exist_ok=True)
    for path in (*ROOT.glob("*.py"), *(init.parent for init in ROOT.glob("*/__init__.py"))):
        link = SOURCE / path.name
        if not link.exists():
            link.symlink_to(path)
    sys.path.insert(0, str(SOURCE.parent))


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add a page for each group of public names."""
    from mkdocs.structure.files import File

    for heading, names in GROUPS.items():
        files.append(File.generated(config, f"reference/{slug(heading)}.md", content=reference(heading, names)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Write the names of files that are not part of the site, where pages in the repository link to them."""
    if page.file.src_uri == "reference/api.md":
        markdown += overview()
    return LINK.sub(lambda found: _link(found, page.file.src_uri), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the scripts for formulas and diagrams that notebooks would load from elsewhere, and fix hyphens.

    A type in a docstring is read as an expression, and the hyphen of "path-like" as a minus.
    """
    html = re.sub(r"<script(?:(?!</script>).)*?cdnjs.*?</script>", "", html, flags=re.S)
    return html.replace(" - like</code>", "-like</code>")


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Warn, which ends the build, if a page would load anything from elsewhere."""
    for found in re.findall(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?(https?:[^"' >]*)""", output):
        log.warning("%s would load %s", page.file.src_uri, found)
    for found in re.findall(r"""(?:import\s[^;]*?|@import |url\()["']?(https?:[^"')]*)""", output):
        log.warning("%s would load %s", page.file.src_uri, found)
    return output


def _link(found: re.Match[str], page: str) -> str:
    image, words, target = found.groups()
    path = target.partition("#")[0]
    if image or not path or "://" in target or target.startswith("mailto:"):
        return found.group()
    inside = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    if inside.startswith("docs/") and not (ROOT / inside).is_dir():
        return found.group()
    return f"`{inside}`" if words.strip("`") in inside else f"{words} (`{inside}`)"


def _target(name: str) -> str:
    """Return where a public name is defined, which the pages are made from."""
    import spikeproof

    if name in WRAPPED:
        return WRAPPED[name]
    module, attribute = spikeproof._PUBLIC[name]
    return f"spikeproof{module}" + (f".{attribute}" if attribute else "")


def reference(heading: str, names: tuple[str, ...]) -> str:
    """Return the page of a group: each public name, from its own docstring."""
    lines = [f"# {heading}\n", "Everything here is `spikeproof.NAME`. [All public names](api.md) are on one page.\n"]
    for name in names:
        options = (
            f'    options:\n      heading: "spikeproof.{name}"\n      toc_label: "{name}"\n      heading_level: 2\n'
        )
        lines += [f'<a id="{name}"></a>\n', f"::: {_target(name)}\n{options}"]
    return "\n".join(lines)


def overview() -> str:
    """Return a table for each group: the names and what each one is."""
    import griffe

    # Read and not imported, so that no library of the package need be installed.
    package = griffe.load("spikeproof", search_paths=[str(SOURCE.parent)], try_relative_path=False)
    lines = []
    for heading, names in GROUPS.items():
        lines += [f"\n## {heading}\n", "| name | what it is |", "|---|---|"]
        for name in names:
            said = package[_target(name).partition(".")[2]].docstring.value.partition("\n\n")[0]
            lines.append(f"| [`{name}`]({slug(heading)}.md#{name}) | {said.replace(chr(10), ' ')} |")
    return "\n".join(lines)
