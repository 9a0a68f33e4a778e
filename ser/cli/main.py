"""The command line: one function for each command of ``ser --help``."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ser.cli import json_output
from ser.cli.arguments import parser, resolve
from ser.cli.assignments import setting
from ser.errors import Away, BadInput
from ser.host import environment, interpreter, paths, terminal

if TYPE_CHECKING:  # `ser --help` is to be there at once
    from collections.abc import Collection

    from ser.cli.pages import Application
    from ser.distributed.preparation import Preparation
    from ser.distributed.profile import Profile
    from ser.features.store import Store
    from ser.host.libraries import Look
    from ser.planning.plan import Plan
    from ser.planning.request import CorpusRequest, Request
    from ser.runs.location import Location
    from ser.runs.tracker import Tracker
    from ser.trials.estimate import Estimate


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status, of which ``ser.host.terminal`` tells."""
    if argv is None and "_ARGCOMPLETE" in os.environ:  # a shell asks what may follow
        from ser.cli import completion

        return completion.answer(parser(FUNCTIONS))
    if argv is None:  # a process of its own
        interpreter.use_utf8(sys.getfilesystemencoding(), sys.orig_argv)
    with terminal.prepared():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    args = argparse.Namespace()
    try:
        args = parser(FUNCTIONS).parse_args(argv)
        interpreter.check(sys.flags.optimize, sys.warnoptions)
        interpreter.drop_absent_backend(os.environ)
        for note in filter(None, (environment.settle(), *resolve(args, os.environ))):
            print(f"ser: {note}", file=sys.stderr)
        if getattr(args, "study", None) is not None:
            _check_study(args)
        code = json_output.called(args)
    except SystemExit:  # help was asked for, and printed
        if code := terminal.flushed():
            return code
        raise
    except BaseException as error:
        return terminal.failed(error, getattr(args, "work", None))
    return terminal.flushed() or code


