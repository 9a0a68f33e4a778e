"""Corpora that trials are tested on without having learned from them: which, which utterances, and what forbids it.

A corpus is tested with the labels of the trial's classes: a class that it lacks stays without recall, and utterances
of other labels are left out and counted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ser import registry
from ser.data.leakage import Leak, Split
from ser.data.manifest import Manifest, Utterance
from ser.data.release import release_of
from ser.data.splits import eligible, fold_count
from ser.errors import BadInput, unknown
from ser.planning.sources import Source, Splits, sources_of
from ser.study import Corpus, Part, Study, Trial
from ser.study.components import completed
from ser.study.study import ALL, MEMBERS
from ser.study.trial import UNSEEN

_REMEDY = "leave it out of --test-on, or the corpora that it shares them with out of --corpora"


@dataclass(frozen=True)
class Test:
    """A corpus that a trial is tested on. ``key`` is that of its source, of which the test subset is meant."""

    __test__ = False  # for pytest: it is no class of tests

    corpus: Corpus  # as it is split in the trial's fold and by its seed
    key: str
    side: str  # "test" | "all": where its split tests nothing, too

    @property
    def mark(self) -> str:
        """Side, fingerprint and, of a test side, the split, as a word each: with another mark it is another test."""
        words = [self.side, self.corpus.fingerprint, *([str(self.corpus.split)] if self.side != ALL else [])]
        return " ".join(word.replace(" ", "") for word in words)


@dataclass(frozen=True)
class Tests:
    """All tests of a plan: by trial, the sources that they take, and what each of these is."""

    __test__ = False

    by_trial: Mapping[str, tuple[Test, ...]] = field(default_factory=dict)  # trial id -> its tests
    sources: Mapping[str, Source] = field(default_factory=dict)  # by ``Test.key``
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by ``Test.key``, for the record
    notes: tuple[str, ...] = ()


Brought = Mapping[str, tuple[Corpus, Manifest]]  # corpora of tests alone, by name
Labelled = Callable[[Corpus, Manifest], Sequence[Utterance]]  # the utterances of a corpus's classes


def tests_of(
    study: Study,
    trials: Iterable[Trial],
    corpora: Mapping[str, Corpus],
    manifests: Mapping[str, Manifest],
    sources: Mapping[str, Source],
    brought: Brought,
    labelled: Labelled,
) -> Tests:
    """Returns the tests that ``study`` asks for; ``corpora``, ``manifests`` and ``sources`` are those of its trials.

    Raises BadInput for a name that is no corpus, and for a named corpus that cannot be tested: Leak where it shares
    recordings with what a trial has learned from, or speakers, being the same corpus under another name. A corpus that
    "members" or "all" stands for is then left out of that trial, with a note.
    """
    names = study.comparison.test_on
    if not names:
        return Tests()
    every = {name: (corpora[name], manifests[name]) for name in corpora} | dict(brought)
    for name in names:
        if name not in (MEMBERS, ALL, *every):
            raise unknown(name, "--test-on", (MEMBERS, ALL, *every), "say where it is: NAME=PATH")
    names_to_test = list(every) if {MEMBERS, ALL} & set(names) else [name for name in every if name in names]
    return _Builder(study, every, sources, labelled).tests(list(trials), names_to_test)


@dataclass
class _Builder:
    study: Study
    every: Brought
    learned_from: Mapping[str, Source]
    labelled: Labelled
    sources: dict[str, Source] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def tests(self, trials: Sequence[Trial], names_to_test: Sequence[str]) -> Tests:
        pairs: list[tuple[Trial, Test]] = []
        for trial in trials:
            trained_on = {c.name for c in trial.corpora}
            pairs += [(trial, self._test(trial, name)) for name in names_to_test if name not in trained_on]
        for classes in dict.fromkeys(trial.classes for trial, _ in pairs):
            self._add_sources([(trial, test) for trial, test in pairs if trial.classes == classes])
        by_trial: dict[str, list[Test]] = {}
        for trial, test in pairs:
            if test.key in self.sources and self._is_apart(trial, test):
                by_trial.setdefault(trial.id, []).append(test)
        used = {test.key for tests in by_trial.values() for test in tests}
        sources = {key: source for key, source in self.sources.items() if key in used}
        facts = {key: _facts(self.study, source) for key, source in sources.items()}
        return Tests({k: tuple(v) for k, v in by_trial.items()}, sources, facts, tuple(self.notes))

    def _test(self, trial: Trial, name: str) -> Test:
        """The corpus in the trial's protocol and fold and by its seed; after its last fold comes the first again."""
        stated, _ = self.every[name]
        protocol, classes = trial.corpora[0].protocol, self.study.classes_of(stated)
        fold = max((c.split.values().get("fold", 0) for c in trial.corpora), default=0)
        corpus = stated.split_by(dict(self.study.comparison.protocols).get(protocol))
        if corpus.is_left_out_in_turn:  # whoever is not left out would train
            corpus = replace(corpus, split=completed("splits", Part(UNSEEN), UNSEEN))
        folds = self._folds(name, corpus.split)
        if corpus.split.name == "holdout":  # nothing is tested in its folds
            fold = 0
        corpus = replace(corpus.in_fold((fold - 1) % folds + 1 if fold and folds else fold), protocol=protocol)
        corpus = corpus.moved(trial.seed) if "split" in self.study.seed_moves else replace(corpus, seed=0)
        if trial.front_end.name != self.study.features.front_end.name and not self.study.comparison.systems:
            corpus = replace(corpus, front_end=())
        corpus = replace(corpus, classes=trial.classes, copies=0, fingerprint=self._fingerprints[name])
        side = self.study.comparison.test_side if corpus.tested and corpus.trains else ALL
        of = "" if trial.classes == classes else f" of {','.join(trial.classes)}"
        return Test(corpus, f"unseen/{side}/{corpus.source}{of}", side)

    def _folds(self, name: str, rule: Part) -> int:
        """How many folds the rule makes of a corpus, counted once."""
        if (name, rule) not in self._counts:
            self._counts[name, rule] = fold_count(self.every[name][1].utterances, rule)
        return self._counts[name, rule]

    @cached_property
    def _counts(self) -> dict[tuple[str, Part], int]:
        return {}

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {name: manifest.fingerprint for name, (_, manifest) in self.every.items()}

    def _add_sources(self, pairs: Sequence[tuple[Trial, Test]]) -> None:
        """The sources of tests by trials of the same classes; without those that have nothing to be tested."""
        labelled: dict[str, Sequence[Utterance]] = {}
        splits = _TestSplits(self.study.comparison.test_side, labelled)
        usable: dict[str, bool] = {}
        for _, test in pairs:
            if test.key not in usable:
                usable[test.key] = self._is_usable(test, labelled, splits)
        fits = [(trial, test) for trial, test in pairs if usable[test.key]]
        keys = {test.corpus.source: test.key for _, test in fits}
        plain = [replace(trial, corpora=(t.corpus,), balance=Part("none"), augmentation=()) for trial, t in fits]
        manifests = {name: self.every[name][1] for name in labelled}
        new_sources = sources_of(self.study, plain, manifests, labelled, splits)
        self.sources |= {keys[source]: each for source, each in new_sources.items()}

    def _is_usable(self, test: Test, labelled: dict[str, Sequence[Utterance]], splits: "_TestSplits") -> bool:
        name = test.corpus.name
        try:
            if name not in labelled:
                labelled[name] = self.labelled(test.corpus, self.every[name][1])
            return bool(splits(test.corpus).test)
        except BadInput as error:
            if name in self.study.comparison.test_on:
                raise
            self.notes[f"{name} is not tested: {error}"] = None
            return False

    def _is_apart(self, trial: Trial, test: Test) -> bool:
        learned = tuple(c.source for c in trial.corpora)
        error = self._leak(learned, test)
        if error is None:
            return True
        if test.corpus.name in self.study.comparison.test_on:
            raise error
        self.notes[f"{trial.combination}: {test.corpus.name} is not tested: {error}"] = None
        return False

    def _leak(self, learned: tuple[str, ...], test: Test) -> Leak | None:
        if (learned, test.key) not in self._leaks:
            self._leaks[learned, test.key] = self._leak_of(learned, test)
        return self._leaks[learned, test.key]

    @cached_property
    def _leaks(self) -> dict[tuple[tuple[str, ...], str], Leak | None]:
        return {}

    def _leak_of(self, learned: tuple[str, ...], test: Test) -> Leak | None:
        place, tested = f"--test-on {test.corpus.name}", self.sources[test.key].split.test
        for source in (self.learned_from[key] for key in learned):
            learned_by = self._learned_by(source.split)
            if shared := [u.uid for u in tested if u.recording in learned_by[0]]:
                value = f"{len(shared)} recordings of {source.corpus.name}, {shared[0]} among them"
                return Leak(value, place, "recordings that the trial has not learned from", _REMEDY)
            loader = test.corpus.loader.name
            if loader != source.corpus.loader.name or getattr(registry.find("corpora", loader), "ABOUT", None) is None:
                continue  # a format's speakers may be called alike and be others
            if names := sorted({_bare(u) for u in tested} & learned_by[1]):
                value = f"speakers {', '.join(names[:5])} of {source.corpus.name}, the same corpus under another name"
                return Leak(value, place, "speakers that the trial has not learned from", _REMEDY)
        return None

    def _learned_by(self, split: Split) -> tuple[set[object], set[str]]:
        """Recordings and speakers of the subsets that a trial learns from, or is chosen by."""
        key = id(split)
        if key not in self._learned:
            learned = (*split.train, *split.val)
            self._learned[key] = {u.recording for u in learned}, {_bare(u) for u in learned}
        return self._learned[key]

    @cached_property
    def _learned(self) -> dict[int, tuple[set[object], set[str]]]:
        return {}


