"""What the intervals of a report cost: counts per speaker against products over utterances and a plain loop.

Times are printed as ratios, which say the same on every machine; the loop runs on a sample and is scaled up. Memory is
the peak that numpy asked for, beyond the predictions themselves. Run it with python.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ser.metrics.accuracy import confusion, ua, wa
from ser.report.bootstrap import Tested, accuracy_draws


def by_utterance(truth: NDArray[np.int64], correct: NDArray[np.bool_], replicates: int) -> NDArray[np.float64]:
    """WA and UA [2, replicates, results] by products over all utterances, as reports did before they drew speakers."""
    rng = np.random.default_rng(0)
    parts = []
    step = max(1, 4_000_000 // correct.shape[1])
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        weights = rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), size).astype(np.float32)
        hits, recall, present = np.zeros((3, size, correct.shape[1]))
        for label in np.unique(truth):
            of_class = weights[:, truth == label]
            right = (of_class @ correct[truth == label].astype(np.float32)).astype(np.float64)
            total = of_class.sum(axis=1, keepdims=True)
            hits += right
            recall += right / np.maximum(total, 1)
            present += total > 0
        parts.append(np.stack([hits / len(truth), recall / present]))
    return np.concatenate(parts, axis=1)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of one run, and the peak of memory of another, in MB."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6


def main() -> None:
    """Print times and memory for so many results, utterances, speakers and replicates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--utterances", type=int, default=1_000)
    parser.add_argument("--speakers", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=1_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=args.utterances)
    predicted = rng.integers(4, size=(args.utterances, args.results), dtype=np.int8)
    correct, speakers = predicted == truth[:, None], rng.integers(args.speakers, size=args.utterances)
    present = np.broadcast_to(np.True_, correct.shape)
    setting, seed = np.divmod(np.arange(args.results), args.seeds)

    def draws(clusters: NDArray[np.int64]) -> object:
        tested = Tested(truth, correct, present, clusters, setting, seed)
        return accuracy_draws(tested, args.replicates, np.random.default_rng(0))

    sample = 2_000
    drawn = rng.integers(args.utterances, size=(sample, args.utterances))
    start = time.perf_counter()
    for one, rows in enumerate(drawn):
        counts = confusion(truth[rows], predicted[rows, one % args.results], 4)
        wa(counts), ua(counts)
    loop = (time.perf_counter() - start) / sample * args.results * args.replicates

    products, products_mb = measured(lambda: by_utterance(truth, correct, args.replicates))
    print(
        f"{args.results} results ({args.seeds} seeds) x {args.utterances} utterances of {args.speakers} speakers "
        f"x {args.replicates} replicates; the draws themselves are "
        f"{2 * args.replicates * len(set(setting.tolist())) * 8 / 1e6:.0f} MB"
    )
    print(f"products over utterances  {products:6.2f} s  {products_mb:6.0f} MB")
    for name, clusters in (("speakers drawn", speakers), ("utterances drawn", np.arange(args.utterances))):
        seconds, megabytes = measured(partial(draws, clusters))
        print(
            f"{name:<24}  {seconds:6.2f} s  {megabytes:6.0f} MB: {products / seconds:.1f} times as fast, "
            f"{loop / seconds:.0f} times as fast as a plain loop ({loop:.0f} s, scaled)"
        )


if __name__ == "__main__":
    main()
