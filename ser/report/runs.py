"""The input of a report: finished runs with their predictions, and what the study expects, so that holes show."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ser.report.deviations import Deviation, Stated
from ser.report.encoder_names import renamed
from ser.report.provenance import Fact
from ser.report.splits import Splits
from ser.runs.progress import Best
from ser.study.release import Release

RESAMPLED = ("speaker", "utterance")

Who = Mapping[str, tuple[str, ...]]  # uid → speaker, sex, session, sentence


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run as a report sees it. Of ten thousand only one is looked at at a time: keep little of each."""

    trial_id: str
    run_id: str
    title: str
    params: Mapping[str, str]  # the whole flat statement, or what the report says it reads (PARAMS)
    scores: Mapping[str, float]  # final metrics: all, or those whose names begin as the report says (SCORES)
    same_as: str  # id of the trial whose training this run shares, or ""
    text: str = field(repr=False)  # predictions.csv: corpus, uid, ...; "" where nothing was tested


@dataclass(frozen=True)
class Hole:
    """A trial that lacks results."""

    title: str
    untested: tuple[str, ...]  # corpora it was not tested on
    error: str = ""


@dataclass(frozen=True)
class Reference:
    """A plain reference beside a study's trials (see ``ser.study.references``), which no grid counts."""

    title: str
    model: str
    corpus: str
    setting: str  # what tells its split from others of the corpus, but fold and seed: the protocol; "" = nothing
    fold: int
    seed: int
    run_id: str = ""  # of its finished run, "" without one
    error: str = ""  # its last, where it is not finished
    trials: int = 0  # of the study that were tested on the same split
    better: int = 0  # those of them whose UA (or balanced accuracy) is higher

    @property
    def hole(self) -> str:
        """What is to be said of a reference without results: ``R · reference svm (killed)``."""
        return f"{self.title} ({self.error or 'not run yet'})"


@dataclass(frozen=True)
class UsedCorpus:
    """A corpus of a study as its runs name it."""

    name: str
    letter: str
    tested: bool


