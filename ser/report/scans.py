"""Speakers for runs made before predictions said who speaks, from the utterance tables that scans leave.

A table is used only if it is of the corpus as it was trained on: its fingerprint, over audio, labels, speakers, sexes,
sessions and splits, has to be the one that the runs have logged.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ser.report.predictions import FACTS
from ser.report.runs import Finished, Who


@dataclass(frozen=True, eq=False)
class Scans:
    """The utterance tables that fit the runs.

    ``who_speaks``: as of ``Options``; ``fingerprints``: of each corpus, as the runs have it.
    """

    who_speaks: Callable[[str, str], Who]
    fingerprints: Mapping[str, str]
    _known: dict[str, Who] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Says of which corpora tables have been used; () if of none."""
        used = [corpus for corpus, who in self._known.items() if who]
        if not used:
            return ()
        return (
            f"Who speaks on {', '.join(used)} is from the scans in the work folder, whose fingerprints are those that "
            "the runs have logged: the runs were made before their predictions said it.",
        )

    def completed(self, finished: Iterable[Finished]) -> Iterator[Finished]:
        """Yields the runs with who speaks, where it is known, in predictions that do not say it."""
        for run in finished:
            yield replace(run, text=self.filled(run.text))

    def file(self, given: Callable[[str, str], str | None]) -> Callable[[str, str], str | None]:
        """Returns ``given`` (run id, path) → text of an artifact, with the same of predictions."""

        def read(run_id: str, path: str) -> str | None:
            text = given(run_id, path)
            return self.filled(text) if text and path == "predictions.csv" else text

        return read

    def filled(self, text: str) -> str:
        """Returns a table of predictions with the columns FACTS; as it is if it has them, or if they are not known."""
        heads, *rows = csv.reader(io.StringIO(text, newline="")) if text else [[]]
        if not rows or not set(FACTS).isdisjoint(heads) or not {"corpus", "uid"} <= set(heads):
            return text
        corpus, uid = heads.index("corpus"), heads.index("uid")
        who = [self._who(row[corpus]).get(row[uid]) for row in rows]
        if not all(who):
            return text
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*heads, *FACTS])
        writer.writerows([*row, *(cells or ())] for row, cells in zip(rows, who, strict=True))
        return out.getvalue()

    def _who(self, corpus: str) -> Who:
        if corpus not in self._known:
            fingerprint = self.fingerprints.get(corpus, "")
            self._known[corpus] = self.who_speaks(corpus, fingerprint) if fingerprint else {}
        return self._known[corpus]
