"""Texts longer than a column of a tracking store: cut into parts under keys of their own, and joined again.

SQLite takes texts of any length, PostgreSQL, MySQL and SQL Server do not, and MLflow cuts the ends off some without a
word. So nothing longer than ``MOST`` letters is ever sent.
"""

import re
from collections.abc import Mapping

MOST = 4900  # letters: 5,000 was the limit of tags before MLflow 2.11; 6,000 and 8,000 are those of params and tags
MOST_IN_A_NAME = 250  # letters of a run's name
_PART = re.compile(r"(.+)/part(\d+)")


def cut(values: Mapping[str, str]) -> dict[str, str]:
    """Returns ``values`` with every long text in parts: ``grid``, ``grid/part2``, ``grid/part3``."""
    out: dict[str, str] = {}
    for key, text in values.items():
        for at in range(0, max(len(text), 1), MOST):
            out[f"{key}/part{at // MOST + 1}" if at else key] = text[at : at + MOST]
    return out


def join(values: Mapping[str, str]) -> dict[str, str]:
    """Returns the values of which ``cut`` made these; texts of one part stay as they are."""
    out, parts = dict(values), []
    for key in values:
        if (match := _PART.fullmatch(key)) and match[1] in values:
            parts.append((match[1], int(match[2]), key))
    for first, _, key in sorted(parts):
        out[first] += out.pop(key)
    return out


def name(title: str) -> str:
    """Returns the title as the name of a run."""
    return title if len(title) <= MOST_IN_A_NAME else f"{title[: MOST_IN_A_NAME - 2]} …"
