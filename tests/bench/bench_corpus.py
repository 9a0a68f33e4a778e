"""What a corpus of very many utterances costs, from its table to the first mini-batch. Run it with python.

A manifest of N stretches of a thousand small recordings, three frames each, goes the way of any corpus, at N/10 and at
N, so that one sees what grows faster than the corpus. Steps that read tables are compared with pandas reading the same
manifest, steps that read features with reading the same bytes as one file and computing their checksum. Each group of
steps is a process of its own, as it is for a user: first scan, driver, worker.
"""

import argparse
import multiprocessing
import pickle
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import soundfile

from ser.features.store import Store
from ser.planning import request
from ser.planning.plan import resolve
from ser.runs.location import Location
from ser.study import Study, load_study, override
from ser.training.batches import Stream
from ser.trials import inputs
from ser.trials.job import job_of

FILES, SPEAKERS, RATE_HZ = 1000, 300, 8000
STEP_S, STRETCH_S = 0.01, 0.03  # stretches overlap: the wave files stay small
SETTINGS = (("front_end.window", 64), ("front_end.hop", 64), ("augmentation", "none"))
TABLE, FEATURES = "x the CSV by pandas", "x the bytes in one file"
BASES = {"CSV by pandas": TABLE, "the bytes in one file": FEATURES}


def quiet(title: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """No progress bar."""
    return nullcontext(lambda done, of: None)


@dataclass
class Cost:
    """Of one step: seconds, megabytes that the peak rose above what was held before, and a size worth telling."""

    step: str
    against: str
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    note: str = ""


@dataclass
class Meter:
    """The costs of the steps of one process, in order."""

    costs: list[Cost] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, against: str = "") -> Iterator[Cost]:
        """Measure the block; its note may be set inside."""
        cost = Cost(name, against)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is that of the block
        before, cpu, wall = _status_mb("VmRSS"), time.process_time(), time.perf_counter()
        yield cost
        cost.cpu_s, cost.wall_s = time.process_time() - cpu, time.perf_counter() - wall
        cost.peak_mb = _status_mb("VmHWM") - before
        self.costs.append(cost)


def _status_mb(name: str) -> float:
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(f"{name}:"))
    return int(line.split()[1]) / 1000


