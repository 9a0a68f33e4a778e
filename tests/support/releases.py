"""What reports know of corpora, for tests: which are the release that a paper used."""

from typing import Any

from ser.study.release import Release


def whole(paper: str, *names: str, **others: str) -> dict[str, Any]:
    """Fields of ``Expected``: the study is the paper's, with ``names`` as its whole releases; ``others``: states."""
    states = dict.fromkeys(names, "whole") | others
    return {
        "paper": paper,
        "selections": {name: {} for name in names},
        "releases": {name: Release(state, file=f"{name}.csv") for name, state in states.items()},
    }
