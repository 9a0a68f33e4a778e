"""What a person sees in a terminal: tables, progress bars, and the same as plain lines where there is no terminal."""

import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from ser.distributed.gpu_memory import advice
from ser.runs.folder import RunFolder
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered, UnfitNode
from ser.study import Trial

if TYPE_CHECKING:  # they load MLflow or torch
    from ser.distributed.ledger import Summary
    from ser.distributed.node import Finding
    from ser.distributed.profile import Profile
    from ser.planning.plan import Plan
    from ser.runs.delivery import Synced
    from ser.trials.job import Job


class _Console(Console):
    def print(self, *objects: object, **options: object) -> None:
        """Prints as rich does; lines of text are broken for a person's terminal alone, as programs read the others."""
        if not self.is_terminal and all(isinstance(each, str) for each in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)  # type: ignore[arg-type]

    def on_broken_pipe(self) -> None:
        """The reader left: for the command to know. Rich itself would end it with a status of its own."""
        raise BrokenPipeError


console = _Console(highlight=False, markup=False)  # names and errors hold brackets that are no markup
if not (console.is_terminal or os.environ.get("COLUMNS", "").isdigit()):
    # A pipe or a log file has no width; the usual 80 breaks tables.
    console = _Console(highlight=False, markup=False, width=140)
PLAIN_EVERY_S = 20.0
_RATE_OVER_S = 300.0  # over which progress is counted to foretell its end: batches come at once, then long none
_WORTH = 1.5  # times as fast: a network is more than its matrix products


def table(*columns: str) -> Table:
    """Returns an empty table without lines, for ``console.print``."""
    # What is too long for its column goes on in the next line; rich would cut paths.
    return Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)


def addresses(lines: Sequence[str]) -> None:
    """Prints lines with addresses of pages whole, however narrow the terminal: broken ones cannot be clicked."""
    if lines:
        console.print("\n".join(lines), soft_wrap=True)


