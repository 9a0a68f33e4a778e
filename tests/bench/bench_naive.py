"""The paper's grid against the plain way to write it: the same trainings twice, in processor seconds.

The trainings are those of one corpus in da Silva et al.: {LSTM, BLSTM, TDNN} x {mean, mean + variance}, at the paper's
size. On one corpus the unified and the multi-task set-up are one network, so two seeds make twelve. Both ways get the
same features, computed before and no part of either, the same split, settings, number and size of updates.

naive: what a person who knows the tools writes in a day. An actor of Ray Tune per trial, one thread each, float32 as
torch has it; a DataLoader of padded batches, every network exact on them (the BLSTM reads backwards by a gather of each
utterance's own frames, the TDNN masks every layer); Adam, clipping, one call of MLflow per metric; validation after
every epoch in batches of the same size. Packed sequences are exact as well, and slower.
ours: ``ser.distributed.launch``, as ``ser run`` calls it, in one precision or more.

Processor seconds are those of all processes that a way starts, Ray's included; those of one
network are of its trainings alone, without the start of their processes. Run it with python; it takes minutes on two
idle cores.
"""

import argparse
import copy
import ctypes
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

CLASSES = ("happy", "angry", "neutral", "sad")
BLOCKS = ("lstm", "blstm", "tdnn")
RATE, SPEAKERS = 8000, 20
_BECOME_SUBREAPER = 36  # of Linux's prctl: processes whose parent ends are then children of this one
_LOOK_S = 0.1
Json = dict[str, Any]


# The corpus: noise with an envelope of the speaker and one of the class


