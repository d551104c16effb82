"""The entries of `claims` in the results of a benchmark."""

from typing import Any


def claim(name: str, value: float, goal: str, met: bool) -> dict[str, Any]:
    """An entry of `claims`."""
    return {"name": name, "value": value, "goal": goal, "unit": "1", "met": bool(met)}
