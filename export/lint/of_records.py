"""What the rules about records find."""

from __future__ import annotations

from ...contract.net import Net
from . import records, stock_netx
from .finding import Finding, Severity


def of_record(net: Net, stock_severity: Severity | None = None) -> list[Finding]:
    """Return what the rules about records find; faults of the stock path get `stock_severity`, if one is given."""
    found = records.RULES.findings(net)
    return found + stock_netx.RULES.findings(net, stock_severity) if stock_netx.has_path(net) else found