def lengths_s(kind: str, number: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Seconds of each utterance: as in RAVDESS, or lognormal with the mean and the longest of IEMOCAP."""
    if kind == "even":
        return np.clip(rng.normal(3.7, 0.25, number), 3.0, 5.2)
    seconds = np.clip(rng.lognormal(1.32, 0.6, number), 0.6, 34.0)
    seconds[np.argmax(seconds)] = 34.0
    return seconds


def make_corpus(folder: Path, kind: str, number: int) -> Path:
    """Writes wave files and their manifest; returns the path of that."""
    import soundfile

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    knots = np.linspace(0, 1, 9)
    of_class, of_speaker = rng.normal(0, 2.5, (len(CLASSES), 9)), rng.normal(0, 4.0, (SPEAKERS, 9))
    rows = ["path,label,speaker,sex"]
    for i, seconds in enumerate(lengths_s(kind, number, rng)):
        speaker, label = i % SPEAKERS, (i // SPEAKERS) % len(CLASSES)
        spectrum = np.fft.rfft(rng.normal(size=int(seconds * RATE)))
        level_db = np.interp(np.linspace(0, 1, len(spectrum)), knots, of_class[label] + of_speaker[speaker])
        wave = np.fft.irfft(spectrum * 10 ** (level_db / 20))
        syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(len(wave)) / RATE + rng.uniform(0, 6))
        soundfile.write(folder / f"{i:05d}.wav", 0.05 * wave * syllables, RATE, subtype="PCM_16")
        rows.append(f"{i:05d}.wav,{CLASSES[label]},speaker{speaker:02d},{'FM'[speaker % 2]}")
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# The naive way


class Naive(nn.Module):
    """One of the paper's networks on padded batches."""

    def __init__(self, block: str, pooling: str, s: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind, self.pooling, self.units = block, pooling, s["units"]
        if block == "tdnn":
            sizes = [257] + [self.units] * s["layers"]
            self.layers = nn.ModuleList(nn.Conv1d(a, b, 3, padding=1) for a, b in pairwise(sizes))
            for layer in self.layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            width = self.units
        else:
            self.prepare = nn.Sequential(nn.Linear(257, s["prep_units"]), nn.ReLU())
            directions = 2 if block == "blstm" else 1
            self.lstms = nn.ModuleList(
                nn.LSTM(s["prep_units"], self.units, batch_first=True) for _ in range(directions)
            )
            width = self.units * directions
        self.dropout = nn.Dropout(s["dropout"])
        self.u = nn.Parameter(torch.randn(width) * width**-0.5)
        self.head = nn.Linear(width * (2 if pooling == "mean_var" else 1), len(CLASSES))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[batch, longest, 257], lengths [batch] -> logits [batch, classes]."""
        at = torch.arange(x.shape[1])
        inside = at < lengths[:, None]
        if self.kind == "tdnn":
            h, mask = x.transpose(1, 2), inside[:, None].float()
            for layer in self.layers:
                h = layer(h).relu() * mask
            h = h.transpose(1, 2)
        else:
            p = self.prepare(x)
            h = self.lstms[0](p)[0]
            if self.kind == "blstm":
                back = torch.where(inside, lengths[:, None] - 1 - at, at)[:, :, None]
                reverse = self.lstms[1](p.gather(1, back.expand_as(p)))[0]
                h = torch.cat([h, reverse.gather(1, back.expand_as(reverse))], 2)
        h = self.dropout(h)
        alpha = (h @ self.u).masked_fill(~inside, -torch.inf).softmax(1)[:, :, None]
        mean = (alpha * h).sum(1)
        if self.pooling == "mean":
            return self.head(mean)
        return self.head(torch.cat([mean, ((alpha * h.square()).sum(1) - mean.square()).clamp_min(0)], 1))


class Utterances(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """One subset of the corpus, in memory."""

    def __init__(self, frames: npt.NDArray[np.float32], ends: Sequence[int], labels: Sequence[int]) -> None:
        self.frames = [torch.from_numpy(frames[a:b]) for a, b in pairwise([0, *ends])]
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.frames[i], int(self.labels[i])


def collate(batch: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Pads frames to the longest of the batch."""
    frames = [x for x, _ in batch]
    padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
    return padded, torch.tensor([len(x) for x in frames]), torch.tensor([y for _, y in batch])


def scores(network: Naive, loader: Any) -> tuple[float, float]:
    """Mean loss, without class weights, and UA."""
    network.eval()
    losses, predicted, truth = [], [], []
    with torch.no_grad():
        for x, lengths, y in loader:
            logits = network(x, lengths)
            losses.append(nn.functional.cross_entropy(logits, y, reduction="none"))
            predicted.append(logits.argmax(1))
            truth.append(y)
    p, t = torch.cat(predicted), torch.cat(truth)
    recalls = [(p[t == c] == c).float().mean().item() for c in t.unique()]
    return torch.cat(losses).mean().item(), float(np.mean(recalls))


def train_naively(config: Json, subsets: Json, options: Json) -> None:
    """One trial, as an actor of Ray Tune."""
    import mlflow
    from ray import tune

    begin = time.process_time()
    c = config["trial"]
    torch.set_num_threads(1)
    torch.manual_seed(c["seed"])
    sets = {name: Utterances(*values) for name, values in subsets.items()}
    size = options["batch_size"]
    make = torch.utils.data.DataLoader
    train = make(sets["train"], size, shuffle=True, drop_last=True, collate_fn=collate)
    val, test = (make(sets[name], size, collate_fn=collate) for name in ("val", "test"))
    counts = np.bincount(sets["train"].labels, minlength=len(CLASSES))
    weights = torch.tensor(1 / counts, dtype=torch.float32)
    loss_of = nn.CrossEntropyLoss(weights / weights.mean())
    network = Naive(c["block"], c["pooling"], c["settings"])
    optimiser = torch.optim.Adam(network.parameters(), lr=options["learning_rate"], weight_decay=options["decay"])
    mlflow.set_tracking_uri(options["uri"])
    mlflow.set_experiment("naive")
    best, best_loss, best_ua = network.state_dict(), np.inf, 0.0
    with mlflow.start_run(run_name=c["title"]):
        for name, value in {**c["settings"], **options}.items():
            mlflow.log_param(name, value)
        batches = iter(train)
        for epoch in range(1, options["epochs"] + 1):
            network.train()
            losses = []
            for _ in range(options["steps"]):
                try:
                    x, lengths, y = next(batches)
                except StopIteration:
                    batches = iter(train)
                    x, lengths, y = next(batches)
                optimiser.zero_grad()
                loss = loss_of(network(x, lengths), y)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), options["clip"])
                optimiser.step()
                losses.append(loss.item())
            val_loss, val_ua = scores(network, val)
            mlflow.log_metric("train/loss", float(np.mean(losses)), step=epoch)
            mlflow.log_metric("val/loss", val_loss, step=epoch)
            mlflow.log_metric("val/ua", val_ua, step=epoch)
            if val_loss < best_loss:
                best, best_loss, best_ua = copy.deepcopy(network.state_dict()), val_loss, val_ua
            tune.report({"loss": val_loss, "val_ua": best_ua, "cpu": 0.0, "title": c["title"], "ua": 0.0})
        network.load_state_dict(best)
        _, ua = scores(network, test)
        mlflow.log_metric("ua", ua)
        spent = time.process_time() - begin
        tune.report({"loss": best_loss, "val_ua": best_ua, "cpu": spent, "title": c["title"], "ua": ua})


