"""What the report of da Silva et al. costs on ten thousand results: 168 networks, seeds, folds. Run it with python.

Bytes are those of its files; memory is the peak that Python and numpy asked for, in a run of its own.
"""

import argparse
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ser.experiments.interaffection import study

from ser.metrics.accuracy import confusion, ua, wa
from ser.report.interaffection.content import arranged
from ser.report.interaffection.results import Grid, Result
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Options, UsedCorpus
from ser.report.write import write


def grid_of(seeds: int, folds: int) -> Grid:
    """The paper's grid with so many seeds and folds."""
    corpora = tuple(c.name for c in study.corpora)
    points = [{**p, "fold": k} for p in study.points(corpora, ("tess",)) for k in range(1, folds + 1)]
    trials = [(str((p, seed)), {**p, "seed": seed}) for seed in range(seeds) for p in points]
    used = tuple(UsedCorpus(c.name, c.letter, c.tested) for c in study.corpora)
    return Grid(
        Expected(
            study=study.name, title=study.title, report=study.report, classes=study.classes, corpora=used, mode="",
            trials=tuple(trials), count=len(trials), seeds=tuple(range(seeds)), demo=False,
        )
    )  # fmt: skip


def results_of(grid: Grid, utterances: int, speakers: int) -> list[Result]:
    """Random results, of so many utterances in every fold."""
    rng = np.random.default_rng(0)
    places = [(t, k) for t in grid.targets for k in grid.folds]
    uids = {(t, k): tuple(f"{t}/{k}/{i}" for i in range(utterances)) for t, k in places}
    names = {(t, k): tuple(f"{t}/{k}/{i % speakers}" for i in range(utterances)) for t, k in places}
    truth = (np.arange(utterances) % 4).astype(np.int16)
    results: list[Result] = []
    for key in grid.titles:
        for target in (t for t in grid.targets if t in key[0]):
            predicted = np.where(rng.random(utterances) < 0.5, truth, rng.integers(4, size=utterances)).astype(np.int16)
            counts, number = confusion(truth, predicted, 4), str(len(results))
            test = LabelPredictions(number, uids[target, key[4]], truth, predicted, 4, names[target, key[4]])
            validation = {"wa": float(rng.random()), "ua": float(rng.random())}
            scores = wa(counts), ua(counts)
            results.append(Result(number, number, *key, target, *scores, test, validation=validation))
    return results


def main() -> None:
    """Print seconds, memory and bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=200, help="in every fold of a target")
    parser.add_argument("--speakers", type=int, default=5, help="in every fold of a target")
    parser.add_argument("--replicates", type=int, default=1_000)
    args = parser.parse_args()
    grid, options = grid_of(args.seeds, args.folds), Options(replicates=args.replicates)
    results = results_of(grid, args.utterances, args.speakers)
    start = time.perf_counter()
    content = arranged(results, grid, options)
    seconds = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        size = sum(path.stat().st_size for path in write(content, Path(folder)).files)
    tracemalloc.start()
    arranged(results, grid, options)
    peak = tracemalloc.get_traced_memory()[1]
    print(f"{len(results)} results, {args.replicates} replicates: {seconds:.1f} s, {peak / 1e6:.0f} MB beside them")
    print(f"files of {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