def _check_study(args: argparse.Namespace) -> None:
    """Raises BadInput for all that is wrong with a study and its settings, before anything slow is imported."""
    from ser.study import load_study, override, with_demo_budget

    study = load_study(args.study)
    if getattr(args, "mode", None) is not None:
        study = study.in_mode(args.mode)
    if getattr(args, "demo", False):
        study = with_demo_budget(study)
    corpora_of_study = {c.name for c in study.corpora}
    for path, value in map(setting, getattr(args, "set", ())):
        head = path.partition(".")[0]
        brought = f"{args.corpora or ''},{getattr(args, 'test_on', None) or ''}"
        # A corpus that is brought is checked when its loader is known.
        if (head in corpora_of_study and f"{head}=" not in brought) or head not in brought:
            study = override(study, path, value)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line as commands take it: parsed, and every path and address absolute. Raises BadInput."""
    args = parser(FUNCTIONS).parse_args(argv)
    resolve(args, os.environ)
    return args


_ENTRY = re.compile(r"\s*[a-z][a-z0-9_-]*\s*(=|$)")  # how the next corpus begins, where a path has commas


def _requested(text: str | None, option: str = "--corpora") -> "tuple[CorpusRequest, ...]":
    from ser.planning.request import CorpusRequest

    out, pieces = [], [] if text is None else text.split(",")
    while pieces:
        entry, pieces = _entry(pieces)
        name, sign, path = entry.strip().partition("=")
        out.append(CorpusRequest(name.strip(), paths.corpus(path.strip(), f"{option} {name}") if sign else None))
    names = [w.name for w in out]
    if len(set(names)) < len(names) or "" in names:
        raise BadInput(repr(text), option, "different names, separated by commas", "name each corpus once")
    return tuple(out)


def _entry(pieces: Sequence[str]) -> tuple[str, list[str]]:
    """The first corpus of a list that was cut at its commas, and the pieces left: a path may have commas of its own."""
    ends = []
    for end in range(1, len(pieces) + 1) if "=" in pieces[0] else ():
        path = ",".join(pieces[:end]).partition("=")[2].strip()
        if path and os.path.exists(os.path.expanduser(path)):
            ends.append(end)
    end = next((n for n in ends if n == len(pieces) or _ENTRY.match(pieces[n])), (ends or [1])[0])
    return ",".join(pieces[:end]), list(pieces[end:])


def corpora(args: argparse.Namespace) -> int:
    """``ser corpora``."""
    if args.known is not None:
        return _print_known(args)
    from ser.cli import console, documents, scanned
    from ser.planning.request import Survey, locate, read, set_up, survey

    requested = _requested(args.corpora)
    below = survey(args.data) if args.data and not requested else Survey((), (), ())
    code, scans = 0, list[documents.ScannedCorpus]()
    places = below.corpora or locate(args.data, requested, study=None)
    loaders = set_up([(name, loader) for name, loader, _ in places], [setting(s) for s in args.set])
    for name, _, path in places:
        try:
            manifest = read(name, loaders[name], path, args.work, console.bar)
            scanned.corpus(manifest, all_refused=args.refused)
            scans.append(documents.scanned_corpus(manifest))
        except BadInput as error:  # one corpus that cannot be read hides no other
            scans.append(documents.unreadable_corpus(name, str(path), str(error)))
            console.console.print(f"\n{name}  {path}\nerror: {error}")
            code = 2
    scanned.surveyed(below.notes, below.refused, args.refused)
    args.document = documents.corpora(scans, below.notes, below.refused)
    return code


def _print_known(args: argparse.Namespace) -> int:
    """Prints what is known of the corpus ``args.known``, of all where it is empty."""
    from ser.cli import catalogue, known

    name = args.known
    print("\n".join(known.detailed(name, catalogue.width()) if name else known.listed(catalogue.width())))
    if args.as_json:
        from ser.cli import documents

        args.document = documents.known_corpora(name)
    return 0


def _make(work: Path) -> None:
    """Raises BadInput where there can be no work folder."""
    try:
        work.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        allowed = "a folder that is there or can be made"
        raise BadInput(f"{work}: {reason}", "--work", allowed, "give another, or repair this one") from None


def _request(args: argparse.Namespace) -> "Request":
    """What the arguments ask for, checked; demo corpora are made where they are to be used. Raises BadInput."""
    from ser.features.remote import RemoteFolder, is_url
    from ser.planning import request as requests

    if args.store and is_url(args.store):
        RemoteFolder(args.store)  # says which package lacks
    request = requests.Request(
        study=args.study,
        work=args.work,
        data=tuple(args.data),
        corpora=_requested(args.corpora),
        settings=(*map(setting, args.set), *([("test_side", args.test_side)] if args.test_side else ())),
        seeds=args.seeds,
        duplicates=args.duplicates,
        demo=args.demo,
        mode=args.mode,
        noise=args.noise,
        rir=args.rir,
        weights=args.weights,
        encoders=tuple((name, Path(folder)) for name, _, folder in (text.partition("=") for text in args.encoder)),
        unseen=_requested(args.test_on, "--test-on"),
    )
    study = requests.check(request)
    _make(args.work)  # what is refused above leaves no folder
    if args.demo and requests.lacks_encoders(request):
        request = replace(request, encoders=_random_encoders(args.work))
    if args.demo and not args.data and not args.corpora:
        request = replace(request, data=(_made_corpora(args, study.demo.emotions),))
    return request


def _made_corpora(args: argparse.Namespace, emotions: str) -> Path:
    """The folder of demo corpora that suit the study, made where they are not there yet."""
    from ser import demo as synthesis
    from ser.cli import console

    folder: Path = args.work / ("corpora" if emotions == "four" else f"corpora_{emotions}")
    with console.bar("make demo corpora") as progress:
        synthesis.make(folder, progress=progress, emotions=emotions)
    return folder


def _random_encoders(work: Path) -> tuple[tuple[str, Path], ...]:
    """Two small encoders of a demo, by names that say what they are; the same as ever."""
    from ser.cli import console
    from ser.demo import encoder

    folders = tuple((f"random-{kind}", work / "encoders" / kind) for kind in ("wavlm", "whisper"))
    for _, folder in folders:
        encoder.make(folder, folder.name, layers=2)
    names = " and ".join(name for name, _ in folders)
    console.console.print(f"no --encoder: {names} are small and have random weights, to show the way")
    return folders


def prepare(args: argparse.Namespace) -> int:
    """``ser prepare``."""
    from ser.cli import console, scanned
    from ser.distributed import features
    from ser.distributed.profile import Profile
    from ser.planning import request as requests
    from ser.planning.entries import entries_of

    _check_json(args)
    profile = Profile.read(args.profile)
    request = _request(args)
    plan = requests.plan_of(request, console.bar)
    if args.plan:
        return _show_features(args, plan, request)
    scanned.refusals([r for m in plan.manifests.values() for r in m.refused], everything=False)
    with features.computing(profile, args.address, args.work, console.console.print) as compute:
        refused = requests.prepare(plan, _store(args), request.recordings, console.bar, compute)
    scanned.refusals(refused)
    entries = len(entries_of(plan))
    console.console.print(f"{entries} store entries ready in {_store(args).local}")
    return 0


def export(args: argparse.Namespace) -> int:
    """``ser export``."""
    from ser.cli import console, scanned
    from ser.features import hdf5
    from ser.planning import request as requests

    request = _request(args)
    plan, store = requests.plan_of(request, console.bar), _store(args)
    scanned.refusals(requests.prepare(plan, store, request.recordings, console.bar))
    args.to.mkdir(parents=True, exist_ok=True)
    for name, rows, facts in requests.exported(plan, store):
        path = args.to / f"{name}.h5"
        count = hdf5.write_hdf5(path, rows, facts)
        console.console.print(f"{count} utterances of {name} in {path}")
    return 0


def labels(args: argparse.Namespace) -> int:
    """``ser labels``."""
    from ser.cli import scanned
    from ser.planning import request as requests
    from ser.report.multilabel.published import FIGURE_1
    from ser.study import load_study, override

    study = load_study(args.study)
    releases = FIGURE_1 if study.name == "multilabel" else {}  # counted in that study's classes
    places = requests.locate(args.data, _requested(args.corpora), study)
    if args.set:
        study = study.with_corpora(requests.bring(study, [(name, loader) for name, loader, _ in places]))
    for text in args.set:
        study = override(study, *setting(text))
    for name, loader, path in places:
        scanned.labels(name, *requests.label_statistics(study, name, loader, path), releases.get(name))
    return 0


def _store(args: argparse.Namespace) -> "Store":
    from ser.features.store import Store

    return Store(args.store or args.work / "store", args.work / "cache", args.jobs)


def run(args: argparse.Namespace) -> int:
    """``ser run``."""
    from ser.cli import addresses, console, scanned
    from ser.distributed.profile import Profile
    from ser.planning import request as requests
    from ser.runs.location import Location

    # Whatever can be refused is refused first.
    _check_json(args)
    profile = Profile.read(args.profile)
    where = Location.of(args.work, args.tracking_uri)
    request = _request(args)
    plan = requests.plan_of(request, console.bar)
    _check_precision(plan, profile, args.address)
    if args.plan:
        _show_plan(args, plan, where, profile)
        return _show_features(args, plan, request)
    _check_tracking(args, plan, where)
    from ser.distributed import launch  # and with it torch
    from ser.distributed.ledger import Search, unfinished

    # Features.
    scanned.refusals([r for m in plan.manifests.values() for r in m.refused], everything=False)
    prepared = _preparation(args, plan, request, where, profile, args.address)
    job = prepared.job()
    # Trials.
    from ser.cli.live import Live

    done = len(plan.to_run) - len(unfinished(job, plan.to_run))
    if done:
        console.console.print(f"{done} are finished already of {console.to_run(plan)}")
    console.console.print(
        f"follow it in a browser:  ser ui --live --work {shlex.quote(str(args.work))}", soft_wrap=True
    )
    with Live(plan.to_run, done, args.work / "logs" / f"{plan.study.name}.log") as live:
        search = Search.of(plan.study, prepared.grow)
        summary = launch.run(job, plan.to_run, profile, args.address, live, prepared.job, search)
    console.outcome(summary, prepared.plan)
    if not args.within_demo:
        console.next_steps(args.study, args.work, args.tracking_uri)
    console.addresses(addresses.of_study(where, plan.study.name, args.work))
    lacks_tests = bool(summary.tests and summary.tests.unfinished)
    return 130 if summary.interrupted else 1 if summary.unfinished or summary.undelivered or lacks_tests else 0


def test(args: argparse.Namespace) -> int:
    """``ser test``: finished runs, from their saved models, on corpora that these have not learned from."""
    from ser.cli import console, scanned
    from ser.distributed.profile import Profile
    from ser.planning import request as requests
    from ser.runs.location import Location
    from ser.runs.tracker import Tracker

    _check_json(args)
    profile = Profile.read(args.profile)
    where = Location.of(args.work, args.tracking_uri, to_read=True)
    request = _request(args)
    plan = requests.plan_of(request, console.bar)
    done = Tracker(where, plan.study.name, to_read=True).finished_of(list(plan.by_id))
    if not done:
        remedy = "give the same --set, --corpora, --seeds and --mode as to `ser run`, or run it first"
        raise BadInput(f"none of {len(plan.to_run)} trials", f"runs of {plan.study.name}", "finished ones", remedy)
    plan = replace(plan.for_tests, references=tuple(t for t in plan.references if t.id in done))
    if args.plan:
        console.plan(plan, done, [])
        _describe_plan(args, plan, done)
        return _show_features(args, plan, request)
    from ser.cli.live import Live
    from ser.distributed import launch

    scanned.refusals([r for _, m in plan.brought.values() for r in m.refused], everything=False)
    prepared = _preparation(args, plan, request, Location.of(args.work, args.tracking_uri), profile, args.address)
    trials, job = plan.to_run, prepared.job()
    with Live(trials, 0, args.work / "logs" / f"{plan.study.name}.log") as live:
        summary = launch.run(job, trials, profile, args.address, live, prepared.job, trains=False)
    console.outcome(summary, plan)
    return 130 if summary.interrupted else 1 if summary.tests and summary.tests.unfinished else 0


def _preparation(
    args: argparse.Namespace,
    plan: "Plan",
    request: "Request",
    where: "Location",
    profile: "Profile",
    address: str | None = None,
) -> "Preparation":
    """Returns what makes the jobs of ``plan``, features first."""
    from ser.cli import console, scanned
    from ser.distributed.preparation import Preparation

    store = _store(args)
    place = args.store or str(store.local)
    note = console.console.print
    return Preparation(plan, request, store, place, where, profile, address, console.bar, scanned.refusals, note)


def _check_precision(plan: "Plan", profile: "Profile", address: str | None = None) -> None:
    """Raises BadInput for numbers that the profile's device has not; says so where they are slower on this machine.

    What nodes at another ``address`` have, ``ser doctor`` says.
    """
    from ser.cli import console
    from ser.host.processor import processor

    if profile.device != "cpu":
        return
    if plan.study.training.precision == "tf32":
        remedy = "choose another, or a profile with GPUs"
        raise BadInput("'tf32'", "training.precision on a CPU", "float32, bfloat16", remedy)
    if address is None and any(trial.training.precision == "bfloat16" for trial in plan.to_train):
        chip = processor()
        if chip.bfloat16_drawback:
            console.console.print(f"{chip.name}: {chip.bfloat16_drawback}", soft_wrap=True)


def _check_tracking(args: argparse.Namespace, plan: "Plan", where: "Location") -> None:
    """Raises BadInput where MLflow could take no run, or a corpus changed; says so where it is away for now."""
    from ser.cli import console
    from ser.runs import views
    from ser.runs.history import check_unchanged
    from ser.runs.store_check import check_writable
    from ser.runs.tracker import Tracker
    from ser.trials.presented import presented

    try:
        tracker = Tracker.of(where, plan.study.name)
        check_writable(tracker)
        views.publish(tracker, presented(plan))
    except Away as error:
        console.away(str(error))
        return
    _note_older_runs(tracker)
    if not args.accept_changed_corpus:
        check_unchanged(tracker, plan.sources.values())


def _note_older_runs(tracker: "Tracker") -> None:
    """Says so where runs of an older schema will not be found again."""
    from ser.cli import console

    if tracker.has_older_schema():
        console.console.print("runs of an older version, whose trials have other ids, are left alone: trials run anew")


def _show_features(args: argparse.Namespace, plan: "Plan", request: "Request") -> int:
    """Entries of the store that a plan needs, and what they cost. Raises BadInput where the disk has no room."""
    from ser.cli.entries import features
    from ser.planning.entries import check_room, costs, entries_of

    store, recipes = _store(args), entries_of(plan)
    each = costs(recipes, store, request.recordings)
    features(each, store)
    if args.as_json:
        from ser.cli import documents

        if args.document is None:
            _describe_plan(args, plan, set())
        args.document["features"] = documents.features(each, store)
    check_room(recipes, store)
    return 0


def _check_json(args: argparse.Namespace) -> None:
    """Raises BadInput where a command is to do something, of which there is no listing."""
    if args.as_json and not args.plan:
        raise BadInput("--json without --plan", "--json", "listings", "add --plan, or ask ser status --json later")


def _describe_plan(
    args: argparse.Namespace, plan: "Plan", done: "Collection[str]", cost: "Estimate | None" = None
) -> None:
    if args.as_json:
        from ser.cli import documents

        args.document = documents.plan(plan, done, cost)


def _show_plan(args: argparse.Namespace, plan: "Plan", where: "Location", profile: "Profile") -> None:
    """Trials, those of them that are finished, and what the rest costs. A ledger that is there is only read."""
    from ser.cli import console
    from ser.errors import Refused
    from ser.host import machine
    from ser.runs.history import mean_epochs
    from ser.runs.tracker import Tracker
    from ser.trials.estimate import estimate

    done, epochs = set(), {}
    fresh = where.database is not None and not where.database.exists()  # a new work folder gets its ledger
    try:
        tracker = Tracker(where, plan.study.name, to_read=not fresh)
        done, epochs = tracker.finished_of(list(plan.by_id)), mean_epochs(tracker, plan.variant)
        _note_older_runs(tracker)
    except Refused:
        raise
    except BadInput:
        pass  # no trial of this study was ever run there
    todo = [t for t in plan.to_run if t.id not in done]
    cost = estimate(plan, todo, profile.at_once(machine.cores()), epochs, args.work / "update_times.json")
    console.plan(plan, done, cost.lines)
    _describe_plan(args, plan, done, cost)


def train(args: argparse.Namespace) -> int:
    """``ser train``: one trial in this process, without Ray, with the numbers that it has in the grid."""
    from ser.cli import console
    from ser.distributed.profile import Profile
    from ser.planning import request as requests
    from ser.planning.selection import select
    from ser.runs.location import Location
    from ser.runs.outcomes import Finished, StoreDamaged, Undelivered
    from ser.trials import group
    from ser.trials.run import interrupted, reset
    from ser.trials.run import run as run_trial

    for name, value in environment.OF_WORKERS.items():
        os.environ.setdefault(name, value)  # as workers have it, for the same numbers
    # The plan of the study, as `ser run` makes it, and the trial among its trials.
    profile = Profile.read(args.profile)
    where = Location.of(args.work, args.tracking_uri)
    request = _request(args)
    plan = requests.plan_of(request, console.bar)
    _check_precision(plan, profile)
    trial = select([*plan.trials, *plan.references], args.trial)
    trial = plan.by_id[plan.twins.get(trial.id, trial.id)]  # of two equal trials one is trained and counts as both
    if not args.no_tracking:
        _check_tracking(args, plan, where)
    prepared = _preparation(args, plan, request, where, profile)
    job = prepared.job()
    if args.no_tracking:
        job = job.untracked()
    reset(job, trial)

    # The training, here, where a debugger sees it; a damaged store is built again once.
    console.console.print(f"{trial.title} ({trial.id})")
    try:
        for _ in range(2):
            if group.group_key(trial) is None:
                outcome = run_trial(job, trial, console.epoch, raise_errors=args.pdb)
            else:  # tiny networks are trained stacked: this one in a group of its own
                outcome = group.run(job, [trial], console.epoch)[trial.id]
            if not isinstance(outcome, StoreDamaged):
                break
            console.console.print(f"{outcome.error}; it is built again")
            prepared.job()
    except BaseException as error:
        if args.pdb and isinstance(error, Exception):
            console.debug(error)
        interrupted(job, trial, error)
        raise
    # Its results, and where they are.
    console.trained(job, trial, outcome)
    return 0 if isinstance(outcome, Finished) or (isinstance(outcome, Undelivered) and not job.is_tracked) else 1


def predict(args: argparse.Namespace) -> int:
    """``ser predict``."""
    from ser.cli import console, predicted
    from ser.prediction import listed, stdin
    from ser.prediction.runs import predictor_of

    environment.keep_memory()
    _remember(args.encoder)
    predictor = predictor_of(args.work, args.tracking_uri, args.run, args.of_study, args.corpus)
    for note in predicted.notes(predictor):
        print(f"ser: {note}", file=sys.stderr)
    recordings = [stdin(sys.stdin.buffer)] if args.files == ["-"] else list(listed(args.files, args.one_speaker))
    with console.bar_beside_output("predict") as progress:
        answers = predicted.counted(predictor.predict(recordings), len(recordings), progress)
        failed = predicted.write(answers, predictor, "json" if args.json else "csv" if args.csv else "lines")
    if failed and len(recordings) > 1:
        print(f"ser: {failed} of {len(recordings)} have no answer", file=sys.stderr)
    return 1 if failed else 0


def _remember(texts: Sequence[str]) -> None:
    """Lets encoders be read from the folders of ``--encoder``. Raises BadInput for one that holds none."""
    from ser.data import encoders

    folders = [Path(text.partition("=")[2]) for text in texts]
    encoders.remember({str(encoders.examine(folder)): folder for folder in folders})


def export_model(args: argparse.Namespace) -> int:
    """``ser export-model``."""
    from ser.cli import console
    from ser.prediction import export
    from ser.prediction.runs import predictor_of

    path = Path(args.file).expanduser()
    export.check_suffix(path)
    _remember(args.encoder)
    predictor = predictor_of(args.work, args.tracking_uri, args.run, args.of_study, args.corpus)
    for line in export.export(predictor, path):
        console.console.print(line)
    return 0


def doctor(args: argparse.Namespace) -> int:
    """``ser doctor``."""
    from ser.host import libraries

    with libraries.looking() as look:  # first: torch and Ray take seconds to import, in processes beside this one
        return _doctor(args, look)


def _doctor(args: argparse.Namespace, look: "Look") -> int:
    from ser.cli import console, documents
    from ser.distributed import node, pool
    from ser.distributed.profile import Profile
    from ser.runs.location import Location

    profile = Profile.read(args.profile)
    where = Location.of(args.work, args.tracking_uri)
    reached = node.places(where, args.store or str(args.work / "store"), args.work, profile.device)
    if args.address:
        found = pool.examine(reached, args.work, args.address, profile)
    else:
        found = [node.examine(reached, node.versions(), look=look)]
    console.doctor(found, profile)
    args.document = documents.doctor(found)
    return 1 if any(f.problems for f in found) else 0


def status(args: argparse.Namespace) -> int:
    """``ser status``."""
    from ser.cli import documents, states
    from ser.runs.location import Location

    where = Location.of(args.work, args.tracking_uri, to_read=True)
    if args.watch and args.as_json:
        raise BadInput("--watch with --json", "ser status", "one of them", "call it again and again for JSON")
    if args.watch:
        states.watch(where, args.work, args.study)
        return 0
    args.document = documents.status(*states.show(where, args.work, args.study), where, args.work)
    return 0


def sync(args: argparse.Namespace) -> int:
    """``ser sync``."""
    from ser.cli import console
    from ser.runs import delivery
    from ser.runs.location import Location

    where = Location.of(args.work, args.tracking_uri)
    if not args.work.is_dir():  # a misspelt one has nothing to deliver either
        raise BadInput(f"{args.work}, which is not there", "--work", "a folder that `ser run` wrote", "name it")
    synced = delivery.sync(where, args.work)
    console.synced(synced)
    return 1 if synced.reason else 0


@interpreter.rare_collection()
def report(args: argparse.Namespace) -> int:
    """``ser report``."""
    from ser.cli import reports

    return reports.write(args) if args.study is not None else reports.write_all(args)


def ui(args: argparse.Namespace) -> int:
    """``ser ui``."""
    from ser.cli import console, pages

    others = pages.patterns(args.allowed_hosts)
    sockets = pages.listen(args.host, args.port)  # first: what is tried in vain should not take seconds
    try:
        from ser.cli import addresses, report_site
        from ser.runs.location import Location

        where = Location.of(args.work, args.tracking_uri, to_read=True)
        is_server = where.uri.startswith("http")
        if is_server:
            console.console.print(f"the tracking server has its own pages: {where.printable}", soft_wrap=True)
            console.addresses(addresses.of_studies(where, where.printable))
            if not args.live:
                return 0
        application = None if is_server else _mlflow_pages(where)
        site = report_site.ReportSite(application, where, args.work)
        lines = [
            pages.announcement(args.host, sockets, "reports" if is_server else "MLflow"),
            *(addresses.of_studies(where, pages.address(args.host, sockets)) if application else ()),
            report_site.announcement(pages.address(args.host, sockets)),
        ]
        guarded = pages.SameSite(site, pages.own_names(args.host), others)
        pages.run(guarded, sockets, lambda: console.addresses(lines))
    except KeyboardInterrupt:  # while it starts, too, Ctrl-C is how a person ends it
        pass
    finally:
        for sock in sockets:
            sock.close()
    return 0


def _mlflow_pages(where: "Location") -> "Application":
    """Returns MLflow's pages on a database; says so where they will lack something."""
    from ser.cli import console
    from ser.cli.start_page import StartPage
    from ser.runs import mlflow_client, views
    from ser.runs.store_check import ready_for_pages

    if note := ready_for_pages(where):
        console.console.print(note)
    views.publish_missing(where)
    return StartPage(mlflow_client.pages(where))