def run_naively(folder: Path) -> Json:
    """All trials of the file in ``folder``, through Ray Tune; returns what is known of each, by its title."""
    import mlflow
    import ray
    from ray import tune

    with (folder / "naive.pkl").open("rb") as file:
        trials, subsets, options = pickle.load(file)
    options["uri"] = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(options["uri"])
    mlflow.set_experiment("naive")
    cores = len(os.sched_getaffinity(0))
    ray.init(address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    trainable = tune.with_parameters(train_naively, subsets=subsets, options=options)
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"trial": tune.grid_search(trials)},
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    ).fit()
    assert not results.errors, results.errors
    rows = [result.metrics or {} for result in results]
    ray.shutdown()
    by_title = {row["title"]: {"cpu": row["cpu"], "val_ua": row["val_ua"], "ua": row["ua"]} for row in rows}
    return {trial["title"]: by_title[trial["title"]] for trial in trials}  # in the order of ours


# Ours


def run_ours(folder: Path) -> Json:
    """The same trials through ``ser.distributed.launch``; returns what their runs say, by title."""
    from ser.cli.live import Live
    from ser.distributed import launch
    from ser.distributed.profile import Profile
    from ser.runs.tracker import Tracker

    with (folder / "ours.pkl").open("rb") as file:
        job, trials, corpus = pickle.load(file)
    with Live(trials, 0, folder / "log") as live:
        summary = launch.run(job, trials, Profile.read("local"), None, live)
    assert summary.trained == len(trials), summary
    runs = Tracker.of(job.where, job.study).finished()
    rows = {}
    for trial in trials:
        m = runs[trial.id].data.metrics
        rows[trial.title] = {
            "cpu": m["seconds/processor"],
            "val_ua": m[f"objective/ua/{corpus}"],
            "ua": m[f"ua/{corpus}"],
            "training_s": m["seconds/training"],
            "evaluation_s": m["seconds/evaluation"],
        }
    return rows


def measured(way: str, folder: Path) -> Json:
    """Runs one way in processes of its own: its processor seconds, those of Ray and of workers included, and wall."""
    import psutil

    # Malloc is as the system has it; what ours sets, it sets itself.
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, "--way", way, "--folder", str(folder)], stdout=sys.stderr)
    seconds: dict[tuple[int, float], float] = {}
    me = psutil.Process()
    while True:
        code = child.poll()
        processes = me.children(recursive=True)
        for process in processes:
            with suppress(psutil.Error):
                times = process.cpu_times()
                seconds[process.pid, process.create_time()] = times.user + times.system
                if process.status() == psutil.STATUS_ZOMBIE and process.pid != child.pid and process.ppid() == me.pid:
                    os.waitpid(process.pid, 0)
        if code is not None:
            break
        time.sleep(_LOOK_S)
    wall = time.perf_counter() - started
    if code:
        raise SystemExit(f"{way} ended with {code}")
    trials = json.loads((folder / f"{way}.json").read_text(encoding="utf-8"))
    return {"cpu": sum(seconds.values()), "wall": wall, "trials": trials}


