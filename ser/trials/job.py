"""What workers need to train the trials of a plan, and no statement may hold: places, subsets of corpora, tags."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ser.data.encoders import folder_of
from ser.data.leakage import prove
from ser.data.manifest import Utterance
from ser.data.ratings import scaled
from ser.data.release import release_of
from ser.features.entry import Names
from ser.features.recipe import columns_of
from ser.features.remote import is_url
from ser.host import version
from ser.planning.labelling import shares_of_votes
from ser.planning.plan import Plan, grid_tags
from ser.planning.sources import Source
from ser.planning.unseen import Test
from ser.runs.folder import Dataset, Head, work_id
from ser.runs.location import Location
from ser.runs.replica import place
from ser.runs.shown import VARYING
from ser.runs.tracker import Tracker
from ser.study import SCHEMA, Trial
from ser.study.overrides import beyond_statements
from ser.trials.datasets import datasets_of
from ser.trials.facts import Facts
from ser.trials.presented import varying

_SEXES = {"F": 1, "M": 2}
UNCOPIED = "train without copies"  # the training subset of trials that take no augmented copies, where others do


class Subset:
    """Names of store items and their classes, as arrays: every worker holds every subset of every corpus.

    ``labels`` are class indices int64 [items], or k-hot float32 [items, classes] where an item may have several, or,
    with ``shares``, those of its raters' votes; ``voices`` int32 [items, 2] the number of the speaker in the corpus,
    and the sex: 1 female, 2 male, 0 unknown; ``ratings`` float32 [items, dimensions], or [0, 0] where nobody asks.
    """

    def __init__(
        self,
        names: Iterable[str],
        labels: npt.ArrayLike,
        voices: npt.ArrayLike = (),
        ratings: npt.ArrayLike = ((),),
        shares: bool = False,
    ) -> None:
        self.names = Names(names)
        self.labels = np.asarray(labels)
        self.voices = np.asarray(voices, np.int32).reshape(-1, 2)
        rows = np.asarray(ratings, np.float32)
        self.ratings = rows if rows.shape[1] else rows.reshape(0, 0)
        self.shares = shares

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subset):
            return NotImplemented
        pairs = ((getattr(one, name) for one in (self, other)) for name in ("labels", "voices", "ratings"))
        same = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
        return self.names == other.names and same and self.shares == other.shares

    def __hash__(self) -> int:
        return hash(self.names)


@dataclass(frozen=True)
class Job:
    """What workers need and no statement may hold: places, and which store items belong to which subset."""

    study: str
    where: Location
    work: str
    store: str
    keys: Mapping[str, Mapping[str, tuple[str, ...]]]  # corpus as split -> front-end -> its store entries
    subsets: Mapping[str, Mapping[str, Subset]]  # corpus as split -> train | val | test, and UNCOPIED
    spare: Mapping[str, Subset]  # corpus as split -> augmented copies that may balance its training classes
    proofs: Mapping[str, dict[str, Any]]  # corpus as split -> the leakage gate's proof
    tags: Mapping[str, str]
    mirrors: Mapping[str, tuple[Trial, ...]]  # trial id -> equal trials that share its training
    device: str
    threads: int
    weights: str = ""  # path of a file that blocks start from
    saves_states: bool = False  # trials leave their end states, for others to go on from
    apart: bool = False  # other machines than this train the trials
    replica: str = ""  # URL of the trials' folders, where those share none
    experiment: str = ""  # in which the runs are: it may be renamed while they are trained
    is_tracked: bool = True  # trials are logged to MLflow; else they stay in their folders
    facts: Mapping[str, Facts] = field(default_factory=dict)  # corpus as split -> who says what in its test side
    encoders: Mapping[str, str] = field(default_factory=dict)  # identity of a pretrained encoder -> its folder
    # Corpus as split -> front-end -> first column and the one after the last of its vectors, where entries hold more.
    columns: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # corpus as split -> its ratings' own scale
    tests: Mapping[str, tuple[Test, ...]] = field(default_factory=dict)  # trial id -> corpora that it has not seen
    tested: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # ``Test.key`` -> what is known of it
    datasets: Mapping[str, tuple[Dataset, ...]] = field(default_factory=dict)  # corpus as split -> its subsets

    def untracked(self) -> "Job":
        """Returns the job that sends nothing: its trials stay in a folder of their own, which no command delivers."""
        return replace(self, work=str(Path(self.work) / "untracked"), is_tracked=False)

    def spread(self) -> "Job":
        """Returns the job for other machines; where the store is a URL, they need not share the work folder either."""
        return replace(self, apart=True, replica=place(self.store, self.tags["work"]) if is_url(self.store) else "")


def job_of(
    plan: Plan,
    where: Location,
    work: Path,
    store: str,
    device: str,
    threads: int,
    code: str,
    notes: Sequence[str],
) -> Job:
    """Returns the job of a plan. ``code`` is the version of this project; ``notes`` go with every run to the report."""
    mirrors: dict[str, tuple[Trial, ...]] = {}
    for twin, original in plan.twins.items():
        mirrors[original] = (*mirrors.get(original, ()), plan.by_id[twin])
    facts = _comparison(plan) | _releases(plan) | {"beyond": beyond_statements(plan.study)}
    tags = grid_tags(plan.corpora.values(), plan.seeds, plan.variant, plan.study.mode, len(plan.trials), facts) | {
        "schema": str(SCHEMA),
        "code_version": code,
        "data": "demo" if plan.demo else "real",
        "notes": json.dumps(notes),
        "work": work_id(work),
        VARYING: ",".join(sorted(varying(plan.trials))),
        **_origin(plan.study.name),
    }
    sources = {**plan.sources, **plan.unseen.sources}
    return Job(
        study=plan.study.name,
        where=where,
        work=str(work.absolute()),
        store=store,
        keys={key: _entry_keys(s) for key, s in sources.items()},
        subsets={key: _subsets(plan, s) for key, s in sources.items()},
        spare={key: _subset(plan, s, _spare_copies(s)) for key, s in plan.sources.items() if s.spare},
        proofs={key: prove(s.split) for key, s in plan.sources.items()},
        tags=tags,
        mirrors=mirrors,
        device=device,
        threads=threads,
        saves_states=plan.study.search.rule.name == "pbt",
        experiment=Tracker.experiment_ids.get((where, plan.study.name), ""),
        facts={key: Facts(s.split.test) for key, s in sources.items()},
        encoders={identity: str(folder_of(identity)) for _, identity in plan.study.encoders},
        columns={key: columns for key, s in sources.items() if (columns := _columns(s))},
        scales={k: s.manifest.scale for k, s in sources.items() if s.manifest.scale and plan.study.labels.dimensions},
        tests=plan.unseen.by_trial,
        tested=plan.unseen.facts,
        datasets={key: datasets_of(s) for key, s in sources.items()},
    )


def _origin(study: str) -> dict[str, str]:
    """Who began the runs, by what, of which commit: columns of MLflow's pages, which show the end of a path alone."""
    tags = {"mlflow.source.name": f"ser run {study}", "mlflow.source.type": "LOCAL", "mlflow.user": version.user()}
    return tags | ({"mlflow.source.git.commit": commit} if (commit := version.commit()) else {})


