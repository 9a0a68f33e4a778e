"""What can be typed after ``ser``: every command's options, help and examples."""

import argparse
import os
import re
import sys
from ast import literal_eval
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn

from ser.cli import help_texts
from ser.errors import BadInput, unknown
from ser.host import paths

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EPILOG = """
examples:
  ser demo                                             the whole grid of da Silva et al. on made speech
  ser corpora --data ~/corpora                         what is there, and what was refused
  ser run interaffection --data ~/corpora --plan       what would be run, and how long
  ser run interaffection --data ~/corpora \\
      --corpora iemocap,tess,ravdess,customer=~/calls/manifest.csv
  ser report interaffection                            the paper's tables, at any time during a grid
  ser predict 3f2a9c1d recording.wav                   what a finished run says of a new recording
  ser ui                                               browse the runs in MLflow
"""

NEW = ("study", "corpus", "front-end", "model", "augmentation", "report")
Add = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True)
class Command:
    """How one command explains itself, and what it takes."""

    text: str
    examples: str
    options: tuple[Add, ...]


class _Parser(argparse.ArgumentParser):
    """Raises BadInput where argparse prints its usage and ends the process."""

    def error(self, message: str) -> NoReturn:
        """Name the argument, what it takes and the command that tells more."""
        remedy = f"see {self.prog} --help"
        place, sign, value = message.removeprefix("argument ").partition(": ")
        if place.endswith("arguments are required"):
            place, value = value.partition(",")[0], "missing"
        action = next((a for a in self._actions if sign and place in (_title(a), a.dest, a.metavar)), None)
        if action is None:
            raise BadInput(message, self.prog, self.shape(), remedy)
        if not action.choices:
            raise BadInput(value, place, action.help or place, remedy)
        if written := re.search(r"invalid choice: (['\"].*?['\"]) \(", value):
            raise unknown(literal_eval(written[1]), place, list(action.choices), remedy)
        raise BadInput(value, place, ", ".join(action.choices), remedy)

    def shape(self) -> str:
        """The command with what it cannot be without."""
        return " ".join([self.prog, *(str(a.metavar) for a in self._actions if not a.option_strings), "[options]"])

    def format_help(self) -> str:
        """As argparse, with the modes of each study where a mode can be chosen: they are read when help is asked."""
        for action in self._actions:
            if action.dest == "mode":
                action.help = help_texts.modes()
        return super().format_help()

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """As argparse, which drops what cannot be written without a word."""
        print(self.format_help(), end="", file=file or sys.stdout)


class _Version(argparse.Action):
    """Prints the version when it is met: only then is it looked up."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"ser {help_texts.version()}")
        raise SystemExit(0)


def _title(action: argparse.Action) -> str:
    return "/".join(action.option_strings)


class _Whole(_Parser):
    """The parser of the command line, which asks that of the command about options that there are not."""

    def format_help(self) -> str:
        """As argparse, then examples, the studies that there are, and what exit statuses mean."""
        return super().format_help() + "\n".join((EPILOG, *help_texts.studies(), "", help_texts.EXIT_STATUS, ""))

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Raises BadInput."""
        read, others = self.parse_known_args(args, namespace)
        if others:
            one: _Parser = read.parser
            options = [text for action in one._actions for text in action.option_strings if text.startswith("--")]
            if not others[0].startswith("-"):
                raise BadInput(repr(others[0]), one.prog, one.shape(), f"leave it out, or see {one.prog} --help")
            raise unknown(others[0].partition("=")[0], one.prog, options, f"see {one.prog} --help")
        del read.parser
        return read