# Both


def prepare(folder: Path, manifest: Path, precision: str, args: argparse.Namespace) -> tuple[Any, Sequence[Any], Path]:
    """Makes the features, where they are not there yet, and the plan; returns plan, trials and the store's folder."""
    from ser.cli import console
    from ser.features.store import Store
    from ser.planning import request as requests

    units = max(8, round(128 * args.scale)), max(8, round(512 * args.scale))
    settings = (
        ("training.max_epochs", args.epochs),
        ("training.steps_per_epoch", args.steps),
        ("training.patience_epochs", args.epochs),
        ("training.precision", precision),
        *((f"{block}.units", units[0]) for block in ("lstm", "blstm")),
        *((f"{block}.prep_units", units[1]) for block in ("lstm", "blstm")),
        ("tdnn.units", units[1]),
        ("seed_moves", ("weights",)),
        ("reference", "none"),
    )
    corpora = (requests.CorpusRequest("made", manifest),)
    request = requests.Request("interaffection", folder, (), corpora, settings, seeds=args.seeds)
    plan = requests.plan_of(request, console.bar)
    store = Store(folder / "store")
    requests.prepare(plan, store, {}, console.bar)
    return plan, [t for t in plan.to_train if t.block.name in args.blocks.split(",")], store.local


def write_inputs(folder: Path, plan: Any, trials: Sequence[Any], store: Path, args: argparse.Namespace) -> None:
    """Leaves what either way needs in ``folder``."""
    from ser.runs.location import Location
    from ser.trials.inputs import load
    from ser.trials.job import job_of

    folder.mkdir(parents=True)
    job = job_of(plan, Location.of(folder, None), folder, str(store), "cpu", 1, "bench", [])
    with (folder / "ours.pkl").open("wb") as file:
        pickle.dump((job, trials, "made"), file)
    data = load(job, trials[0], trials[0].corpora[0])
    mean, square = data.train.moments
    scale = 1 / (square - mean.square()).clamp_min(1e-6).sqrt()
    subsets = {}
    for name in ("train", "val", "test"):
        items = getattr(data, name)
        frames = torch.cat([(x - mean.float()) * scale.float() for x in items.features]).numpy()
        subsets[name] = frames, np.cumsum(items.lengths()).tolist(), items.labels.numpy()
    t = trials[0].training
    options = {"batch_size": t.batch_size, "learning_rate": t.learning_rate, "decay": t.weight_decay}
    options |= {"clip": t.clip_norm, "epochs": args.epochs, "steps": args.steps}
    plain = [
        {"title": t.title, "block": t.block.name, "pooling": t.pooling, "seed": t.seed, "settings": t.block.values()}
        for t in trials
    ]
    with (folder / "naive.pkl").open("wb") as file:
        pickle.dump((plain, subsets, options), file)