def new(args: argparse.Namespace) -> int:
    """``ser new``."""
    from ser.cli import new as templates

    path = templates.write(args.kind, args.name, args.to)
    print(f"{path} is written; next:  {templates.next_step(args.kind, args.name, args.to)}")
    return 0


def demo(args: argparse.Namespace) -> int:
    """``ser demo``."""
    from ser.cli import console
    from ser.distributed.profile import Profile
    from ser.study import load_study

    Profile.read(args.profile)  # before minutes of synthesis
    options = ["--work", str(args.work)] + (["--tracking-uri", args.tracking_uri] if args.tracking_uri else [])
    encoders = [f"--encoder={text}" for text in args.encoder]
    tests = [f"--{key}={text}" for key, text in (("test-on", args.test_on), ("test-side", args.test_side)) if text]
    code = main(["run", args.study, "--within-demo", *options, *encoders, *tests, "--demo", "--profile", args.profile])
    if code == 0:
        code = main(["report", args.study, *options])
        name = load_study(args.study).name
        console.console.print(f"read the report:  {args.work / 'reports' / name / 'report.html'}")
    return code


def studies(args: argparse.Namespace) -> int:
    """``ser studies``."""
    from ser.cli import catalogue

    print("\n".join(catalogue.studies(args.paths, catalogue.width())))
    if args.as_json:
        from ser.cli import documents

        args.document = documents.studies(args.paths)
    return 0


def show(args: argparse.Namespace) -> int:
    """``ser show``."""
    from ser.cli import catalogue

    width = catalogue.width()
    print("\n".join(catalogue.component(args.component, width) if args.component else catalogue.components(width)))
    return 0


def completion(args: argparse.Namespace) -> int:
    """``ser completion``."""
    from ser.cli import completion as shells

    print(shells.script(args.shell))
    return 0


_COMMANDS = (
    *(corpora, prepare, run, test, train, export, labels),
    *(predict, export_model, studies, show, doctor, status, sync, report, ui, new, demo, completion),
)
FUNCTIONS = {f.__name__.replace("_", "-"): f for f in _COMMANDS}
