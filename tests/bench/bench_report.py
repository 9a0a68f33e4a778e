"""How long the intervals of a report take: matrix products over all results against a plain loop. Run it with python.

The time is printed as a ratio, which says the same on every machine. The loop runs on a sample and is scaled up.
"""

import argparse
import time

import numpy as np

from ser.metrics.accuracy import confusion, ua, wa
from ser.report.statistics import resamples, weighted_accuracies


def main() -> None:
    """Print both times for so many results, utterances and replicates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--utterances", type=int, default=1_000)
    parser.add_argument("--replicates", type=int, default=1_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=args.utterances)
    predicted = rng.integers(4, size=(args.utterances, args.results))

    start = time.perf_counter()
    weighted_accuracies(truth, predicted == truth[:, None], resamples(args.utterances, args.replicates, rng))
    products = time.perf_counter() - start

    sample = 2_000
    draws = rng.integers(args.utterances, size=(sample, args.utterances))
    start = time.perf_counter()
    for one, drawn in enumerate(draws):
        counts = confusion(truth[drawn], predicted[drawn, one % args.results], 4)
        wa(counts), ua(counts)
    loop = (time.perf_counter() - start) / sample * args.results * args.replicates
    print(f"{args.results} results x {args.utterances} utterances x {args.replicates} replicates")
    print(f"products {products:.2f} s, plain loop {loop:.0f} s (scaled): {loop / products:.0f} times faster")


if __name__ == "__main__":
    main()
