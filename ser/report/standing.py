"""What a report's corpora are, in words, and so whether a paper's numbers stand beside ours."""

from collections.abc import Iterable

from ser.report.runs import Expected

OTHER_STUDY = "No paper's numbers are of this study, so none are shown."
MADE_CORPORA = (
    "Demo: the corpora are made, not recorded. The numbers show that everything runs, and nothing about emotion."
)
NO_PAPER = "No paper's numbers stand beside those of this study."


def standing(expected: Expected, published: bool = True) -> str:
    """Says whose corpora these are, and so whether the paper's numbers are shown, if a report has a paper's at all."""
    if not published:
        return MADE_CORPORA if expected.demo else NO_PAPER
    if expected.demo:
        return f"{MADE_CORPORA[:-1]}; the paper's numbers are not shown."
    if not expected.paper:
        return OTHER_STUDY
    shown = [c.name for c in expected.corpora if expected.printed_for(c.name)]
    if not shown:
        return f"The paper's numbers are not shown: {_why_not(expected, shown)}."
    whole = f"The paper's numbers stand below ours on {', '.join(shown)}: the whole release, as the study states it."
    others = f" They do not on others: {_why_not(expected, shown)}." if len(shown) < len(expected.corpora) else ""
    return whole + others


def _why_not(expected: Expected, shown: Iterable[str]) -> str:
    """Returns why a paper's numbers are not of the other corpora."""
    reasons = {c.name: described(expected, c.name) for c in expected.corpora if c.name not in shown}
    return "; ".join(f"{name} is {reason}" for name, reason in reasons.items()) or "there are no runs yet"


def described(expected: Expected, corpus: str) -> str:
    """Returns what a corpus is, in words: ``part of the release (48 of 1440 utterances)``."""
    release = expected.releases.get(corpus)
    if release is None:
        return "of no run yet"
    words = {
        "whole": "the whole release",
        "part": "part of the release",
        "other": "not the release",
        "made": "made, not recorded",
        "own": f"your own table {release.file}",
        "unknown": "of unknown origin",
    }[release.state]
    if release.state == "whole" and corpus in expected.selections and not expected.printed_for(corpus):
        words += ", in another selection than the study's"
    elif release.state == "whole" and corpus not in expected.selections:
        words += " of a corpus that is none of the study's"
    return f"{words} ({release.why})" if release.why and release.state != "own" else words