def main() -> None:
    """Print processor seconds of both ways and their ratio, whole and by network, and UA."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", choices=("even", "iemocap"), default="even")
    parser.add_argument("--precision", default="float32", help="of ours; float32,bfloat16 trains both after the naive")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="updates per epoch; the paper has 100")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--blocks", default=",".join(BLOCKS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of corpus and networks; 1 is the paper's size")
    parser.add_argument("--json", type=Path, help="file for all that was measured")
    parser.add_argument("--way", choices=("naive", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        rows = (run_naively if args.way == "naive" else run_ours)(args.folder)
        (args.folder / f"{args.way}.json").write_text(json.dumps(rows), encoding="utf-8")
        return
    ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1)
    rounds: list[Json] = []
    precisions = args.precision.split(",")
    with tempfile.TemporaryDirectory() as name:
        manifest = make_corpus(Path(name) / "corpus", args.lengths, max(8 * SPEAKERS, round(1000 * args.scale)))
        plans = {precision: prepare(Path(name), manifest, precision, args) for precision in precisions}
        for number in range(args.repeats):
            folders = {precision: Path(name) / f"round{number}" / precision for precision in precisions}
            for precision, folder in folders.items():
                write_inputs(folder, *plans[precision], args)
            rounds.append({"naive": measured("naive", folders[precisions[0]])})
            for precision, folder in folders.items():
                rounds[-1][precision] = measured("ours", folder)
                show_round(rounds[-1], precision)
    for precision in precisions:
        if len(rounds) > 1:
            ratios = [r["naive"]["cpu"] / r[precision]["cpu"] for r in rounds]
            print(
                f"{precision}, median of {len(rounds)} rounds: {statistics.median(ratios):.2f} x "
                f"({min(ratios):.2f}-{max(ratios):.2f})"
            )
        show_scores(rounds, precision)
        show_evaluation(rounds, precision, args)
    if args.json:
        options = {k: v for k, v in vars(args).items() if k not in ("json", "way", "folder")}
        machine = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
        machine["cores"] = len(os.sched_getaffinity(0))
        args.json.write_text(json.dumps({"options": options, "machine": machine, "rounds": rounds}, indent=1))


def show_round(each: Json, precision: str) -> None:
    """Prints the ratio of one round, as a whole and of each network."""
    naive, ours = each["naive"], each[precision]
    print(
        f"{precision}, {len(ours['trials'])} trials: naive {naive['cpu']:.1f} s of processors "
        f"({naive['wall']:.0f} s of wall), ours {ours['cpu']:.1f} s ({ours['wall']:.0f} s): "
        f"{naive['cpu'] / ours['cpu']:.2f} x",
        flush=True,
    )
    for block in BLOCKS:
        one, other = (
            [t["cpu"] for title, t in way["trials"].items() if block in title.split()] for way in (naive, ours)
        )
        if one:
            print(f"  {block:5} naive {sum(one):6.1f} s, ours {sum(other):6.1f} s: {sum(one) / sum(other):.2f} x")


def show_scores(rounds: Sequence[Json], precision: str) -> None:
    """Prints the UA of validation of both ways, and the 95 % interval of their difference over trainings."""
    from scipy.stats import t as student

    pairs = [
        (naive["val_ua"], ours["val_ua"])
        for r in rounds
        for naive, ours in zip(r["naive"]["trials"].values(), r[precision]["trials"].values(), strict=True)
    ]
    one, other = np.array(pairs).T
    apart = other - one
    half = student.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
    print(
        f"{precision}, UA of validation: naive {100 * one.mean():.1f} % (deviation over trainings "
        f"{100 * one.std():.1f}), ours {100 * other.mean():.1f} % ({100 * other.std():.1f}); "
        f"difference {100 * apart.mean():+.1f} points, 95 % interval {100 * (apart.mean() - half):+.1f} to "
        f"{100 * (apart.mean() + half):+.1f} over {len(apart)} pairs; too narrow, as those of one seed share "
        "mini-batches"
    )


def show_evaluation(rounds: Sequence[Json], precision: str, args: argparse.Namespace) -> None:
    """Prints the share of evaluation in our trials, here and with the paper's 100 updates per epoch."""
    rows = [t for r in rounds for t in r[precision]["trials"].values()]
    evaluation, training = sum(t["evaluation_s"] for t in rows), sum(t["training_s"] for t in rows)
    learning = training - evaluation
    at_paper = evaluation / (evaluation + learning * 100 / args.steps)
    print(
        f"{precision}, evaluation: {100 * evaluation / training:.1f} % of our trials' training time here, and would be "
        f"{100 * at_paper:.1f} % with the paper's 100 updates per epoch"
    )


if __name__ == "__main__":
    main()
