"""What runs gave on corpora that they did not learn from, and beside it on those that they did.

A run has been tested on a stranger in one of two ways: as a corpus beside its own, which leaves ``cross/<corpus>.csv``
and ``cross/<corpus>.json``, or as one of its own whose split is ``unseen``, which is a part of ``predictions.csv``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ser.report.predictions import LabelPredictions, columns, of_heads, single_label
from ser.report.runs import Finished
from ser.study.trial import UNSEEN

TAG = "cross/"  # tags, metrics and files of tests on strangers begin so

Texts = tuple[str, str]  # predictions of a corpus as CSV, and facts of the test as JSON


@dataclass(frozen=True, eq=False)
class CrossRun:
    """A finished run with the files of its tests on strangers."""

    run: Finished
    files: Mapping[str, Texts] = field(repr=False)  # by corpus


@dataclass(frozen=True, eq=False)
class Test:
    """A run on one corpus."""

    run: Finished  # without its text
    learned: tuple[str, ...]  # the corpora that it learned from
    corpus: str
    answers: LabelPredictions
    heads: Mapping[str, LabelPredictions]  # of each head, where several were asked and their mean was taken

    @property
    def seen(self) -> bool:
        """Whether the run learned from other speakers of the corpus."""
        return self.corpus in self.learned


def unseen_of(params: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the corpora of a run that trained nothing in it."""
    names = filter(None, params.get("corpora", "").split(","))
    return tuple(name for name in names if params.get(f"corpus.{name}.split") == UNSEEN)


def learned_from(params: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the corpora that a run learned from."""
    names, left_out = filter(None, params.get("corpora", "").split(",")), unseen_of(params)
    return tuple(name for name in names if name not in left_out)


def tests_of(each: CrossRun, classes: Sequence[str]) -> Iterator[Test]:
    """Yields all tests of a run whose answers are one label an utterance. Raises BadInput for labels of no class."""
    run, learned, done = replace(each.run, text=""), learned_from(each.run.params), set()
    names = each.run.params.get("classes", ",".join(classes)).split(",")
    for text in (each.run.text, *(table for table, _ in each.files.values())):
        part = replace(each.run, text=text)
        if not {"predicted", "segment"} & set(columns(part)):  # several labels, or dimensions alone
            continue
        heads = of_heads(part, names)
        for corpus, answers in single_label(part, names).items():
            if corpus not in done:
                done.add(corpus)
                yield Test(run, learned, corpus, answers, heads.get(corpus, {}))


def facts_of(runs: Iterable[CrossRun]) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the facts of all tests on strangers, by corpus; each that differs once."""
    by_corpus: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in runs:
        for corpus, (_, text) in each.files.items():
            facts = json.loads(text) if text else {}
            same = {k: v for k, v in facts.items() if k not in ("model", "code_version", "per_class")}
            by_corpus.setdefault(corpus, {}).setdefault(json.dumps(same, sort_keys=True), facts)
    return {corpus: list(by_text.values()) for corpus, by_text in by_corpus.items()}
