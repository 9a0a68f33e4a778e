"""The command line: ``ser corpora | prepare | run | status | report | ui | demo``."""

import argparse
import ast
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser.errors import BadInput

EPILOG = """
examples:
  ser demo                                             the whole grid of paper 003 on speech made on the spot
  ser corpora --data ~/corpora                         what is there, and what was refused
  ser run interaffection --data ~/corpora --plan       what would be run, and how long
  ser run interaffection --data ~/corpora \\
      --corpora iemocap,tess,ravdess,customer=~/calls/manifest.csv
  ser report interaffection                            the paper's tables, at any time during a grid
  ser ui                                               browse the runs in MLflow
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 trials failed or are left, 2 bad input, 130 interrupted."""
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return int(args.command(args))
    except BadInput as error:
        print(f"ser: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ser: interrupted; nothing finished is lost, and the same command continues", file=sys.stderr)
        return 130


def _as_interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="ser", description="Experiment grids for speech emotion recognition.", epilog=EPILOG, formatter_class=raw
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Any, text: str, examples: str, *groups: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, epilog="examples:\n" + examples, formatter_class=raw
        )
        sub.set_defaults(command=function)
        for group in groups:
            group(sub)
        return sub

    command(
        "corpora", corpora, "Show the corpora found: utterances, speakers, hours, classes, refused files.",
        "  ser corpora --data ~/corpora\n  ser corpora --corpora emodb=~/emodb --refused",
        _work, _corpora,
    ).add_argument("--refused", action="store_true", help="list every refused file, not only the reasons")  # fmt: skip
    command(
        "prepare",
        prepare,
        "Compute the features that a study needs into the store.",
        "  ser prepare interaffection --data ~/corpora",
        _study,
        _work,
        _corpora,
        _grid,
        _storing,
    )
    sub = command(
        "run",
        run,
        "Run a study's trials; finished ones are never run again.",
        "  ser run interaffection --data ~/corpora --plan\n"
        "  ser run interaffection --data ~/corpora --seeds 3 --set training.batch_size=32\n"
        "  ser run interaffection --data /data --profile gpu --address auto --tracking-uri http://localhost:5000",
        _study,
        _work,
        _corpora,
        _grid,
        _storing,
        _tracking,
    )
    sub.add_argument("--plan", action="store_true", help="print what would be run, and run nothing")
    sub.add_argument("--profile", default="local", metavar="NAME", help="cluster/NAME.toml, or a path (default: local)")
    sub.add_argument("--address", metavar="ADDRESS", help="a running Ray cluster (default: this machine)")
    sub.add_argument(
        "--accept-changed-corpus",
        action="store_true",
        help="run anew on a corpus that changed since trials finished; the finished ones are kept",
    )
    command(
        "status",
        status,
        "Show how far a study is: finished, running, failed, and each failure's last error.",
        "  ser status interaffection",
        _study,
        _work,
        _tracking,
    )
    sub = command(
        "report",
        report,
        "Write a study's tables and figures from its runs.",
        "  ser report interaffection\n  ser report interaffection --ties first --work demo",
        _study,
        _work,
        _tracking,
    )
    sub.add_argument(
        "--ties", choices=("fractional", "first"), default="fractional", help="credit of tied best results"
    )
    sub.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap replicates (default: 1000)")
    sub.add_argument("--variant", metavar="ID", help="report on other settings or corpora than the newest")
    sub = command("ui", ui, "Open MLflow's pages on the runs.", "  ser ui --work demo --port 5001", _work, _tracking)
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, default=5000, help="port (default: 5000)")
    sub = command(
        "demo",
        demo,
        "Make speech corpora and run the whole interaffection grid on them, with a small budget.",
        "  ser demo\n  ser demo --work /tmp/demo",
        _tracking,
    )
    sub.add_argument("--work", type=Path, default=Path("demo"), metavar="DIR", help="work folder (default: ./demo)")
    sub.add_argument("--profile", default="local", metavar="NAME", help="cluster/NAME.toml, or a path (default: local)")
    return parser


