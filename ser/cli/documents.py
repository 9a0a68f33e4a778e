"""What ``--json`` prints of each listing: plain values under stable keys, which ``docs/json.md`` lists.

``schema`` names the listing and its version, which goes up when a key is removed or changes its meaning; keys may be
added. Times are in seconds since 1970, UTC; scores are shares, 0 to 1.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ser import registry
from ser.study import load_study, study_file, study_names

if TYPE_CHECKING:  # each listing loads what it is made of, and no more
    from ser.cli.states import State
    from ser.data.manifest import Manifest, Refusal
    from ser.distributed.node import Finding
    from ser.features.store import Store
    from ser.planning.entries import Cost
    from ser.planning.plan import Plan
    from ser.report.write import WrittenReport
    from ser.runs.location import Location
    from ser.runs.progress import Best, Progress
    from ser.study import Study, Trial
    from ser.trials.estimate import Estimate

Document = dict[str, object]
ScannedCorpus = dict[str, object]


def _document(name: str, **values: object) -> Document:
    return {"schema": f"ser.{name}/1", **values}


def corpora(scans: Sequence[ScannedCorpus], notes: Sequence[str], refused: "Sequence[Refusal]") -> Document:
    """Returns the document of ``ser corpora``; ``refused`` are files that lie in no corpus."""
    return _document("corpora", corpora=list(scans), notes=list(notes), refused=_refusals(refused))


def scanned_corpus(manifest: "Manifest") -> ScannedCorpus:
    """Returns what was found in one corpus."""
    from ser.data.release import release_of

    module = registry.find("corpora", manifest.loader)
    expected: Mapping[str, int] = module.expected(module.Settings(**dict(manifest.settings)))
    counts = manifest.counts()
    release = None if manifest.demo or not expected else release_of(manifest)
    return {
        "name": manifest.corpus,
        "title": module.TITLE,
        "loader": manifest.loader,
        "path": manifest.root,
        "utterances": len(manifest.utterances),
        "speakers": len(manifest.speakers),
        "hours": manifest.hours,
        "fingerprint": manifest.fingerprint,
        "is_made": manifest.demo,
        "release": None if release is None else {"state": release.state, "why": release.why},
        "classes": [
            {"name": label, "utterances": counts.get(label, 0), "of_release": expected.get(label)}
            for label in dict.fromkeys([*counts, *expected])
        ],
        "remarks": _refusals(manifest.remarks),
        "refused": _refusals(manifest.refused),
        "error": None,
    }


def unreadable_corpus(name: str, path: str, error: str) -> ScannedCorpus:
    """Returns the same of a corpus that could not be read."""
    empty = dict.fromkeys(("title", "loader", "hours", "fingerprint", "is_made", "release"))
    counts = {"utterances": 0, "speakers": 0, "classes": [], "remarks": [], "refused": []}
    return {"name": name, "path": path, **empty, **counts, "error": error}


def _refusals(refused: "Sequence[Refusal]") -> list[Document]:
    return [{"file": r.what, "reason": r.reason} for r in refused]


def known_corpora(name: str) -> Document:
    """Returns the document of ``ser corpora --known``, of the corpus ``name`` or of all."""
    from ser.cli import known

    entries = known.entries()
    return _document(
        "known_corpora",
        corpora=[
            {
                "name": key,
                "title": entry.title,
                "loader": entry.loader,
                "languages": list(entry.facts.languages),
                "kind": entry.facts.kind,
                "utterances": entry.utterances or None,
                "speakers": entry.speakers or None,
                "classes": list(entry.labels),
                "licence": entry.facts.licence,
                "reference": entry.facts.reference,
                "download": entry.facts.download,
                "defects": list(entry.facts.defects),
            }
            for key, entry in entries.items()
            if name in ("", key)
        ],
    )


def studies(paths: Sequence[str]) -> Document:
    """Returns the document of ``ser studies``. Raises BadInput as loading them does."""
    loaded = [(load_study(name), study_file(name)) for name in (*study_names(), *paths)]
    return _document("studies", studies=[_study(study, path) for study, path in loaded])


def _study(study: "Study", path: Path) -> Document:
    return {
        "name": study.name,
        "title": study.title,
        "trials": study.expect,
        "search": study.search.rule.name,
        "report": study.report or "general",
        "modes": list(study.modes),
        "corpora": [c.name for c in study.corpora],
        "file": str(path),
    }


def plan(plan: "Plan", finished: Collection[str], cost: "Estimate | None") -> Document:
    """Returns the document of ``--plan``; ``finished`` are ids of trials."""
    return _document(
        "plan",
        study=plan.study.name,
        title=plan.study.title,
        mode=plan.study.mode,
        variant=plan.variant,
        trials=[_trial(t, plan, finished) for t in plan.trials],
        references=[_trial(t, plan, finished) for t in plan.references],
        results=plan.results,
        to_train=len(plan.to_train),
        corpora=[
            {
                "name": s.corpus.name,
                "split": s.corpus.source,
                "letter": s.corpus.letter,
                "utterances": {side: len(us) for side, us in s.split.subsets().items()},
                "speakers": {side: len({u.speaker for u in us}) for side, us in s.split.subsets().items()},
                "copies": s.corpus.copies,
                "fingerprint": s.corpus.fingerprint,
            }
            for s in plan.sources.values()
        ],
        notes=list(plan.notes),
        unmet={corpus: dict(needs) for corpus, needs in plan.unmet.items() if needs},
        least_s=None if cost is None else cost.least_s,
        most_s=None if cost is None else cost.most_s,
        updates_s=None if cost is None else dict(cost.updates_s),
        features=None,
    )


def _trial(trial: "Trial", plan: "Plan", finished: Collection[str]) -> Document:
    twin = plan.twins.get(trial.id)
    return {"id": trial.id, "title": trial.title, "is_finished": trial.id in finished, "same_as": twin}


def features(costs: "Sequence[Cost]", store: "Store") -> Document:
    """Returns what a plan asks of the feature store."""
    return {
        "store": str(store.local),
        "free_bytes": store.free_bytes(),
        "entries": [
            {
                "corpus": cost.recipe.corpus,
                "front_end": cost.recipe.front_end.name,
                "augmentation": cost.recipe.augmentation.name if cost.recipe.augmentation else None,
                "utterances": len(cost.recipe.items),
                "bytes": cost.recipe.bytes,
                "missing_bytes": cost.missing_bytes,
                "core_s": cost.seconds,
            }
            for cost in costs
        ],
    }


def status(states: "Sequence[State]", away: str, where: "Location", work: Path) -> Document:
    """Returns the document of ``ser status``; ``away`` is why the tracking store does not answer, "" where it does."""
    from ser.runs import delivery

    return _document(
        "status",
        work=str(work),
        tracking_uri=where.printable,
        away=away or None,
        studies=[
            {**_progress(s.progress), "report": str(s.report) if s.report else None, "runs_page": s.page}
            for s in states
        ],
        undelivered=[
            {"title": title, "state": state, "error": error or None} for title, state, error in delivery.local(work)
        ],
    )


def _progress(one: "Progress") -> Document:
    return {
        "study": one.study,
        "state": one.state,
        "variant": one.variant,
        "expected": one.expected,
        "finished": one.finished,
        "running": one.running,
        "failed": one.failed,
        "interrupted": one.interrupted,
        "references": {"finished": one.references[0], "expected": one.references[1]},
        "best": _bests(one.best),
        "failures": [
            {"title": f.title, "error": f.error, "trial_id": f.trial_id, "run_id": f.run_id} for f in one.failures
        ],
        "began_s": one.began_s,
        "ended_s": one.ended_s,
        "trials_per_hour": one.per_hour,
        "left_s": one.left_s,
    }


def _bests(best: "Sequence[Best]") -> list[Document]:
    return [asdict(b) for b in best]


def reports(written: Sequence[Document], index: Path) -> Document:
    """Returns the document of ``ser report``: one study's report or several, and the page that lists all."""
    return _document("report", reports=list(written), index=str(index))


def report(written: "WrittenReport", study: "Study", progress: "Progress") -> Document:
    """Returns what there is to say of one report."""
    return {
        "study": study.name,
        "title": study.title,
        "variant": progress.variant,
        "expected": written.expected,
        "complete": written.done,
        "best": _bests(progress.best),
        "notes": list(written.notes),
        "folder": str(written.folder),
        "files": sorted(str(path) for path in written.files),
    }


def doctor(findings: "Sequence[Finding]") -> Document:
    """Returns the document of ``ser doctor``."""
    return _document(
        "doctor",
        can_train=not any(f.problems for f in findings),
        nodes=[
            {
                "node": f.node,
                "versions": dict(f.versions),
                "offers": f.offers or None,
                "cores": f.cpus,
                "memory_gib": f.memory_gb,
                "free_disk_gib": f.disk_gb,
                "gpus": list(f.gpus),
                "processor": f.processor or None,
                "instructions": list(f.abilities),
                "torch_uses": f.used or None,
                "bfloat16_gain": f.bfloat16_gain or None,
                "store": f.store,
                "tracker": f.tracker,
                "problems": list(f.problems),
            }
            for f in findings
        ],
    )
