"""What the page shows of any run on demand: its confusion matrix on every corpus, and its learning curves.

It is gathered while a report reads the runs for itself, so that no file is read twice.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from ser.report.content import Content, Matrix, RunCurves
from ser.report.runs import Finished

MOST_MATRICES = 2000  # of a page: each is some 200 bytes
MOST_CURVES = 1000  # runs whose curves a page has

Curves = Callable[[Sequence[str], str], Mapping[str, list[float]]]  # (run ids, metric) → run id → its value per epoch


@dataclass
class Explored:
    """The runs that a report has read, as far as a page shows any of them."""

    classes: tuple[str, ...]
    _counts: dict[tuple[str, str], Counter[tuple[str, str]]] = field(default_factory=dict)  # (corpus, setting) → pairs
    _runs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _trained: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # run → its title and corpora

    def noted(self, runs: Iterable[Finished]) -> Iterator[Finished]:
        """Passes the runs on, and keeps what a page needs of each."""
        for run in runs:
            if run.run_id not in self._trained:
                self._add(run)
            yield run

    def _add(self, run: Finished) -> None:
        pairs: dict[str, Counter[tuple[str, str]]] = {}
        reader = csv.reader(run.text.splitlines())
        heads = next(reader, [])
        if {"corpus", "label", "predicted"} <= set(heads):
            places = [heads.index(name) for name in ("corpus", "label", "predicted")]
            for line in reader:
                corpus, label, predicted = (line[place] for place in places)
                if label and predicted:
                    pairs.setdefault(corpus, Counter())[label, predicted] += 1
        setting = run.title.partition(" · fold ")[0].partition(" · seed ")[0]
        for corpus, counts in pairs.items():
            self._counts.setdefault((corpus, setting), Counter()).update(counts)
            self._runs.setdefault((corpus, setting), []).append(run.run_id)
        if not run.same_as:
            self._trained[run.run_id] = run.title, tuple(filter(None, run.params.get("corpora", "").split(",")))

    def of(self, content: Content, curves: Curves, address: str) -> Content:
        """Returns the content with what the page shows on demand, as much of it as a page can hold."""
        return replace(
            content,
            confusions=tuple(islice(self._matrices(), MOST_MATRICES)),
            curves=tuple(self._curves(curves)),
            runs_address=address,
        )

    def _matrices(self) -> Iterator[Matrix]:
        for (corpus, setting), pairs in sorted(self._counts.items()):
            present = {name for pair in pairs for name in pair}
            classes = tuple(name for name in self.classes if name in present) or tuple(sorted(present))
            if present <= set(classes):
                counts = np.array([[pairs[truth, guess] for guess in classes] for truth in classes])
                yield Matrix(corpus, setting, classes, counts, tuple(self._runs[corpus, setting]))

    def _curves(self, curves: Curves) -> Iterator[RunCurves]:
        runs = dict(islice(self._trained.items(), MOST_CURVES))
        values: dict[str, dict[str, tuple[float, ...]]] = {}
        names = dict.fromkeys(f"val/ua/{corpus}" for _, corpora in runs.values() for corpus in corpora)
        for name in ("train/loss", "val/loss", *names):
            logging = [run for run, (_, corpora) in runs.items() if name not in names or name[7:] in corpora]
            for run, epochs in curves(logging, name).items():
                if len(epochs) > 1:
                    values.setdefault(run, {})[name] = tuple(epochs)
        for run, (title, _) in runs.items():
            if run in values:
                yield RunCurves(run, title, values[run])
