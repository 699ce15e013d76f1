"""The last door before a solved plan acts: one that breaks a limit or a balance gives way to the last safe one."""

from __future__ import annotations

from dispatch.outlook import Outlook
from dispatch.validate import validate_plan
from gridcore.network import Network
from gridcore.plan import Plan
from gridcore.state import GridState


def breach(network: Network, plan: Plan, state: GridState, outlook: Outlook) -> str:
    """The first limit or balance that a plan breaks, in words; empty for a good plan.

    Args:
        network: The grid.
        plan: The plan, over periods of the outlook.
        state: The state at the start of its first period.
        outlook: What it was made for.
    """
    found = validate_plan(network, plan, state, outlook)
    if not found:
        return ""
    first = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"breaks {first.rule} at {first.place}, {first.instant}: {first.got:.6g}, limit {first.wanted:.6g}{more}"
