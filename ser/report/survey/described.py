"""What the short names of systems stand for: whose work it is, in the survey's words, and what was run."""

from ser.report.content import HOLE, Row, Table
from ser.report.survey.published import CLAIMS, CLASSIFIERS, FAMILIES, SYSTEMS, TABLE_1
from ser.report.survey.results import Bench
from ser.report.survey.tables import TYPESET

_OWN = {  # works that the survey's text names without a row of its table
    "autoencoder": "recurrent autoencoder, named in the text",
    "lim": "Lim et al., named in the text",
    "trigeorgis": "Trigeorgis et al., named in the text",
}


def described(bench: Bench) -> Table:
    """Returns every system with its work, front-end and model; the last two as the runs state them."""
    rows = []
    for system in bench.systems:
        work, words = work_of(system)
        params = next((r.folds[0].run.params for key, r in bench.results.items() if key[2] == system), {})
        parts = (_name(params.get("front_end", "")), _name(params.get("block", "")))
        balance = params.get("balance", "none")
        rows.append(Row("", system, (work, words, *parts, "" if balance == "none" else balance)))
    return Table(
        "described",
        "What the systems are",
        "Work: as the survey names it; the systems of families are every kind of its features with every classifier "
        "(section 4). Survey: its words. Front-end and model: what was run, by the names of `ser show`; settings are "
        "in the study's file. Balance: how training classes are evened out, beyond weights.",
        ("Work", "Survey", "Front-end", "Model", "Balance"),
        tuple(rows),
        grouped="",
        brief=True,
        typeset=len(rows) <= TYPESET,
    )


def work_of(system: str) -> tuple[str, str]:
    """Returns whose work a system is, and what the survey calls it.

    >>> work_of("wu_lda")
    ('Wu et al. [14]', 'LDA with MSFs and prosodic features')
    >>> work_of("mfcc_svm")
    ('Pinto et al., section 4', 'mfcc features, svm')
    >>> work_of("my_own")
    ('–', '–')
    """
    rows = [claim.row for claim in CLAIMS if claim.system == system]
    rows += [claim.row for claim in CLAIMS if claim.system.partition("_")[0] == system.partition("_")[0]]
    if rows and system in SYSTEMS:
        return rows[0], TABLE_1[rows[0]][1]
    family, _, classifier = system.rpartition("_")
    if family in FAMILIES and classifier in CLASSIFIERS:
        return "Pinto et al., section 4", f"{family} features, {classifier}"
    return _OWN.get(system, HOLE), HOLE


def _name(text: str) -> str:
    """The name of a component, as a run states it: ``mfcc`` of ``mfcc(rate_hz=16000)``."""
    return text.partition("(")[0] or HOLE
