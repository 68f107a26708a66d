"""Colours and strokes of all pictures, for light and for dark pages."""

from __future__ import annotations

_LIGHT = """--page: #ffffff; --card: #f6f6f4; --ink: #1c1917; --soft: #5c5650; --line: #e2e0dc;
    --good: #15803d; --bad: #b91c1c; --both: #134e4a; --expected: #2563eb; --found: #c2410c; --differs: #ef4444;
    --threshold: #7c3aed; --membrane: #0f766e; --cpg: #a16207; --cell: 37 99 235;"""
_DARK = """--page: #171614; --card: #211f1d; --ink: #f0eeeb; --soft: #aaa39b; --line: #3a3734;
    --good: #4ade80; --bad: #f87171; --both: #99f6e4; --expected: #60a5fa; --found: #fdba74; --differs: #ef4444;
    --threshold: #c4b5fd; --membrane: #5eead4; --cpg: #facc15; --cell: 96 165 250;"""

_DOTS = {"both": 0.95, "expected": 1.15, "found": 1.15, "cpg": 0.8}
"""Kind of dot -> its size as a share of the room that a spike has."""


def variables(scope: str = ":root") -> str:
    """Return CSS that sets the colours for what a selector selects."""
    return f"{scope} {{ {_LIGHT} }}\n@media (prefers-color-scheme: dark) {{ {scope} {{ {_DARK} }} }}"


def strokes(scope: str = "") -> str:
    """Return CSS for the paths of figures; ``--dot`` is how much room a spike has, in pixels."""
    dots = "\n".join(
        f"{scope} path.{kind} {{ stroke: var(--{kind}); stroke-width: calc(var(--dot, 3) * {size}px); }}"
        for kind, size in _DOTS.items()
    )
    return f"""{scope} path {{ fill: none; vector-effect: non-scaling-stroke; stroke-linecap: round;
  stroke-linejoin: round; stroke-width: 1.3px; }}
{dots}
{scope} path.differs {{ stroke: var(--differs); stroke-width: calc(var(--dot, 3) * .9px + 7px); stroke-opacity: .55; }}
{scope} path.threshold {{ stroke: var(--threshold); }} {scope} path.membrane {{ stroke: var(--membrane); }}
{scope} path.wide {{ stroke-width: 5px; stroke-opacity: .3; }}
{scope} path.spike {{ stroke: var(--found); stroke-width: 5px; }}"""


def graph(scope: str) -> str:
    """Return CSS for the picture of a network."""
    rules = (
        "text { font: 15px system-ui, sans-serif; fill: var(--ink); }",
        ".name { font-weight: 600; }",
        ".small { font-size: 13px; fill: var(--soft); }",
        ".size { font-size: 12px; text-anchor: end; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }",
        "rect { fill: var(--page); stroke: var(--soft); stroke-width: 1.2; }",
        ".input rect { fill: var(--card); stroke-dasharray: 4 3; }",
        ".answer rect { stroke: var(--good); stroke-width: 3; }",
        ".mark { font-size: 12px; font-weight: 600; fill: var(--good); }",
        ".tip, {scope} .near { vector-effect: none; }",
        ".line { fill: none; stroke: var(--soft); stroke-width: 1.4px; }",
        ".edge .line { stroke: var(--found); }",
        ".feedback .line, {scope} .back .line { stroke: var(--threshold); }",
        ".tip { fill: var(--soft); stroke: none; }",
        ".edge .tip { fill: var(--found); }",
        ".feedback .tip, {scope} .back .tip { fill: var(--threshold); }",
        ".near { fill: none; stroke: transparent; stroke-width: 11px; }",
        ".lit .line { stroke-width: 3px; }",
        ".lit .size { font-weight: 700; }",
        ".faint { opacity: .22; }",
    )
    return "\n".join(f"{scope} {rule}".replace("{scope}", scope) for rule in rules)