def _bare(u: Utterance) -> str:
    """The speaker without the corpus's name."""
    return u.speaker.partition("/")[2]


class _TestSplits(Splits):
    """The test subsets that a study asks for: of a corpus's split, or every utterance."""

    def __init__(self, side: str, labelled: Mapping[str, Sequence[Utterance]]) -> None:
        super().__init__(labelled)
        self._side, self._utterances = side, labelled

    def __call__(self, corpus: Corpus) -> Split:
        """Returns the split, without training and validation where every utterance is tested. Raises BadInput."""
        if self._side != ALL and corpus.tested:
            return super().__call__(corpus)
        every = sorted(eligible(self._utterances[corpus.name], corpus.split), key=lambda u: u.uid)
        return Split(corpus.name, (), (), tuple(every))


def _facts(study: Study, source: Source) -> dict[str, Any]:
    """What a test's record has of the corpus, as plain values. ``unused``: labels of the whole corpus, with counts."""
    corpus, manifest, tested = source.corpus, source.manifest, source.split.test
    merge, classes = dict(study.labels.merge), study.classes_of(corpus)
    labels = Counter(merge.get(u.label, u.label) for u in manifest.utterances)
    present = {name for u in tested for name in source.labels.get(u.uid, (u.label,))}
    return {
        "corpus": corpus.name,
        "loader": corpus.loader.name,
        "fingerprint": corpus.fingerprint,
        "release": release_of(manifest).as_json(),
        "split": str(corpus.split),
        "fold": corpus.split.values().get("fold", 0),
        "seed": corpus.seed,
        "speakers": len({u.speaker for u in tested}),
        "absent": [name for name in classes if name not in present],
        "unused": {name: number for name, number in labels.most_common() if name not in classes},
        "merge": merge,
        "languages": sorted({u.language for u in tested if u.language}),
        "shared_recordings": 0,  # else it was refused
    }