@dataclass(frozen=True)
class Expected:
    """The trials that a study expects. ``trials`` are those that can be named in advance, and maybe not all."""

    study: str
    title: str
    report: str  # folder of ser/report, "" = general
    classes: tuple[str, ...]
    corpora: tuple[UsedCorpus, ...]
    mode: str  # "paper" | "sound" | ""
    trials: tuple[tuple[str, Mapping[str, Any]], ...]  # (title, its point and seed)
    count: int  # all trials, those that cannot be named too
    seeds: tuple[int, ...]
    demo: bool  # made corpora
    paper: str = ""  # the report whose printed numbers are of this study, "" = no paper's are
    selections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # published corpora of the study → loader
    releases: Mapping[str, Release] = field(default_factory=dict)  # corpus → what it is of its published release
    notes: tuple[str, ...] = ()  # facts to print: deviations, sources, fingerprints, variants left out
    uncounted: tuple[str, ...] = ()  # those of the notes that tell of runs which are not counted
    failures: Mapping[str, str] = field(default_factory=dict)  # trial title → last error
    systems: tuple[str, ...] = ()  # where a study compares whole systems: those that were asked for
    folds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # corpus → protocol → folds, where it has them
    unmet: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # corpus → system → what it lacks for that
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # corpus → that of its utterance table
    seed_moves: tuple[str, ...] = ("weights",)  # what another seed changes: also "split", "augmentation"
    unlike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # title → ids of its several trials, as begun
    deviations: tuple[Deviation, ...] = ()  # settings in which runs differ from the study's file
    origins: tuple[Stated, ...] = ()  # what the study states beyond its paper
    splits: Splits = field(default_factory=Splits)  # as far as proofs of them were read
    references: tuple[Reference, ...] = ()  # beside the trials; () also where the runs were begun without any
    encoders: Mapping[str, str] = field(default_factory=dict)  # name of each pretrained encoder → its identity
    has_numbers: bool = False  # whether runs predict ratings, or learned from shares of votes
    crossed: tuple[str, ...] = ()  # corpora that some run was tested on without having learned from them
    precisions: Mapping[str, int] = field(default_factory=dict)  # training.precision → finished networks
    recorded: tuple[Fact, ...] = ()  # by the finished runs, of machines, versions, commands, data
    best: tuple[Best, ...] = ()  # result of a single run on each corpus
    other_variants: int = 0  # whose runs, of other settings or corpora, are not counted

    def printed_for(self, corpus: str) -> bool:
        """Whether a paper's printed numbers on this corpus may stand beside ours.

        They are of this study, and the corpus is the whole release of it, in the selection that the study states.
        """
        release = self.releases.get(corpus)
        whole = release is not None and release.state == "whole" and release.settings == self.selections.get(corpus)
        return bool(self.paper) and whole and not self.demo

    @property
    def printed_overall(self) -> bool:
        """Whether printed numbers over all corpora may stand beside ours: all published ones of the study are used."""
        return bool(self.selections) and all(map(self.printed_for, self.selections)) and not self.strangers

    @property
    def printed_anywhere(self) -> bool:
        """Whether any corpus that is used has printed numbers beside ours."""
        return any(self.printed_for(c.name) for c in self.corpora)

    @property
    def strangers(self) -> tuple[str, ...]:
        """Corpora that are used, are published, and are none of the study's."""
        return tuple(n for n, r in self.releases.items() if r.state != "own" and n not in self.selections)

    @property
    def letters(self) -> dict[str, str]:
        """Corpus → its letter."""
        return {c.name: c.letter for c in self.corpora}

    @property
    def tested(self) -> tuple[str, ...]:
        """Names of the corpora that have a test side."""
        return tuple(c.name for c in self.corpora if c.tested)

    @property
    def corpora_in_words(self) -> str:
        """For people: ``I = iemocap, T = tess (train only)``."""
        return ", ".join(f"{c.letter} = {c.name}" + ("" if c.tested else " (train only)") for c in self.corpora)

    def with_names(self, names: Mapping[str, str]) -> "Expected":
        """Returns it with names of encoders in place of their identities, and with these (see ``encoder_names``)."""
        if not names:
            return self
        changed = {
            name: renamed(getattr(self, name), names) for name in ("trials", "notes", "uncounted", "failures", "unlike")
        }
        deviations = tuple(replace(d, runs=renamed(d.runs, names)) for d in self.deviations)
        references = tuple(replace(r, title=renamed(r.title, names)) for r in self.references)
        encoders = {name: identity for identity, name in names.items()}
        return replace(self, **changed, deviations=deviations, references=references, encoders=encoders)

    def holes(self, finished: Collection[str]) -> tuple[Hole, ...]:
        """Returns what is missing where trials of these titles are finished.

        Trials that cannot be named come last, as one.
        """
        done = set(finished)
        titles = dict.fromkeys([*(title for title, _ in self.trials), *self.failures])
        missing = [title for title in titles if title not in done]
        holes = [Hole(title, self.tested, self.failures.get(title, "")) for title in missing]
        if rest := self.count - len(done) - len(missing):
            holes += [Hole(f"{rest} trials of the search", self.tested)] if rest > 0 else []
        return tuple(holes)


def _no_curve(run_id: str, metric: str) -> list[float]:
    return []


def _nobody(corpus: str, fingerprint: str) -> Who:
    return {}


def _no_references() -> Sequence[Finished]:
    return ()


def _no_others(study: str) -> Sequence[Finished]:
    return ()


def _no_file(run_id: str, path: str) -> str | None:
    return None


@dataclass(frozen=True)
class Options:
    """The rules by which a report counts, and where it finds what is not in the predictions."""

    ties: str = "fractional"  # "fractional" | "first"
    replicates: int = 1000  # bootstrap resamples behind the 95 % intervals, 0 for none
    resample: str = "speaker"  # what a replicate draws: one of RESAMPLED
    equivalence: str = "training.precision"  # the setting of which every two values are tested for equivalence
    written_by: str = ""  # version of the program that writes the report
    margin: float = 0.02  # the difference of accuracies that would not matter
    curve: Callable[[str, str], list[float]] = _no_curve  # (run id, metric) → its value per epoch; [] if never logged
    file: Callable[[str, str], str | None] = _no_file  # (run id, path) → text of an artifact; None if there is none
    who_speaks: Callable[[str, str], Who] = _nobody  # (corpus, fingerprint) → for runs whose predictions do not say it
    references: Callable[[], Sequence[Finished]] = _no_references  # the finished references; see ser.report.reference
    # (study) → finished runs of its whole systems in the same place, on the same kind of corpora, without predictions
    others: Callable[[str], Sequence[Finished]] = _no_others