def _study(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("study", metavar="STUDY", help="a file of experiments/, without .py")


def _work(sub: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("SER_WORK", "work"))
    sub.add_argument(
        "--work",
        type=Path,
        default=default,
        metavar="DIR",
        help="where everything is written (default: $SER_WORK or ./work)",
    )


def _corpora(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR", help="look for corpora below DIR (repeatable)"
    )
    sub.add_argument(
        "--corpora", metavar="NAME[=PATH],…", help="which corpora, and where; a CSV manifest is NAME=…/manifest.csv"
    )


def _grid(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seeds", type=int, default=1, metavar="K", help="repeat every trial with K seeds (default: 1)")
    sub.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="change a setting, e.g. training.batch_size=32"
    )
    sub.add_argument(
        "--duplicates",
        default="once",
        metavar="once|repeat",
        help="equal models (one corpus, unified or multi): train once and count twice, or train both",
    )
    sub.add_argument("--demo", action="store_true", help="the study's small budget")
    sub.add_argument("--noise", type=Path, metavar="DIR", help="recorded noise for augmentation (default: generated)")
    sub.add_argument("--rir", type=Path, metavar="DIR", help="recorded impulse responses (default: generated)")


def _storing(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--store", metavar="URL", help="the feature store: a folder or fsspec URL (default: WORK/store)")
    sub.add_argument("--jobs", type=int, metavar="N", help="threads that compute features (default: all cores)")


def _tracking(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tracking-uri", metavar="URI", help="MLflow tracking store (default: sqlite in the work folder)")


def _wanted(text: str | None) -> tuple[Any, ...]:
    from ser.gather import Wanted

    if not text:
        return ()
    out = []
    for entry in text.split(","):
        name, _, path = entry.strip().partition("=")
        out.append(Wanted(name, Path(path).expanduser() if path else None))
    names = [w.name for w in out]
    if len(set(names)) < len(names) or "" in names:
        raise BadInput(repr(text), "--corpora", "different names, separated by commas", "name each corpus once")
    return tuple(out)


def _setting(text: str) -> tuple[str, Any]:
    """``a.b=value``; the value is a Python literal where it is one, ``x:y`` pairs for merge, else text."""
    path, sign, value = text.partition("=")
    if not sign:
        raise BadInput(repr(text), "--set", "PATH=VALUE", "add the value")
    if path == "merge":
        return path, tuple(tuple(pair.split(":", 1)) for pair in value.split(",") if pair)
    if "," in value and not value.startswith(("(", "[")):
        value = (
            f"({value},)" if all(_literal(v) is not None for v in value.split(",")) else repr(tuple(value.split(",")))
        )
    literal = _literal(value)
    return path, value if literal is None else literal


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def corpora(args: argparse.Namespace) -> int:
    """``ser corpora``."""
    from ser import show
    from ser.gather import locate, read
    from ser.study import Part

    code = 0
    for name, loader, path in locate(args.data, _wanted(args.corpora), study=None):
        try:
            show.corpus(read(name, Part(loader), path, args.work, show.bar), all_refused=args.refused)
        except BadInput as error:  # one corpus that cannot be read hides no other
            show.console.print(f"\n{name}  {path}\nerror: {error}")
            code = 2
    return code


def _request(args: argparse.Namespace) -> Any:
    from ser.gather import Request

    return Request(
        study=args.study,
        work=args.work,
        data=tuple(args.data),
        wanted=_wanted(args.corpora),
        settings=tuple(_setting(s) for s in args.set),
        seeds=args.seeds,
        duplicates=args.duplicates,
        demo=args.demo,
        noise=args.noise,
        rir=args.rir,
    )


def prepare(args: argparse.Namespace) -> int:
    """``ser prepare``."""
    from ser import gather, show

    request = _request(args)
    plan = gather.plan_of(request, show.bar)
    for source in plan.sources.values():
        show.refusals(source.manifest.refused, everything=False)
    refused = gather.prepare(plan, _store(args), request.recordings, show.bar)
    show.refusals(refused)
    entries = sum(len(s.recipes) for s in plan.sources.values())
    show.console.print(f"{entries} store entries ready in {_store(args).local}")
    return 0


def _store(args: argparse.Namespace) -> Any:
    from ser.store import Store

    return Store(args.store or args.work / "store", args.work / "cache", args.jobs)


def run(args: argparse.Namespace) -> int:
    """``ser run``."""
    from ser import gather, show
    from ser.cost import estimate
    from ser.launch import Profile
    from ser.track import Location, Tracker

    request = _request(args)
    profile = Profile.read(args.profile)
    plan = gather.plan_of(request, show.bar)
    where = Location.of(args.work, args.tracking_uri)
    args.work.mkdir(parents=True, exist_ok=True)
    tracker = Tracker(where, plan.study.name)
    done = tracker.finished()
    if args.plan:
        todo = [t for t in plan.to_train if t.id not in done]
        at_once = profile.trials_at_once or (os.cpu_count() or 1) // profile.cpus_per_trial
        lines = estimate(plan, todo, max(at_once, 1), tracker.mean_epochs(plan.variant))
        show.plan(plan, sum(t.id in done for t in plan.trials), lines)
        return 0
    if not args.accept_changed_corpus:
        tracker.check_unchanged(plan.sources.values())
    return _train(args, plan, request, where, profile)


def _train(args: argparse.Namespace, plan: Any, request: Any, where: Any, profile: Any) -> int:
    """Features, then trials, with progress shown; returns the exit status."""
    from ser import gather, launch, show
    from ser.trial import job_of
    from ser.version import code_version

    store = _store(args)
    show.refusals([r for s in plan.sources.values() for r in s.manifest.refused], everything=False)
    show.refusals(gather.prepare(plan, store, request.recordings, show.bar))
    place = args.store or str(store.local)
    job = job_of(
        plan, where, args.work, place, profile.device, profile.cpus_per_trial, code_version(), gather.describe(plan)
    )
    already = len(plan.to_train) - len(launch.unfinished(job, plan.to_train))
    if already:
        show.console.print(f"{already} of {len(plan.to_train)} trials are finished already")
    with show.Live(plan.to_train, already, args.work / "logs" / f"{plan.study.name}.log") as live:
        summary = launch.run(job, plan.to_train, profile, args.address, live)
    show.outcome(summary, plan)
    return 130 if summary.interrupted else 1 if summary.left else 0


def status(args: argparse.Namespace) -> int:
    """``ser status``."""
    from ser import collect, show
    from ser.study import load_study
    from ser.track import Location, Tracker

    study = load_study(args.study)
    show.status(*collect.survey(Tracker(Location.of(args.work, args.tracking_uri, to_read=True), study.name), study))
    return 0


def report(args: argparse.Namespace) -> int:
    """``ser report``."""
    from ser import collect, show
    from ser import report as writer
    from ser.study import load_study
    from ser.track import Location, Tracker

    study = load_study(args.study)
    tracker = Tracker(Location.of(args.work, args.tracking_uri, to_read=True), study.name)
    results, grid = collect.collect(tracker, study, args.variant)
    folder = args.work / "reports" / study.name
    curves = collect.best_curves(tracker, results, grid)
    written = writer.write(results, grid, folder, args.ties, args.replicates, curves)
    print(written.markdown)
    show.console.print(f"written to {folder}: tables.md, tables.csv, tables.tex, report.html, figures")
    return 0


def ui(args: argparse.Namespace) -> int:
    """``ser ui``."""
    from ser.track import Location, serve

    return serve(Location.of(args.work, args.tracking_uri, to_read=True), args.host, args.port)


def demo(args: argparse.Namespace) -> int:
    """``ser demo``."""
    from ser import demo as made
    from ser import show

    with show.bar("make demo corpora") as progress:
        made.make(args.work / "corpora", progress=progress)
    options = ["--work", str(args.work)] + (["--tracking-uri", args.tracking_uri] if args.tracking_uri else [])
    data = ["--data", str(args.work / "corpora"), "--demo", "--profile", args.profile]
    code = main(["run", "interaffection", *options, *data])
    if code == 0:
        code = main(["report", "interaffection", *options])
        show.console.print(f"browse the runs:  ser ui --work {args.work}")
        show.console.print(f"read the report:  {args.work / 'reports' / 'interaffection' / 'report.html'}")
    return code
