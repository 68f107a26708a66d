"""What a notebook shows of verdicts, networks and traces: cards of HTML that need nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contract.net import Net
from ...export.describe import describe
from ...export.drawing import shape
from . import graph, style

if TYPE_CHECKING:
    from ..trace import Trace
    from ..verify.verdict import Verdict

_MOST = 60
"""The picture of a network of more layers is left to the report, where it can be moved."""


def verdict(found: Verdict) -> str:
    """Return the card of a verdict: the answer, what was found, how right it is, and the network."""
    word, colour = ("EXACT", "good") if found.exact else ("NOT EXACT", "bad")
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in (*found.sentences(), *found.scores.lines()))
    border = f"border-left: .5rem solid var(--{colour}); padding: .5rem 1rem; background: var(--card)"
    head = f'<b style="font-size: 1.4rem; color: var(--{colour})">{word}</b>'
    return _card(f'<div style="{border}">{head}{lines}</div>{_network(found.net)}')


def net(found: Net) -> str:
    """Return the card of a network: its graph, and a table of its layers."""
    rows = [
        (each["name"], each["neuron"], shape(each["shape"]), f"{each['weights']:,}", str(each["latency"]))
        for each in describe(found)["layers"]
    ]
    table = _table(("layer", "neuron", "neurons", "weights", "latency"), rows)
    return _card(_network(found) + table + f"<p>{found.steps:,} steps a sample</p>")


def trace(found: Trace) -> str:
    """Return the card of a trace: what it holds of each layer, and how much fired."""
    rows = []
    for name, of in found.layers.items():
        some = next(iter(of.values()))
        spikes = f"{int((of['s'] != 0).sum()):,}" if "s" in of else "none"
        rows.append((name, ", ".join(of), f"{some.shape[1]:,}", f"{some.shape[2]:,}", spikes))
    head = f"<b>Trace of {html.escape(found.backend)}, {found.num_samples:,} samples</b>"
    note = "<p>Its <code>plot()</code> draws the spikes of a sample.</p>"
    return _card(head + _table(("layer", "variables", "neurons", "steps", "spikes"), rows) + note)


def _network(found: Net) -> str:
    drawn = graph.graph(found)
    picture = "" if len(found.layers) > _MOST else f'<div class="graph">{_svg(drawn)}</div>'
    return f"<p>{html.escape(drawn.summary)}</p>{picture}"


def _svg(drawn: graph.Graph) -> str:
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    text: str = environment.get_template("graph.svg.j2").render(graph=drawn)
    wide = f'style="max-width: min(100%, {drawn.width}px)" viewBox='
    return "\n".join(filter(None, map(str.strip, text.replace("viewBox=", wide, 1).splitlines())))


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div style="overflow-x: auto"><table><tr>{head}</tr>{body}</table></div>'


def _card(inside: str) -> str:
    css = f"""{style.variables(_SCOPE)} {style.graph(f"{_SCOPE} .graph")}
{_SCOPE} {{ font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--page); padding: .4rem; }}
{_SCOPE} p {{ margin: .25rem 0; overflow-wrap: anywhere; }} {_SCOPE} th, {_SCOPE} td {{ text-align: left; }}"""
    return f'<div class="spikeproof-card"><style>{css}</style>{inside}</div>'


_SCOPE = ".spikeproof-card"