def make(folder: Path, utterances: int) -> Path:
    """The manifest of ``utterances`` stretches, and its recordings beside it."""
    rng = np.random.default_rng(0)
    each = -(-utterances // FILES)
    (folder / "wav").mkdir(parents=True)
    for f in range(FILES):
        wave = 0.1 * rng.standard_normal(round((each * STEP_S + STRETCH_S) * RATE_HZ))
        soundfile.write(folder / f"wav/{f:04d}.wav", wave, RATE_HZ)
    at = np.arange(utterances)
    file, start = at % FILES, at // FILES * STEP_S
    table = pd.DataFrame({"path": [f"wav/{f:04d}.wav" for f in file]})
    table["label"] = np.array(["happy", "angry", "neutral", "sad"])[(file + at // FILES) % 4]
    table["speaker"] = [f"s{f % SPEAKERS:03d}" for f in file]
    table["sex"] = np.where(file % SPEAKERS % 2, "F", "M")
    table["start"], table["end"] = start.round(3), (start + STRETCH_S).round(3)
    table.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def study_of(work: Path) -> Study:
    """The paper's study over the made corpus alone, with small features."""
    whole = load_study("interaffection")
    study = whole.with_corpora(request.bring(whole, [("made", "manifest_csv")]))
    for path, value in SETTINGS:
        study = override(study, path, value)
    return study


def first(table: Path, work: Path) -> list[Cost]:
    """Every file is opened, decoded and hashed."""
    meter = Meter()
    with meter.step("CSV by pandas"):
        pd.read_csv(table)
    (corpus,) = study_of(work).corpora
    with meter.step("first scan", TABLE):
        request.read("made", corpus.loader, table, work, quiet)
    return meter.costs


def drive(table: Path, work: Path) -> list[Cost]:
    """What ``ser run`` does before and while its workers start; leaves the job in ``work``."""
    meter, study, store = Meter(), study_of(work), Store(work / "store")
    (corpus,) = study.corpora
    with meter.step("second scan", TABLE) as cost:
        manifest = request.read("made", corpus.loader, table, work, quiet)
        cost.note = f"{len(manifest.utterances)} utterances"
    with meter.step("plan", TABLE) as cost:
        plan = resolve(study, {"made": manifest})
        cost.note = f"{len(plan.trials)} trials"
    with meter.step("store: build", TABLE) as cost:
        request.prepare(plan, store, {}, quiet)
    (recipe,) = plan.sources["made"].recipes
    files = list((work / "store" / recipe.key).iterdir())
    cost.note = f"{len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.0f} MB"
    with meter.step("store: nothing to build", FEATURES):
        request.prepare(plan, store, {}, quiet)
    with meter.step("job: make", TABLE):
        job = job_of(plan, Location.of(work, None), work, str(store.local), "cpu", 1, "bench", [])
    with meter.step("job: pickle", TABLE) as cost:
        (work / "job").write_bytes(pickle.dumps((job, plan.to_train[0]), protocol=5))
        cost.note = f"{(work / 'job').stat().st_size / 1e6:.1f} MB"
    return meter.costs


def read(table: Path, work: Path) -> list[Cost]:
    """The baseline of everything that reads features."""
    meter = Meter()
    shards = [np.load(f) for f in sorted((work / "store").glob("made-*/*.npy"))]
    np.save(work / "whole.npy", np.concatenate(shards))
    with meter.step("the bytes in one file"):
        zlib.crc32(np.load(work / "whole.npy"))
    return meter.costs


def train(table: Path, work: Path) -> list[Cost]:
    """What a worker does before its first update; says what it holds that no other process shares."""
    meter = Meter()
    job, trial = pickle.loads((work / "job").read_bytes())
    del job
    with meter.step("job: unpickle", TABLE):
        job, trial = pickle.loads((work / "job").read_bytes())
    (corpus,) = trial.corpora
    ((key,),) = job.keys["made"].values()
    with meter.step("worker: open", FEATURES):
        inputs._entry(job.store, job.work, key)
    with meter.step("worker: load three sides", FEATURES):
        data = inputs.load(job, trial, corpus)
    with meter.step("worker: first batch", FEATURES) as cost:
        numbers = Stream(data.train.lengths(), 16, 16, [0]).indices(0)
        data.train.batch(numbers)
        cost.note = f"{len(data.train)} utterances to train"
    with meter.step("worker: load again, as its next trial", FEATURES):
        job, trial = pickle.loads((work / "job").read_bytes())
        assert inputs.load(job, trial, trial.corpora[0]).train is data.train
    held = psutil.Process().memory_full_info()
    meter.costs[-1].note = f"held by the process alone: {held.uss / 1e6:.0f} MB, without a corpus {_empty():.0f} MB"
    return meter.costs


def _empty() -> float:
    """Megabytes of a process that has only imported what a worker does."""
    return alone(_own_mb)


def _own_mb() -> float:
    return float(psutil.Process().memory_full_info().uss / 1e6)


def alone(function: Callable[..., Any], *given: Any) -> Any:
    """What ``function`` returns in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def measure(utterances: int) -> list[Cost]:
    """All steps at one size."""
    with tempfile.TemporaryDirectory() as folder:
        table, work = make(Path(folder) / "made", utterances), Path(folder) / "work"
        return [cost for group in (first, drive, read, train) for cost in alone(group, table, work)]


def show(few: list[Cost], many: list[Cost]) -> None:
    """One line per step: at N/10, at N, and how often the CPU time of N/10 goes into that of N."""
    print(f"{'':36}{'at N/10':^27}   {'at N':^27}")
    print(f"{'':36}" + 2 * f"{'CPU s':>9}{'wall s':>9}{'peak MB':>9}   " + "growth  at N")
    bases = {BASES[cost.step]: cost.cpu_s for cost in many if cost.step in BASES}
    for a, b in zip(few, many, strict=True):
        numbers = "".join(f"{c.cpu_s:9.2f}{c.wall_s:9.2f}{c.peak_mb:9.0f}   " for c in (a, b))
        growth = f"{b.cpu_s / a.cpu_s:5.1f}x " if a.cpu_s > 0.02 else 7 * " "
        said = [f"{b.cpu_s / bases[b.against]:.1f} {b.against}"] if b.against else []
        print(f"{b.step:36}{numbers}{growth} " + "; ".join(said + [b.note] * bool(b.note)))


def main() -> None:
    """Print a table with both sizes side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=100_000, help="N (default: 100000)")
    large = parser.parse_args().utterances
    few, many = (measure(n) for n in (large // 10, large))
    print(f"N = {large:,} utterances in {FILES} files")
    show(few, many)


if __name__ == "__main__":
    main()
