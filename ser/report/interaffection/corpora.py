"""Table 1 of da Silva et al.: the corpora as they were used."""

import json
from collections.abc import Mapping

from ser.report.content import HOLE, Row, Table
from ser.report.interaffection.results import Grid, TrialKey
from ser.report.runs import Finished, Options


def corpus_table(trainings: Mapping[TrialKey, Finished], grid: Grid, options: Options) -> Table:
    """Speakers, utterances and classes of each corpus, by the proof of its split that a run has left."""
    rows = []
    for corpus in grid.corpora:
        run = next((run for key, run in trainings.items() if corpus in key[0]), None)
        text = options.file(run.run_id, f"split/{corpus}.json") if run else None
        rows.append(Row("", corpus, _counts(text) if text else (HOLE, HOLE, HOLE)))
    return Table(
        "table1",
        "Table 1: the corpora as used",
        "All subsets of the split of one run. The paper counts the releases, with every class and recording; these are "
        "the utterances of the classes and recordings that the study selects.",
        ("Speakers", "Utterances", "Classes"),
        tuple(rows),
        unit="",
        grouped="",
        brief=True,
        typeset=False,
        named="Corpus",
    )


def _counts(text: str) -> tuple[str, str, str]:
    """Speakers, utterances and classes of a split's proof."""
    proof = json.loads(text)
    speakers = {name for names in proof["speakers"].values() for name in names}
    classes = {name for counts in proof["per_class"].values() for name in counts}
    return str(len(speakers)), str(sum(proof["utterances"].values())), str(len(classes))