@contextmanager
def renewed() -> Iterator[Callable[[Sequence[str]], None]]:
    """Yields what prints lines in the place of those before; the last ones stay."""
    with Live(console=console, auto_refresh=False) as live:
        yield lambda lines: live.update(Text("\n".join(lines)), refresh=True)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar called with (done, of); silent where output is no terminal and the work is short."""
    if not console.is_terminal:
        yield _plain_progress(title)
        return
    with _progress(console) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextmanager
def bar_beside_output(title: str) -> Iterator[Callable[[int, int], None]]:
    """As ``bar``, on the error stream, for a command whose output is data; silent where both are one terminal."""
    errors = _Console(stderr=True, highlight=False, markup=False)
    if console.is_terminal or not errors.is_terminal:
        yield lambda done, of: None
        return
    with _progress(errors) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _progress(where: Console) -> Progress:
    """A bar with the time that it has taken, and what it will take as the last minutes went."""
    counts, times = (BarColumn(), MofNCompleteColumn()), (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description:32}"), *counts, *times)
    return Progress(*columns, console=where, transient=True, speed_estimate_period=_RATE_OVER_S)


def _plain_progress(title: str) -> Callable[[int, int], None]:
    last = time.monotonic()
    begun: tuple[float, int] | None = None  # when it was first called, and what was done by then: not by this process

    def tell(done: int, of: int) -> None:
        nonlocal last, begun
        now = time.monotonic()
        start_s, before = begun = begun or (now, done)
        if now - last > PLAIN_EVERY_S:
            last = now
            seconds = (of - done) * (now - start_s) / (done - before) if done > before else None
            rest = f", about {timedelta(seconds=round(seconds))} left" if seconds else ""
            print(f"{title}: {done} of {of}{rest}", flush=True)

    return tell


def plan(plan: "Plan", finished: Collection[str], cost: Sequence[str]) -> None:
    """What ``--plan`` prints. ``finished``: ids of trials."""
    from ser.planning.sources import proportions  # later: most commands plan nothing

    console.print(f"{plan.study.name}: {plan.study.title}", style="bold")
    rows = table("corpus", "", "train", "val", "test", "copies", "fingerprint")
    for column in rows.columns[:-1]:
        column.no_wrap = True
    rows.columns[-1].overflow = "ellipsis"  # before anything else, where the terminal is narrow
    of_first_seed = {key: source for key, source in plan.sources.items() if not source.corpus.seed}
    for s in of_first_seed.values():
        c = s.corpus
        rows.add_row(c.source, c.letter, *proportions(s.split), str(c.copies), c.fingerprint)
    console.print(rows)
    console.print("subsets in utterances (share, speakers)")
    if rest := len(plan.sources) - len(of_first_seed):
        console.print(f"and {rest} more, of other seeds")
    for note in plan.notes:
        console.print(f"note: {note}")
    for corpus, needs in plan.unmet.items():
        if needs:
            text = "; ".join(f"{system}: {why}" for system, why in needs.items())
            console.print(f"cannot be run on {corpus}: {text}")
    twins = f"; {len(plan.twins)} are the same model as another (one corpus: unified = multi) and count in both places"
    console.print(
        f"{len(plan.trials)} trials, {plan.results} results, {len(plan.to_train)} to train"
        + (twins if plan.twins else "")
        + f"; {sum(t.id in finished for t in plan.trials)} finished"
    )
    if plan.references:
        done = sum(t.id in finished for t in plan.references)
        console.print(f"{_references(plan)} beside them, to hold results against; {done} finished")
    if plan.unseen.by_trial:
        names = Counter(t.corpus.name for tests in plan.unseen.by_trial.values() for t in tests)
        side = "the test side of their split" if plan.study.comparison.test_side == "test" else "every utterance"
        listed = ", ".join(f"{name} ({number} models)" for name, number in names.items())
        console.print(f"tested on corpora that they have not learned from, {side}: {listed}")
    for line in cost:
        console.print(line)


def to_run(plan: "Plan") -> str:
    """``168 trials and 3 references``."""
    return f"{len(plan.to_train)} trials" + (f" and {_references(plan)}" if plan.references else "")


def _references(plan: "Plan") -> str:
    number = len(plan.references)
    return f"{number} {plan.references[0].block.name} reference{'s' * (number > 1)}"


def epoch(number: int, row: Mapping[str, float]) -> None:
    """One epoch of ``ser train``: losses, and UA (or balanced accuracy) of every corpus that validates."""
    values = [f"{kind} loss {row[f'{kind}/loss']:.4f}" for kind in ("train", "val") if f"{kind}/loss" in row]
    for metric, label in (("ua", "UA"), ("balanced", "balanced accuracy")):
        scores = {k.removeprefix(f"val/{metric}/"): v for k, v in row.items() if k.startswith(f"val/{metric}/")}
        values += [f"val {label} {corpus} {100 * score:.1f} %" for corpus, score in scores.items()]
    print(f"epoch {number}: {', '.join(values)}", flush=True)


def trained(job: "Job", trial: Trial, outcome: TrialOutcome) -> None:
    """The results of ``ser train``, and where its files are."""
    files = RunFolder(job.work, trial.id).files
    match outcome:
        case Finished(results):
            from ser.runs.tracker import Tracker

            tracker = Tracker.of(job.where, job.study)
            run = tracker.finished(trial.id)[trial.id]
            _print_scores(results or run.data.metrics)
            console.print("finished" if results else "finished already, and not trained again", end="")
            place = tracker.place(str(run.info.artifact_uri))
            console.print(f": run {run.info.run_id} in {job.where.printable}; files in {place}", soft_wrap=True)
        case Undelivered(results, reason, refused):
            _print_scores(results)
            console.print(f"trained; files in {files}", soft_wrap=True)
            if job.is_tracked:
                console.print(f"MLflow {'refuses it' if refused else 'is away'} ({reason}): `ser sync` delivers it")
        case Busy():
            console.print("another process trains it; nothing was done")
        case Failed(error) | StoreDamaged(error) | UnfitNode(error):
            console.print(f"failed: {error}", soft_wrap=True)


def _print_scores(results: Mapping[str, float]) -> None:
    labels = {"wa": "WA", "ua": "UA", "balanced": "balanced accuracy"}
    for name, value in sorted(results.items()):
        metric, _, corpus = name.partition("/")
        if corpus and metric in labels:
            console.print(f"test {labels[metric]} {corpus} {100 * value:.1f} %")
    if results.get("epochs"):  # a fitted model has none
        console.print(f"weights of epoch {results['best_epoch']:.0f} of {results['epochs']:.0f}")
    if "refit_epochs" in results:
        console.print(f"then trained again on training and validation, {results['refit_epochs']:.0f} epochs")


def debug(error: Exception) -> None:
    """Enters Python's debugger where ``error`` was raised."""
    import pdb

    console.print(f"{type(error).__name__}: {error}", soft_wrap=True)
    console.print("pdb, where it was raised: w shows the way there, p NAME a value, u and d move, q ends")
    pdb.post_mortem(error.__traceback__)


