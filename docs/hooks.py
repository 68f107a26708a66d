"""What the site needs beyond MkDocs: links to files of the repository, and the reference of all public names."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")

GROUPS = {
    "Networks and their blocks": (
        "celif", "cuba", "delays", "cpg", "Readout", "Classifier", "SequenceModel", "accelerate", "saturate",
        "reset_state", "compat",
    ),
    "Training": ("recipe", "fit", "Run", "tasks"),
    "Records and files": ("record", "export_netx", "load", "write", "stock", "lint", "records", "phase"),
    "Simulation and proof": ("simulate", "verify", "verify_recording", "bounds", "Sweep", "loihi2", "lava", "errors"),
}  # fmt: skip
"""Heading of the reference -> public names; a test compares them with all there are."""


def on_config(config: Any, **_: Any) -> Any:
    """Let the package be found by its name, which the repository's root need not have."""
    link = ROOT / "build" / "typing" / "spikeproof"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to("../..")
    sys.path.insert(0, str(link.parent))
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Write the names of files that are not part of the site, where pages in the repository link to them."""
    if page.file.src_uri == "reference/api.md":
        markdown += reference()
    return LINK.sub(lambda found: _link(found, page.file.src_uri), markdown)


def _link(found: re.Match[str], page: str) -> str:
    image, words, target = found.groups()
    path = target.partition("#")[0]
    if image or not path or "://" in target or target.startswith("mailto:"):
        return found.group()
    inside = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    if inside.startswith("docs/") and not (ROOT / inside).is_dir():
        return found.group()
    named = inside if words.strip("`") in inside else f"{words}, {inside}"
    return f"`{named.strip('`')}`" if named == inside else f"{words} (`{inside}`)"


def reference() -> str:
    """Return the text of the reference: each public name, from its own docstring."""
    import spikeproof

    lines = []
    for heading, names in GROUPS.items():
        lines += [f"\n## {heading}\n"]
        for name in names:
            module, attribute = spikeproof._PUBLIC[name]
            target = f"spikeproof{module}" + (f".{attribute}" if attribute else "")
            lines += [f"\n### `spikeproof.{name}`\n", f"\n::: {target}\n    options:\n      heading_level: 4\n"]
    return "\n".join(lines)
