"""How corpora were split, from the proofs that runs left: who is tested, and how much each subset has.

Of each split one run's proof is read, and of very many splits only the first.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MOST_READ = 60  # proofs: each is a file of a run, which may lie far away
FEW_SPEAKERS, FEW_UTTERANCES = 10, 100  # tested: fewer are said to be few


@dataclass(frozen=True)
class SplitOfRun:
    """One way, fold and seed of a corpus's split, and a finished run that has its proof."""

    corpus: str
    rule: str  # with its settings, but fold and seed
    fold: int
    seed: str
    copies: str  # augmented ones of the training subset
    run_id: str


@dataclass(frozen=True)
class ProvedSplit:
    """A split with its proof, as ``ser.data.leakage.prove`` writes it."""

    of: SplitOfRun
    proof: Mapping[str, Any]


@dataclass(frozen=True)
class Splits:
    """All splits of a report's runs, and those whose proof was read."""

    runs: tuple[SplitOfRun, ...] = ()  # that have the proofs, one for each split
    augmentation: str = ""  # kinds, and where each has its noise or rooms from
    proved: tuple[ProvedSplit, ...] = ()

    def read(self, file: Callable[[str, str], str | None]) -> "Splits":
        """Returns the splits with their proofs. ``file``: (run id, path) → its text, None where there is none."""
        texts = ((s, file(s.run_id, f"split/{s.corpus}.json")) for s in self.runs[:MOST_READ])
        return replace(self, proved=tuple(ProvedSplit(s, json.loads(text)) for s, text in texts if text))


@dataclass
class SplitRuns:
    """Gathers the splits of runs: of each one run that has its proof."""

    found: dict[tuple[str, ...], SplitOfRun] = field(default_factory=dict)
    augmentation: str = ""

    def add(self, run_id: str, params: Mapping[str, str]) -> None:
        """Takes in a finished run; the trials of a search by folds are passed over, whose folds lie within training."""
        if params.get("role") == "candidate" and any(v != "0" for k, v in params.items() if k.endswith(".split.fold")):
            return
        for name in filter(None, params.get("corpora", "").split(",")):
            place = f"corpus.{name}.split"
            settings = {k.removeprefix(f"{place}."): v for k, v in params.items() if k.startswith(f"{place}.")}
            fold, seed = int(settings.pop("fold", 0)), settings.pop("seed", "")
            told = {k: v for k, v in settings.items() if k != "version" and v not in ("False", "None")}
            words = ", ".join(f"{k} {v or 'none'}" for k, v in told.items())
            rule = params.get(place, "unknown") + (f" ({words})" if words else "")
            copies = params.get(f"corpus.{name}.copies", "0")
            split = SplitOfRun(name, rule, fold, seed, copies, run_id)
            self.found.setdefault((name, rule, str(fold), seed, copies), split)
        self.augmentation = self.augmentation or _kinds(params)

    @property
    def splits(self) -> Splits:
        """The splits in order: those of the first seed come first."""
        return Splits(tuple(sorted(self.found.values(), key=lambda s: (int(s.seed or 0), s.fold))), self.augmentation)


def _kinds(params: Mapping[str, str]) -> str:
    """The augmentations of a run: ``noise (generated), vtlp, rir (recordings 1a2b)``."""
    kinds = []
    for name in filter(None, params.get("augmentation", "").split(",")):
        source = params.get(f"augmentation.{name}.source", "")
        told = f" ({source})" if source == "generated" else f" (recordings {source})" if source else ""
        kinds.append(name + told)
    return ", ".join(kinds)


def tested_speakers(way: Iterable[ProvedSplit]) -> list[str]:
    """Names of all speakers that some fold tests, without their corpus."""
    return sorted({name.partition("/")[2] or name for one in way for name in one.proof["speakers"].get("test", ())})


def few_tested(splits: Splits) -> list[str]:
    """Says of each corpus on which few are tested what that means."""
    ways: dict[str, list[ProvedSplit]] = {}
    for one in splits.proved:
        ways.setdefault(one.of.corpus, []).append(one)
    notes = []
    for corpus, way in ways.items():
        speakers, utterances = len(tested_speakers(way)), _most_tested(way)
        if not utterances or (speakers >= FEW_SPEAKERS and utterances >= FEW_UTTERANCES):
            continue
        note = f"Few are tested on {corpus}: {_counted(speakers, 'speaker')}, {_counted(utterances, 'utterance')}"
        if speakers < FEW_SPEAKERS:
            note += "; intervals by speaker mean little there, and results say little of other speakers"
        if utterances < FEW_UTTERANCES:
            note += f"; each utterance is {100 / utterances:.1f} points of WA"
        notes.append(f"{note}.")
    return notes


def _most_tested(way: Sequence[ProvedSplit]) -> int:
    """Tested utterances of all folds of the first rule and seed."""
    first = next((one.of for one in way if one.proof["utterances"].get("test")), way[0].of)
    counts = Counter[int]()
    for one in way:
        if (one.of.rule, one.of.seed) == (first.rule, first.seed):
            counts[one.of.fold] = one.proof["utterances"].get("test", 0)
    return counts.total()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