def tests(summary: "Summary", plan: "Plan") -> None:
    """What became of the tests on corpora that trials have not learned from."""
    names = dict.fromkeys(test.corpus.name for each in plan.unseen.by_trial.values() for test in each)
    console.print(f"{summary.trained} trials tested on {', '.join(names)}, where they have not learned from them")
    for trial_id, error in summary.failures.items():
        console.print(f"not tested: {plan.by_id[trial_id].title}: {error}")
    if summary.unfinished:
        console.print(f"{summary.unfinished} finished trials left untested: the same command tests them")


def outcome(summary: "Summary", plan: "Plan") -> None:
    """How a call of ``ser run`` ended."""
    if summary.trained:
        own = max(summary.wall_seconds * summary.slots - summary.training_seconds, 0) / summary.trained
        share = summary.evaluation_seconds / summary.training_seconds if summary.training_seconds else 0.0
        evaluation = f"evaluation took {100 * share:.0f} % of training time; " if share else ""
        console.print(
            f"{summary.trained} trained in {timedelta(seconds=round(summary.wall_seconds))}, "
            f"{summary.slots:g} at once; {evaluation}"
            f"{own:.2f} s per trial went into everything but training and evaluation"
        )
    if memory := advice(summary.used, summary.gpus_per_trial, summary.slots):
        console.print(memory)
    for trial_id, error in summary.failures.items():
        console.print(f"failed: {plan.by_id[trial_id].title}: {error}")
    if summary.tests is not None:
        tests(summary.tests, plan)
    if summary.interrupted:
        console.print(f"interrupted; {summary.unfinished} left: the same command continues")
    elif summary.unfinished:
        console.print(f"{summary.unfinished} left unfinished: the same command tries them again")
    if summary.undelivered:
        console.print(f"{len(summary.undelivered)} trained, but {_why_undelivered(summary)}: `ser sync` delivers them")
    elif summary.reason:
        console.print(f"not all are delivered: {_why_undelivered(summary)}; the same command does it")
    if not (summary.interrupted or summary.unfinished or summary.undelivered):
        beside = f" and {_references(plan)}" if plan.references else ""
        console.print(f"all {len(plan.trials)} trials{beside} of {plan.study.name} are finished")


def next_steps(study: str, work: Path, tracking: str | None) -> None:
    """Commands that go on from a grid; ``study`` as it was named."""
    place = ["--work", str(work), *(["--tracking-uri", tracking] if tracking else [])]
    for purpose, *command in (("tables and figures", "report", study), ("best results", "status", study)):
        console.print(f"{purpose + ':':20}{shlex.join(['ser', *command, *place])}", soft_wrap=True)


