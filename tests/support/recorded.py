"""Numbers that components gave when their VERSION was stated: they may change only together with it.

A trial's id and the key of a store entry carry VERSION instead of a hash of source text, so code may be renamed and
moved freely; a change of its numbers is caught here. To record the numbers of a new component or of a raised VERSION:

    RECORD=1 .venv/bin/pytest tests/frontends/test_recorded.py      # or the recorded test of another kind

Numbers that are recorded under a component's VERSION are never overwritten: raise VERSION first.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parents[1] / "recorded"
GROUPS = 12  # neighbouring columns are described together
DIGITS = 7


def check(kind: str, name: str, version: int, cases: Mapping[str, npt.ArrayLike], tolerance: float = 1e-4) -> None:
    """Fails where the arrays of ``cases`` are not as recorded for ``name`` at ``version`` in ``recorded/<kind>.json``.

    Numbers may differ by ``tolerance`` times the magnitude of their group of columns: other processors add up in
    another order. With RECORD in the environment, cases that are not recorded yet for that version are added.
    """
    found = {case: described(np.asarray(values)) for case, values in cases.items()}
    entry = _read(kind).get(name, {})
    if os.environ.get("RECORD"):
        entry = _record(kind, name, version, found)
    command = f"RECORD=1 .venv/bin/pytest tests/{kind}, and commit tests/recorded/{kind}.json"
    assert entry.get("version") == version, (
        f"{kind}/{name}: VERSION is {version}, and recorded are numbers of VERSION {entry.get('version')}. If "
        f"{version} is right, record its numbers: {command}"
    )
    for case, description in found.items():
        assert case in entry["cases"], f"{kind}/{name}: the case {case!r} is not recorded: {command}"
        problem = difference(entry["cases"][case], description, tolerance)
        assert not problem, (
            f"{kind}/{name}: the numbers of {case!r} changed and VERSION ({version}) did not: {problem}. If they are "
            f"meant to change, set VERSION = {version + 1} in the component's file, then record them: {command}. "
            "Otherwise the last change broke them."
        )


def names(kind: str) -> set[str]:
    """The components of which numbers are recorded."""
    return set(_read(kind))


def described(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Shape and type, and of up to ``GROUPS`` groups of columns: magnitude, mean, deviation, two single values."""
    table = values.reshape(len(values) if values.ndim > 1 else 1, -1).astype(np.float64)
    groups = []
    for columns in np.array_split(table, min(GROUPS, table.shape[1]), axis=1):
        singles = columns[len(columns) // 2, 0], columns[-1, -1]
        numbers = np.abs(columns).mean(), columns.mean(), columns.std(), *singles
        groups.append([float(f"{number:.{DIGITS}g}") for number in numbers])
    return {"shape": list(values.shape), "type": str(values.dtype), "groups": groups}


def difference(recorded: Mapping[str, Any], found: Mapping[str, Any], tolerance: float) -> str:
    """The first difference between two descriptions in words; "" where they agree."""
    for what in ("shape", "type"):
        if recorded[what] != found[what]:
            return f"{what} {found[what]}, recorded {recorded[what]}"
    for number, (old, new) in enumerate(zip(recorded["groups"], found["groups"], strict=True)):
        margin = tolerance * (old[0] + old[2]) + 1e-12
        for what, a, b in zip(("magnitude", "mean", "deviation", "middle", "last"), old, new, strict=True):
            if not abs(a - b) <= margin:
                return f"{what} of column group {number} is {b:g}, recorded {a:g} (tolerance {margin:.1g})"
    return ""


def _record(kind: str, name: str, version: int, found: Mapping[str, Any]) -> dict[str, Any]:
    everything = _read(kind)
    entry: dict[str, Any] = everything.get(name, {})
    if entry.get("version") != version:
        entry = {"version": version, "cases": {}}
    entry["cases"] = dict(found) | entry["cases"]
    everything[name] = entry
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(dict(sorted(everything.items())), indent=1)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r",\s+", ", ", m[1]) + "]", text)  # a group a line
    (FOLDER / f"{kind}.json").write_text(text + "\n", encoding="utf-8")
    return entry


def _read(kind: str) -> dict[str, Any]:
    path = FOLDER / f"{kind}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content