def head_of(job: Job, trial: Trial) -> Head:
    """Returns what the run of ``trial`` says of itself, and of the equal trials that share its training."""
    fingerprints = {f"fingerprint/{c.name}": c.fingerprint for c in trial.corpora}
    twins = tuple(head_of(job, twin) for twin in job.mirrors.get(trial.id, ()))
    datasets = tuple(each for c in trial.corpora for each in job.datasets.get(c.source, ()))
    return Head(trial.study, trial.id, trial.title, trial.params(), {**job.tags, **fingerprints}, twins, datasets)


def _entry_keys(source: Source) -> dict[str, tuple[str, ...]]:
    """Keys of the store entries that hold each front-end's features."""
    return {
        str(front_end): tuple(recipe.key for recipe in source.entries if recipe.front_end == container)
        for front_end, container in source.containers.items()
    }


def _columns(source: Source) -> dict[str, tuple[int, int]]:
    """First column and the one after the last of each front-end whose entries hold more than its own vectors."""
    held = {front_end: columns_of(front_end, container) for front_end, container in source.containers.items()}
    return {str(front_end): (at.start, at.stop) for front_end, at in held.items() if at is not None}


def _releases(plan: Plan) -> dict[str, Any]:
    """What every corpus is in relation to its published release."""
    return {"releases": {name: release_of(manifest).as_json() for name, manifest in plan.manifests.items()}}


