"""What can be typed after ``ser``: every command's options, help and examples."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

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

Add = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True)
class Command:
    """How one command explains itself, and what it takes."""

    text: str
    examples: str
    options: tuple[Add, ...]


def parser(functions: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """The parser of the whole command line; ``functions`` has one function per command, found as ``args.command``."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(
        prog="ser", description="Experiment grids for speech emotion recognition.", epilog=EPILOG, formatter_class=raw
    )
    listed = whole.add_subparsers(metavar="COMMAND", required=True)
    for name, function in functions.items():
        one = COMMANDS[name]
        examples = "examples:\n" + "\n".join(f"  {line}" for line in one.examples.splitlines())
        sub = listed.add_parser(name, help=one.text, description=one.text, epilog=examples, formatter_class=raw)
        sub.set_defaults(command=function)
        for add in one.options:
            add(sub)
    return whole


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


def _set(sub: argparse.ArgumentParser) -> None:
    text = "change a setting, e.g. calls.label_map=labels.json (repeatable)"
    sub.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help=text)


def _grid(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--mode", metavar="paper|sound", help="as printed, or speaker-independent (default: paper)")
    sub.add_argument("--seeds", type=int, metavar="K", help="repeat every trial with K seeds (default: the study's)")
    sub.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="change a setting, e.g. training.batch_size=32"
    )
    sub.add_argument(
        "--duplicates",
        default="once",
        metavar="once|repeat",
        help="equal models (one corpus, unified or multi): train once and count twice, or train both",
    )
    sub.add_argument(
        "--demo",
        action="store_true",
        help="the study's small budget; without --data and --corpora also on made corpora",
    )
    sub.add_argument("--noise", type=Path, metavar="DIR", help="recorded noise for augmentation (default: generated)")
    sub.add_argument("--weights", type=Path, metavar="FILE", help="VGGish weights to start from (default: random)")
    sub.add_argument("--rir", type=Path, metavar="DIR", help="recorded impulse responses (default: generated)")


def _store(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--store", metavar="URL", help="the feature store: a folder or fsspec URL (default: WORK/store)")


def _jobs(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--jobs", type=int, metavar="N", help="threads that compute features (default: all cores)")


def _tracking(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tracking-uri", metavar="URI", help="MLflow tracking store (default: sqlite in the work folder)")


def _profile(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--profile", default="local", metavar="NAME", help="cluster/NAME.toml, or a path (default: local)")


def _address(sub: argparse.ArgumentParser) -> None:
    text = "a running Ray cluster: auto, HOST:6379 or ray://HOST:10001 (default: this machine)"
    sub.add_argument("--address", metavar="ADDRESS", help=text)


def _running(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--plan", action="store_true", help="print what would be run, and run nothing")
    sub.add_argument(
        "--accept-changed-corpus",
        action="store_true",
        help="run anew on a corpus that changed since trials finished; the finished ones are kept",
    )


def _to(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--to", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")


def _refused(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--refused", action="store_true", help="list every refused file, not only the reasons")


def _counting(sub: argparse.ArgumentParser) -> None:
    rules = ("fractional", "first")
    sub.add_argument("--ties", choices=rules, default=rules[0], help="credit of tied best results")
    sub.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap replicates (default: 1000)")
    sub.add_argument("--variant", metavar="ID", help="report on other settings or corpora than the newest")


def _listening(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, default=5000, help="port (default: 5000)")


def _demo_work(sub: argparse.ArgumentParser) -> None:
    text = "a file of experiments/, without .py (default: interaffection)"
    sub.add_argument("study", metavar="STUDY", nargs="?", default="interaffection", help=text)
    sub.add_argument("--work", type=Path, default=Path("demo"), metavar="DIR", help="work folder (default: ./demo)")


COMMANDS = {
    "corpora": Command(
        "Show the corpora found: utterances, speakers, hours, classes, refused files.",
        "ser corpora --data ~/corpora\nser corpora --corpora emodb=~/emodb --refused\n"
        "ser corpora --corpora calls=~/calls/manifest.csv --set calls.label_map=labels.json",
        (_work, _corpora, _set, _refused),
    ),
    "prepare": Command(
        "Compute the features that a study needs into the store.",
        "ser prepare interaffection --data ~/corpora",
        (_study, _work, _corpora, _grid, _store, _jobs),
    ),
    "run": Command(
        "Run a study's trials; finished ones are never run again.",
        "ser run interaffection --data ~/corpora --plan\n"
        "ser run interaffection --data ~/corpora --seeds 3 --set training.batch_size=32\n"
        "ser run interaffection --data /data --profile gpu --address auto --tracking-uri http://localhost:5000",
        (_study, _work, _corpora, _grid, _store, _jobs, _tracking, _profile, _address, _running),
    ),
    "export": Command(
        "Write the features of a study as HDF5, one file per corpus: X, y, uid.",
        "ser export mfcc_networks --data ~/corpora --to features",
        (_study, _work, _corpora, _grid, _store, _jobs, _to),
    ),
    "labels": Command(
        "Count what raters' votes make of the corpora: utterances of one, two and three emotions; reads no audio.",
        "ser labels multilabel --corpora crema_d=~/CREMA-D,iemocap=~/IEMOCAP_full_release",
        (_study, _corpora, _set),
    ),
    "doctor": Command(
        "Look at this machine, or at every node of a cluster: versions, devices, store and tracking server.",
        "ser doctor\nser doctor --address auto --profile gpu --store s3://bucket/features --tracking-uri http://mlflow:5000",
        (_work, _store, _tracking, _profile, _address),
    ),
    "status": Command(
        "Show how far a study is: finished, running, failed, and each failure's last error.",
        "ser status interaffection",
        (_study, _work, _tracking),
    ),
    "sync": Command(
        "Deliver to MLflow what was trained while it was away, and what a killed command left.",
        "ser sync\nser sync --work demo --tracking-uri http://localhost:5000",
        (_work, _tracking),
    ),
    "report": Command(
        "Write a study's tables and figures from its runs.",
        "ser report interaffection\nser report interaffection --ties first --work demo",
        (_study, _work, _tracking, _counting),
    ),
    "ui": Command("Open MLflow's pages on the runs.", "ser ui --work demo --port 5001", (_work, _tracking, _listening)),
    "demo": Command(
        "Make speech corpora, run a study on them with a small budget, and report.",
        "ser demo\nser demo multilabel --work /tmp/demo",
        (_demo_work, _tracking, _profile),
    ),
}
