"""Where the numbers of a report come from, as the runs themselves recorded it: machines, versions, commands, data.

Nothing is of the machine on which the report is written.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ser.runs.reader import Run

NOT_RECORDED = "not recorded"
_LISTED = 8  # values of a fact
_COMMIT = re.compile(r"(?P<version>[^+]+)\+(?P<commit>.+)")


@dataclass(frozen=True)
class Fact:
    """One thing that runs record, and the runs of each of its values, the most frequent first."""

    name: str
    values: tuple[tuple[str, int], ...]

    @property
    def listed(self) -> tuple[str, ...]:
        """The values for people: with the numbers of runs where there are several, and not too many of them."""
        if len(self.values) == 1:
            return (self.values[0][0],)
        texts = [f"{text} ({_runs(number)})" for text, number in self.values[:_LISTED]]
        rest = self.values[_LISTED:]
        if rest:
            texts.append(f"and {len(rest)} more ({_runs(sum(number for _, number in rest))})")
        return tuple(texts)


@dataclass
class Recorded:
    """What finished runs record, counted run by run."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    corpora: dict[str, Counter[str]] = field(default_factory=dict)  # name → fingerprints
    number: int = 0

    def add(self, run: Run) -> None:
        """Takes in a finished run."""
        tags, params = run.data.tags, run.data.params
        self.number += 1
        code = _COMMIT.fullmatch(tags.get("code_version", ""))
        self._count("Machine", tags.get("machine", ""))
        self._count("Processor", tags.get("processor", ""))
        if "gpu" in tags:
            self._count("GPU", tags["gpu"])
        self._count("ser", code["version"] if code else tags.get("code_version", ""))
        self._count("Commit", code["commit"] if code else "")
        self._count("Libraries", tags.get("versions", ""))
        self._count("Command", tags.get("command", ""))
        self._count("Precision", params.get("training.precision", "none: fitted, not trained"))
        self._count("Seed", params.get("seed", ""))
        for key in (key for key in tags if key.startswith("fingerprint/")):
            self.corpora.setdefault(key.removeprefix("fingerprint/"), Counter())[tags[key]] += 1

    def _count(self, name: str, text: str) -> None:
        self.counts.setdefault(name, Counter())[text or NOT_RECORDED] += 1

    def facts(self) -> tuple[Fact, ...]:
        """Returns what was counted; nothing without runs."""
        if not self.number:
            return ()
        data = {f"Data, {corpus}": fingerprints for corpus, fingerprints in sorted(self.corpora.items())}
        seeds = self.counts["Seed"]
        in_order = tuple((seed, seeds[seed]) for seed in sorted(seeds, key=lambda seed: (len(seed), seed)))
        facts = [Fact(name, _sorted(values)) for name, values in {**self.counts, **data}.items() if name != "Seed"]
        return (Fact("Finished runs", ((str(self.number), self.number),)), *facts, Fact("Seeds", in_order))


def _sorted(values: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(values.items(), key=lambda item: (-item[1], item[0])))


def _runs(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"


def in_words(facts: Iterable[Fact]) -> list[str]:
    """Returns a line for each fact: ``Processor: Intel Xeon, AVX512, 1 thread``."""
    return [f"{fact.name}: {'; '.join(fact.listed)}" for fact in facts]