def _comparison(plan: Plan) -> dict[str, Any]:
    """What a report needs of folds, references and a study of systems: what was to be run, and what corpora lack."""
    study = plan.study
    comparison: dict[str, Any] = {"folds": plan.folds, "unmet": plan.unmet, "seed_moves": study.seed_moves}
    comparison["references"] = {t.id: _place_of(t) for t in plan.references}
    comparison |= {"encoders": {identity: name for name, identity in study.encoders}} if study.encoders else {}
    comparison |= {"across": rules} if (rules := across_rules(plan)) else {}
    kinds = {"systems": [s.name for s in study.comparison.systems], "protocols": list(dict(study.comparison.protocols))}
    for kind, names in kinds.items():
        comparison[kind] = [name for name in names if study.comparison.runs(name, names)]
    return comparison


def across_rules(plan: Plan) -> dict[str, str]:
    """Returns the rules of those corpora of a plan that are tested by models of others: which trials there are."""
    return {name: c.split.name for name, c in plan.corpora.items() if c.is_left_out_in_turn or not c.trains}


def _place_of(reference: Trial) -> dict[str, Any]:
    """Which results a reference is to be held against."""
    (corpus,) = reference.corpora
    varied = [f"{path.rpartition('.')[2]} {value}" for path, value in reference.varied_values().items()]
    return {
        "title": reference.title,
        "model": reference.block.name,
        "corpus": corpus.name,
        "setting": " · ".join(filter(None, [reference.role["protocol"], *varied])),
        "fold": corpus.split.values().get("fold", 0),
        "seed": reference.seed,
    }


def _subsets(plan: Plan, source: Source) -> dict[str, Subset]:
    """The subsets of a source: augmented copies belong to the training subset; without these it is ``UNCOPIED``."""
    train, val, test = ([(u.uid, u) for u in getattr(source.split, name)] for name in ("train", "val", "test"))
    copies = list(source.copies)
    rows = {"train": train + copies, "val": val, "test": test} | ({UNCOPIED: train} if copies else {})
    return {name: _subset(plan, source, each) for name, each in rows.items()}


def _spare_copies(source: Source) -> list[tuple[str, Utterance]]:
    """Spare copies of training utterances by item name; the same of them for each front-end."""
    training = {u.uid for u in source.split.train}
    copies = {name: u for r in source.spare for name, (u, _) in zip(r.names, r.items, strict=True)}
    return [(name, u) for name, u in copies.items() if u.uid in training]


def _subset(plan: Plan, source: Source, rows: list[tuple[str, Utterance]]) -> Subset:
    """The items of ``rows`` (item name, utterance) with their labels as numbers."""
    number = {name: i for i, name in enumerate(plan.study.classes_of(source.corpus))}
    speaker = {name: i for i, name in enumerate(source.manifest.speakers)}
    names = (name for name, _ in rows)
    voices = np.array([(speaker[u.speaker], _SEXES.get(u.sex, 0)) for _, u in rows], np.int32)
    ratings, votes = _ratings(plan, source, rows), plan.study.labels.votes
    if votes == "one":
        labels = [number[u.label] for _, u in rows] if number else [0] * len(rows)
        return Subset(names, np.array(labels, np.int64), voices, ratings)
    hot = np.zeros((len(rows), len(number)), np.float32)
    for row, (_, u) in enumerate(rows):
        if votes == "shares":
            hot[row] = shares_of_votes(plan.study, source.corpus, u)
        else:
            hot[row, [number[name] for name in source.labels[u.uid]]] = 1
    return Subset(names, hot, voices, ratings, votes == "shares")


def _ratings(plan: Plan, source: Source, rows: list[tuple[str, Utterance]]) -> npt.NDArray[np.float32]:
    """Ratings from -1 to 1, float32 [rows, dimensions]."""
    dimensions, scale = plan.study.labels.dimensions, source.manifest.scale or (-1.0, 1.0)
    return np.array([scaled(u, dimensions, scale) for _, u in rows], np.float32).reshape(len(rows), len(dimensions))