def parser(functions: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """The parser of the whole command line; ``functions`` has one function per command, found as ``args.command``."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = _Whole(prog="ser", description="Experiment grids for speech emotion recognition.", formatter_class=raw)
    whole.add_argument("--version", action=_Version, help="print the version of ser and end")
    listed = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name, function in functions.items():
        one = COMMANDS[name]
        examples = "examples:\n" + "\n".join(f"  {line}" for line in one.examples.splitlines())
        examples = f"{help_texts.EXIT_STATUS}\n\n{examples}"
        sub = listed.add_parser(name, help=one.text, description=one.text, epilog=examples, formatter_class=raw)
        sub.set_defaults(command=function, parser=sub)
        for add in one.options:
            add(sub)
    return whole


_PLACES: Mapping[str, Callable[[str, str], Any]] = {
    "work": paths.writable_folder,
    "to": paths.writable_folder,
    "noise": paths.folder,
    "rir": paths.folder,
    "weights": paths.weights,
    "store": paths.store,
    "tracking_uri": paths.tracking,
    "profile": paths.profile,
    "address": paths.cluster,
}
_NUMBERS = {"jobs": (1, inf), "seeds": (1, inf), "replicates": (0, 1_000_000), "port": (0, 65_535)}
# None of these can be empty.
_TEXTS = ("study", "trial", "corpora", "test_on", "mode", "variant", "equivalence", "host", "duplicates")


def resolve(args: argparse.Namespace, environment: MutableMapping[str, str]) -> list[str]:
    """Make every path and address in ``args`` absolute, with defaults from the environment; check numbers and texts.

    Returns what a person should know of the environment. Raises BadInput.
    """
    notes = _from_environment(args, environment)
    of_environment = {"work": "SER_WORK", "tracking_uri": "MLFLOW_TRACKING_URI"}
    for name, kind in _PLACES.items():
        if (written := getattr(args, name, None)) is not None:
            variable = of_environment.get(name, "")
            from_variable = variable and str(written) == environment.get(variable)
            setattr(args, name, kind(written, variable if from_variable else _option(name)))
    if plugins := _plugin_folders(getattr(args, "plugins", []), environment.get("SER_PLUGINS", "")):
        environment["SER_PLUGINS"] = plugins  # for every process that this one starts
    if getattr(args, "encoder", None):
        args.encoder = [_encoder(text) for text in args.encoder]
    if hasattr(args, "data"):
        args.data = [paths.data(folder) for folder in args.data]
    if environment.get("SER_CACHE"):
        environment["SER_CACHE"] = str(paths.writable_folder(environment["SER_CACHE"], "SER_CACHE"))
    for name, (least, most) in _NUMBERS.items():
        if (number := getattr(args, name, None)) is not None and not least <= number <= most:
            allowed = f"{least} or more" if most == inf else f"{least} to {most}"
            raise BadInput(str(number), _option(name), allowed, "give such a number")
    for name in _TEXTS:
        if (text := getattr(args, name, None)) is not None and not text.strip():
            raise BadInput(repr(text), _option(name), "a text", "name one, or leave it out")
    return notes


def _plugin_folders(options: Sequence[str], variable: str) -> str:
    """The value of SER_PLUGINS that names the folders of ``--plugins``, too, all of them absolute."""
    entries = [e if "=" in e else str(paths.folder(e, "SER_PLUGINS")) for e in variable.split(os.pathsep) if e]
    entries += [str(paths.folder(folder, "--plugins")) for folder in options]
    for entry in entries:
        if os.pathsep in entry:
            raise BadInput(entry, "--plugins", f"a folder without {os.pathsep!r} in its path", "rename it")
    return os.pathsep.join(dict.fromkeys(entries))


def _encoder(text: str) -> str:
    """NAME=DIR with the absolute path of a folder that is there."""
    name, sign, folder = text.partition("=")
    if not sign or not name.strip():
        raise BadInput(repr(text), "--encoder", "NAME=DIR", "name the encoder, then its folder: --encoder base=DIR")
    return f"{name.strip()}={paths.folder(folder.strip(), f'--encoder {name.strip()}')}"


def _option(name: str) -> str:
    return name if name == "study" else f"--{name.replace('_', '-')}"


def _from_environment(args: argparse.Namespace, environment: Mapping[str, str]) -> list[str]:
    notes = []
    uri = environment.get("MLFLOW_TRACKING_URI", "").strip()
    if uri and getattr(args, "tracking_uri", "") is None:
        args.tracking_uri = environment["MLFLOW_TRACKING_URI"]
        notes.append(f"tracking: {paths.without_secrets(uri)} from MLFLOW_TRACKING_URI")
    if environment.get("RAY_ADDRESS") and getattr(args, "address", "") is None:
        notes.append("RAY_ADDRESS is not handled: trials run on this machine; --address auto takes the cluster")
    return notes


def _study(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("study", metavar="STUDY", help="a file of experiments/, without .py")
    _plugins(sub)


def _any_study(sub: argparse.ArgumentParser) -> None:
    text = "a file of experiments/, without .py (default: every study that the work folder has runs of)"
    sub.add_argument("study", metavar="STUDY", nargs="?", help=text)
    _plugins(sub)


def _plugins(sub: argparse.ArgumentParser) -> None:
    text = "your own corpora, models …: DIR/corpora/x.py, DIR/models/y.py … (repeatable; also $SER_PLUGINS)"
    sub.add_argument("--plugins", action="append", default=[], metavar="DIR", help=text)


def _work(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--work",
        default=os.environ.get("SER_WORK") or "work",
        metavar="DIR",
        help="where everything is written (default: $SER_WORK or ./work)",
    )


def _corpora(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="DIR",
        help="look for corpora below DIR, or in a zip (repeatable)",
    )
    sub.add_argument(
        "--corpora", metavar="NAME[=PATH],…", help="which corpora, and where; a CSV manifest is NAME=…/manifest.csv"
    )


def _set(sub: argparse.ArgumentParser) -> None:
    text = "change a setting, e.g. calls.label_map=labels.json (repeatable)"
    sub.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help=text)


def _encoders(sub: argparse.ArgumentParser) -> None:
    text = "a pretrained encoder: any name, and the folder with config.json and model.safetensors (repeatable: an axis)"
    sub.add_argument("--encoder", action="append", default=[], metavar="NAME=DIR", help=text)


def _encoders_of_run(sub: argparse.ArgumentParser) -> None:
    text = "where a pretrained encoder lies that RUN takes; NAME is free (repeatable)"
    sub.add_argument("--encoder", action="append", default=[], metavar="NAME=DIR", help=text)


def _grid(sub: argparse.ArgumentParser) -> None:
    _encoders(sub)
    sub.add_argument("--mode", metavar="MODE", help="one of the study's modes (default: its first)")
    sub.add_argument("--seeds", type=int, metavar="K", help="repeat every trial with K seeds (default: the study's)")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change a setting, e.g. training.batch_size=32 (repeatable)",
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
    sub.add_argument("--noise", metavar="DIR", help="recorded noise for augmentation (default: generated)")
    sub.add_argument("--weights", metavar="FILE", help="VGGish weights to start from (default: random)")
    sub.add_argument("--rir", metavar="DIR", help="recorded impulse responses (default: generated)")


def _testing(sub: argparse.ArgumentParser) -> None:
    text = "test trials on corpora that they have not learned from: members, the study's that are there; all; or names"
    sub.add_argument("--test-on", metavar="members|all|NAME[=PATH],…", help=text)
    _test_side(sub)


def _test_side(sub: argparse.ArgumentParser) -> None:
    text = "of these corpora: the test side of their split, where it has one (test, the default), or all utterances"
    sub.add_argument("--test-side", choices=("test", "all"), help=text)


def _testing_alone(sub: argparse.ArgumentParser) -> None:
    text = "on which corpora: members, the study's that are there; all that are there; or names"
    sub.add_argument("--on", dest="test_on", required=True, metavar="members|all|NAME[=PATH],…", help=text)
    _test_side(sub)


def _untested(sub: argparse.ArgumentParser) -> None:
    sub.set_defaults(test_on=None, test_side=None)


def _store(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--store", metavar="URL", help="the feature store: a folder or fsspec URL (default: WORK/store)")


def _jobs(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--jobs", type=int, metavar="N", help="threads that compute features (default: all cores)")


def _tracking(sub: argparse.ArgumentParser) -> None:
    text = "MLflow tracking store (default: $MLFLOW_TRACKING_URI, or sqlite in the work folder)"
    sub.add_argument("--tracking-uri", metavar="URI", help=text)


def _profile(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--profile", default="local", metavar="NAME", help="cluster/NAME.toml, or a path (default: local)")


def _address(sub: argparse.ArgumentParser) -> None:
    text = "a running Ray cluster: auto, HOST:6379 or ray://HOST:10001 (default: this machine)"
    sub.add_argument("--address", metavar="ADDRESS", help=text)


def _predicting(sub: argparse.ArgumentParser) -> None:
    run = "a finished run: its id or its trial's (or the beginning), its title, or a folder with its files"
    sub.add_argument("run", metavar="RUN", help=run)
    files = "recordings, folders, zip files, tables (path, speaker, sex, text), or - for one from standard input"
    sub.add_argument("files", metavar="FILE", nargs="+", help=files)
    sub.add_argument("--study", dest="of_study", default="", metavar="STUDY", help="the study of RUN (default: any)")
    corpus = "the corpus that recordings are like, where a model has a head or a front-end for each"
    sub.add_argument("--corpus", default="", metavar="NAME", help=corpus)
    sub.add_argument("--one-speaker", action="store_true", help="all recordings are of one speaker")
    forms = sub.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="an object for each recording, one a line")
    forms.add_argument("--csv", action="store_true", help="a table with a column for each class")


def _exporting(sub: argparse.ArgumentParser) -> None:
    run = "a finished run: its id or its trial's (or the beginning), its title, or a folder with its files"
    sub.add_argument("run", metavar="RUN", help=run)
    sub.add_argument("file", metavar="FILE", help="what to write: a name that ends in .safetensors or .onnx")
    sub.add_argument("--study", dest="of_study", default="", metavar="STUDY", help="the study of RUN (default: any)")
    corpus = "the corpus whose head or front-end to write, where a model has one for each (default: all heads)"
    sub.add_argument("--corpus", default="", metavar="NAME", help=corpus)


def _planning(sub: argparse.ArgumentParser) -> None:
    text = "print what would be run or computed and what it costs, and do nothing of it"
    sub.add_argument("--plan", action="store_true", help=text)
    _json(sub)


def _json(sub: argparse.ArgumentParser) -> None:
    text = "print what is listed as one JSON object, and nothing else (docs/json.md)"
    sub.add_argument("--json", dest="as_json", action="store_true", help=text)
    sub.set_defaults(document=None)


def _watching(sub: argparse.ArgumentParser) -> None:
    text = "show it again and again until all trials are finished; Ctrl-C ends it"
    sub.add_argument("--watch", action="store_true", help=text)


def _within_demo(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--within-demo", action="store_true", help=argparse.SUPPRESS)  # which names next steps itself


def _shells(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def _one_trial(sub: argparse.ArgumentParser) -> None:
    text = "which: its title, as printed or in ASCII (I+T+R lstm mean multi), its id, or the beginning of that"
    sub.add_argument("--trial", required=True, metavar="TITLE-OR-ID", help=text)
    sub.add_argument("--pdb", action="store_true", help="enter Python's debugger where an error is raised")
    sub.add_argument("--no-tracking", action="store_true", help="send nothing to MLflow; files go to WORK/untracked")


def _changed_corpus(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--accept-changed-corpus",
        action="store_true",
        help="run anew on a corpus that changed since trials finished; the finished ones are kept",
    )


def _to(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--to", default=".", metavar="DIR", help="where to write (default: here)")


def _refused(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--refused", action="store_true", help="list every refused file, not only the reasons")


def _known(sub: argparse.ArgumentParser) -> None:
    text = "list all corpora that can be read: language, kind, licence, size, where to get them; of NAME all there is"
    sub.add_argument("--known", metavar="NAME", nargs="?", const="", help=text)


def _new(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("kind", metavar="KIND", choices=list(NEW), help=", ".join(NEW))
    sub.add_argument("name", metavar="NAME", help="small letters, digits and _")
    sub.add_argument("--to", default=".", metavar="DIR", help="folder of the study or of the plugins (default: here)")


def _counting(sub: argparse.ArgumentParser) -> None:
    rules = ("fractional", "first")
    sub.add_argument("--ties", choices=rules, default=rules[0], help="credit of tied best results")
    sub.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap replicates (default: 1000)")
    resampled = ("speaker", "utterance")
    sub.add_argument("--resample", choices=resampled, default=resampled[0], help="what replicates draw, whole")
    sub.add_argument("--variant", metavar="ID", help="report on other settings or corpora than the newest")
    text = "setting whose values are tested for equivalence where trials differ in nothing else (default: %(default)s)"
    sub.add_argument("--equivalence", metavar="PATH", default="training.precision", help=text)
    text = "accuracies that differ by less, in percent points, are equivalent (default: %(default)s)"
    sub.add_argument("--margin", type=float, default=2.0, metavar="POINTS", help=text)


def _listening(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, default=5000, help="port; 0 takes a free one (default: 5000)")
    live = "also where a tracking server has its own pages: serve reports and the page that follows what runs, at /ser/"
    sub.add_argument("--live", action="store_true", help=live)
    others = "names of proxies through which the pages are seen, such as lab.example.org or *.example.org"
    sub.add_argument("--allowed-hosts", metavar="NAME,…", default="", help=others)


def _demo_work(sub: argparse.ArgumentParser) -> None:
    text = "a file of experiments/, without .py (default: interaffection)"
    sub.add_argument("study", metavar="STUDY", nargs="?", default="interaffection", help=text)
    _plugins(sub)
    sub.add_argument("--work", default="demo", metavar="DIR", help="work folder (default: ./demo)")


def _studies(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("paths", metavar="FILE", nargs="*", help="files of studies of one's own")


def _component(sub: argparse.ArgumentParser) -> None:
    text = "its name, with the kind where several have it (models/lstm); without one all are listed"
    sub.add_argument("component", metavar="COMPONENT", nargs="?", help=text)


COMMANDS = {
    "corpora": Command(
        "Show the corpora found: utterances, speakers, hours, classes, refused files.",
        "ser corpora --data ~/corpora\nser corpora --corpora emodb=~/emodb --refused\n"
        "ser corpora --corpora calls=~/calls/manifest.csv --set calls.label_map=labels.json\n"
        "ser corpora --known\nser corpora --known emodb",
        (_work, _corpora, _set, _refused, _known, _plugins, _json),
    ),
    "prepare": Command(
        "Compute the features that a study needs into the store.",
        "ser prepare interaffection --data ~/corpora --plan\n"
        "ser prepare interaffection --data ~/corpora --address auto --profile gpu --store s3://bucket/features",
        (_study, _work, _corpora, _grid, _testing, _store, _jobs, _profile, _address, _planning),
    ),
    "run": Command(
        "Run a study's trials; finished ones are never run again.",
        "ser run interaffection --data ~/corpora --plan\n"
        "ser run interaffection --data ~/corpora --seeds 3 --set training.batch_size=32\n"
        "ser run encoders --data ~/corpora --encoder wavlm=~/models/wavlm-base-plus --plan\n"
        "ser run interaffection --data /data --profile gpu --address auto --tracking-uri http://localhost:5000",
        (
            *(_study, _work, _corpora, _grid, _testing, _store, _jobs, _tracking, _profile, _address, _planning),
            *(_changed_corpus, _within_demo),
        ),
    ),
    "test": Command(
        "Test finished runs on corpora that they have not learned from, by their saved models; nothing is trained.",
        "ser test interaffection --data ~/corpora --on members\n"
        "ser test interaffection --data ~/corpora --on emodb=~/emodb,savee=~/savee --test-side all",
        (_study, _testing_alone, _work, _corpora, _grid, _store, _jobs, _tracking, _profile, _address, _planning),
    ),
    "train": Command(
        "Train one trial of a study here, without Ray: to look at it, or to debug it.",
        'ser train interaffection --data ~/corpora --trial "I+T+R lstm mean unified"\n'
        "ser train interaffection --demo --trial 3f2a --no-tracking --pdb",
        (_study, _one_trial, _work, _corpora, _grid, _untested, _store, _jobs, _tracking, _profile, _changed_corpus),
    ),
    "export": Command(
        "Write the features of a study as HDF5, one file per corpus: X, y, uid.",
        "ser export mfcc_networks --data ~/corpora --to features",
        (_study, _work, _corpora, _grid, _untested, _store, _jobs, _to),
    ),
    "labels": Command(
        "Count what raters' votes make of the corpora: utterances of one, two and three emotions; reads no audio.",
        "ser labels multilabel --corpora crema_d=~/CREMA-D,iemocap=~/IEMOCAP_full_release",
        (_study, _corpora, _set),
    ),
    "predict": Command(
        "Say which emotions recordings have, by the model of a finished run.",
        "ser predict 3f2a9c1d recording.wav\n"
        'ser predict "R · tdnn · μσ² · unified" ~/calls --csv\n'
        "ser predict 3f2a9c1d - --json\n"
        "ser predict 3f2a9c1d ~/calls --encoder whisper=~/models/whisper-tiny --one-speaker",
        (_predicting, _work, _tracking, _encoders_of_run, _plugins),
    ),
    "export-model": Command(
        "Write the model of a finished run as one file: weights with their description, or ONNX.",
        'ser export-model 3f2a9c1d emotions.safetensors\nser export-model "R · tdnn · μσ² · unified" emotions.onnx',
        (_exporting, _work, _tracking, _encoders_of_run, _plugins),
    ),
    "studies": Command(
        "List the studies that there are: names, trials, reports.",
        "ser studies\nser studies ./my_study.py\nser studies --json",
        (_studies, _plugins, _json),
    ),
    "show": Command(
        "Show a component's settings: kinds, ranges, units, defaults, meaning; its source, version and shapes.",
        "ser show lstm\nser show frontends/log_mel\nser show splits/speakers\nser show training",
        (_component, _plugins),
    ),
    "doctor": Command(
        "Look at this machine, or at every node of a cluster: versions, devices, store and tracking server.",
        "ser doctor\nser doctor --address auto --profile gpu --store s3://bucket/features --tracking-uri http://mlflow:5000",
        (_work, _store, _tracking, _profile, _address, _json),
    ),
    "status": Command(
        "Show how far studies are: trials finished, running, failed, best results, speed, time left, last errors.",
        "ser status\nser status interaffection --watch\nser status --work demo --json",
        (_any_study, _work, _tracking, _watching, _json),
    ),
    "sync": Command(
        "Deliver to MLflow what was trained while it was away, and what a killed command left.",
        "ser sync\nser sync --work demo --tracking-uri http://localhost:5000",
        (_work, _tracking),
    ),
    "report": Command(
        "Write tables and figures of a study, or of all studies, from their runs, and an index of all reports.",
        "ser report interaffection\nser report --work demo\n"
        "ser report interaffection --ties first --resample utterance --work demo",
        (_any_study, _work, _tracking, _counting, _json),
    ),
    "ui": Command(
        "Open MLflow's pages on the runs, with reports and a page that follows what runs.",
        "ser ui --work demo --port 5001\nser ui --live --tracking-uri http://mlflow:5000\n"
        "ser ui --host 0.0.0.0 --allowed-hosts lab.example.org",
        (_work, _tracking, _listening),
    ),
    "new": Command(
        "Write a commented template that runs: a study, or a component for a folder of plugins.",
        "ser new study my_study\nser new model my_model --to plugins\nser run ./my_study.py --plugins plugins --demo",
        (_new,),
    ),
    "demo": Command(
        "Make speech corpora, run a study on them with a small budget, and report.",
        "ser demo\nser demo multilabel --work /tmp/demo",
        (_demo_work, _encoders, _testing, _tracking, _profile),
    ),
    "completion": Command(
        "Print what lets a shell complete commands, options, studies and corpora.",
        'eval "$(ser completion bash)"      # in ~/.bashrc\n'
        'eval "$(ser completion zsh)"       # in ~/.zshrc\n'
        "ser completion fish | source       # in ~/.config/fish/config.fish",
        (_shells,),
    ),
}