def _why_undelivered(summary: "Summary") -> str:
    reason = summary.reason
    return f"MLflow refuses them ({reason})" if summary.refused else f"MLflow is away ({reason})"


def away(reason: str, refused: bool = False) -> None:
    """The tracking store does not answer, or refuses for good, and what that means."""
    if refused:
        console.print(f"MLflow refuses results ({reason}); training goes on, and they are kept in the work folder")
        return
    console.print(
        f"MLflow is away ({reason}); training goes on, and results are kept in the work folder until it is back"
    )


def synced(result: "Synced") -> None:
    """What ``ser sync`` did."""
    console.print(f"{len(result.delivered)} trained trials delivered to MLflow")
    if result.undelivered:
        console.print(f"{len(result.undelivered)} trained trials wait: {result.reason}")
    elif result.reason:
        console.print(f"MLflow {'refuses' if result.refused else 'is away'}: {result.reason}")
    if result.unfinished:
        console.print(f"{len(result.unfinished)} unfinished trials: `ser run` goes on with them")
    if result.busy:
        console.print(f"{len(result.busy)} trials are being trained")


def local(trials: Sequence[tuple[str, str, str]]) -> None:
    """What the work folder knows of trials that MLflow does not have whole: (title, state, last error)."""
    if kept := [title for title, state, _ in trials if state == "trained"]:
        console.print(f"{len(kept)} trained, but not told to MLflow: `ser sync` does")
    for title, state, error in trials:
        if state == "unfinished" and error:
            console.print(f"unfinished, and will be tried again: {title}: {error}")


def _processor(f: "Finding", profile: "Profile") -> str:
    """A node's processor, what training makes of it, and the share of it that a trial gets."""
    facts = [", ".join(f.abilities) or "no vector instructions that Linux names"]
    facts += [f"torch uses {f.used}"] if f.used else []
    if f.bfloat16_gain:
        faster = "training.precision=bfloat16 is faster; whether results stay equivalent, ser report tests"
        advice = faster if f.bfloat16_gain > _WORTH else "stay with float32"
        facts.append(f"bfloat16 multiplies {f.bfloat16_gain:.1f} x as fast as float32 ({advice})")
    threads = profile.cpus_per_trial
    at_once = f", {profile.at_once(f.cpus)} at once" if profile.device == "cpu" else ""
    facts.append(f"{threads} thread{'s' * (threads > 1)} per trial{at_once}")
    facts.append("memory is kept between updates" if f.memory_kept else "no glibc: memory is not kept between updates")
    return f"{f.node}: {f.processor}: {'; '.join(facts)}"


def doctor(findings: "Sequence[Finding]", profile: "Profile") -> None:
    """One row per machine, then what keeps trials from running there."""
    rows = table("node", "python", "ray", "torch", "offers", "cores", "memory", "free disk", "GPUs", "store", "tracker")
    for f in findings:
        versions = [f.versions.get(name, "") for name in ("python", "ray", "torch")]
        sizes = [f"{f.cpus}", f"{f.memory_gb:.0f} GiB", f"{f.disk_gb:.0f} GiB"] if f.cpus else ["", "", ""]
        reached = [said if said.startswith("ok") else "no" for said in (f.store, f.tracker)]
        rows.add_row(f.node, *versions, f.offers, *sizes, ", ".join(f.gpus) or "none", *reached)
    console.print(rows)
    for f in findings:
        for problem in f.problems:
            console.print(f"{f.node}: {problem}", soft_wrap=True)
        if f.processor:
            console.print(_processor(f, profile), soft_wrap=True)
        if f.torchaudio and f.torchaudio[0] not in "0123456789":
            console.print(f"{f.node}: torchaudio {f.torchaudio}; it is optional, and needs the CUDA build of torch")
    bad = sum(bool(f.problems) for f in findings)
    console.print(
        f"{bad} of {len(findings)} nodes cannot train" if bad else f"all {len(findings)} nodes can train trials"
    )
