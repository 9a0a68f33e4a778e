"""The notes of the report on Pinto et al.: protocols, intervals, what was left out and why."""

import json
from collections import Counter
from collections.abc import Iterator

from ser.report import bootstrap
from ser.report.bootstrap import Sample
from ser.report.runs import Options
from ser.report.survey.published import CLAIMS
from ser.report.survey.results import PROTOCOLS, Bench

_PROTOCOLS = (
    "SD, speaker dependent: the utterances are dealt into folds with every class alike in each, whoever speaks. One "
    "fold is tested, another validates where a network chooses its epoch, the rest trains; no utterance is tested "
    "twice. The same people speak in training and test.",
    "SI, speaker independent: in turn some speakers, or one session of two, are tested, others validate, and the rest "
    "trains. Nobody tested speaks in training.",
    "The answers of all folds are pooled before they are counted: WA weighs every utterance alike, not every fold, and "
    "UA is the mean recall over all of them. The mean of the folds, which others print, is in the table of runs.",
)


_LEARNED = {
    "train": "learned from the training subset alone; validation chose the epoch of networks",
    "train_and_validation": "learned from the training and the validation subset; of networks validation chose how "
    "many epochs, and they were trained again from the start on both",
    "": "the runs do not tell what was learned from; at their time networks learned from the training subset, fitted "
    "models from training and validation, which is more",
}


def notes(bench: Bench, options: Options) -> Iterator[str]:
    """All of them, in order."""
    yield from _PROTOCOLS
    yield from _split(bench, options)
    samples: dict[str, Sample] = {}
    for (corpus, protocol, _), result in bench.results.items():
        name = f"{corpus} {PROTOCOLS[protocol]}"
        samples[name] = max(samples.get(name, result.sample), result.sample, key=lambda sample: sample.utterances)
    if intervals := bootstrap.words(options, samples):
        yield intervals
    yield from _learned_from(bench)
    yield from _normalised(bench)
    yield from _unmet(bench)
    yield from bench.notes
    yield from _uneven(bench)
    if bench.expected.printed_anywhere:
        for authors in dict.fromkeys(claim.authors for claim in CLAIMS):
            reasons = dict.fromkeys(claim.why for claim in CLAIMS if claim.authors == authors)
            yield f"Beside {authors}: {' '.join(reasons)}"


def _split(bench: Bench, options: Options) -> Iterator[str]:
    """Sizes and shared speakers of the first fold of every case, from the proof that its run left."""
    for corpus, protocol in bench.cases:
        first = next((r.folds[0] for key, r in bench.results.items() if key[:2] == (corpus, protocol)), None)
        text = options.file(first.run_id, f"split/{corpus}.json") if first else None
        if first and text:
            proof = json.loads(text)
            subsets = ", ".join(f"{side} {n}" for side, n in proof["utterances"].items() if n)
            folds = bench.folds[corpus, protocol]
            yield (
                f"{corpus}, {PROTOCOLS[protocol]}: {folds} folds; in fold {first.number} {subsets} utterances, and "
                f"{proof['shared_speakers'] or 'no'} speakers are in several subsets."
            )


def _learned_from(bench: Bench) -> Iterator[str]:
    """Says from which subsets the tested models have learned, as their runs state it."""
    systems: dict[str, dict[str, None]] = {}
    for (_, _, system), result in bench.results.items():
        for fold in result.folds:
            systems.setdefault(fold.learns_from, {})[system] = None
    for subsets, names in systems.items():
        whose = "All systems" if len(systems) == 1 else ", ".join(names)
        yield f"{whose}: {_LEARNED[subsets]}."


def _normalised(bench: Bench) -> Iterator[str]:
    keys = [key for key, r in bench.results.items() if any(fold.normalise == "speaker" for fold in r.folds)]
    if systems := dict.fromkeys(system for _, _, system in keys):
        yield (
            "Normalised per speaker, by mean and deviation of all that a speaker recorded, without its labels: in the "
            f"test, too, where few uses would have so much of a new speaker. So are {', '.join(systems)}."
        )


def _unmet(bench: Bench) -> Iterator[str]:
    for corpus in bench.expected.tested:
        reasons: dict[str, list[str]] = {}
        for system in bench.systems:
            if reason := bench.lacks(corpus, system):
                reasons.setdefault(reason, []).append(system)
        for reason, systems in reasons.items():
            yield f"Cannot be run on {corpus}: {', '.join(systems)} ({reason.rstrip('.')})."


def _uneven(bench: Bench) -> Iterator[str]:
    """Systems with all folds that were tested on other utterances or classes than most of their case."""
    for corpus, protocol in bench.cases:
        ranked = bench.ranked(corpus, protocol)
        sizes = {r.system: f"{len(r.answers[0].uids)} utterances of {len(r.classes)} classes" for r in ranked}
        most = max(Counter(sizes.values()).items(), key=lambda item: item[1], default=("", 0))[0]
        if others := [f"{system} ({size})" for system, size in sizes.items() if size != most]:
            yield f"{corpus}, {PROTOCOLS[protocol]}: {most} were tested, but not by {', '.join(others)}."
