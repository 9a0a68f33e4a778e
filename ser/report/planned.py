"""What a study's file states of the runs that a report is of: its corpora, and the trials of its grid over them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ser import registry
from ser.data.encoders import states_of
from ser.report.runs import UsedCorpus
from ser.study import EACH, Corpus, Study, completed, override, part, settings_of, trial_of
from ser.study.encoders import expand_encoders, takers, takes_encoders
from ser.study.release import text_of


def selections(study: Study) -> dict[str, dict[str, str]]:
    """Returns the published ones among the corpora of a study, and which selection of each it states."""
    loaders = {c.name: (registry.find("corpora", c.loader.name), c.loader) for c in study.corpora}
    published = {n: p for n, (module, p) in loaders.items() if module.expected(settings_of("corpora", p))}
    return {n: {name: text_of(value) for name, value in p.values().items()} for n, p in published.items()}


def stated_corpora(study: Study, used: Sequence[UsedCorpus]) -> dict[str, Corpus]:
    """Returns the corpora that are used as the study states them, under their letters.

    One that the study does not name is split by its rule for others; of its loader nothing is stated.
    """
    stated = {corpus.name: corpus for corpus in study.corpora}
    others = {c.name: Corpus(c.name, c.letter, part(c.name), study.other_corpora) for c in used}
    return {c.name: replace(stated.get(c.name, others[c.name]), letter=c.letter) for c in used}


def with_encoders(study: Study, encoders: Mapping[str, str], params: Mapping[str, str]) -> Study:
    """Returns the study with the encoders of its runs, identity → name, as far as its points tell.

    ``params``: of a run. Where the study itself takes none, its front-end is that of the runs: ``--set front_end=…``.
    There a single encoder is a setting, and no axis: titles do not have it.
    """
    named = study.with_encoders((name, identity) for identity, name in encoders.items())
    if not encoders or takes_encoders(named) or "front_end.encoder" not in params:
        return named
    is_axis = "front_end.encoder" in params.get("role.varied", "").split(",")
    encoder = EACH if is_axis else params["front_end.encoder"]
    return override(named, "front_end", part(params["front_end"], encoder=encoder))


def across_corpora(study: Study, rules: Mapping[str, str]) -> Study:
    """Returns the study with these split rules, by corpus, of models that are tested on corpora of others.

    Which trials it has hangs on them (``--set split=leave_one_corpus_out``); ``rules`` are those of its runs.
    """
    for name, rule in rules.items():
        if all(corpus.name != name for corpus in study.corpora):
            study = replace(study, other_corpora=completed("splits", part(rule), name))
    stated = {name: completed("splits", part(rule), name) for name, rule in rules.items()}
    return study.with_corpora(replace(c, split=stated.get(c.name, c.split)) for c in study.corpora)


def planned_trials(
    study: Study,
    used: Sequence[UsedCorpus],
    seeds: int,
    folds: Mapping[str, Mapping[str, int]],
    unmet: Mapping[str, Mapping[str, str]],
) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns title, point and seed of every trial of the study's grid over these corpora.

    ``folds`` and ``unmet`` are as ``Study.expand_folds`` has them. Points that take an encoder are left out where the
    study has none: which ones its runs have is not known then.
    """
    corpora = stated_corpora(study, used)
    points = study.points(tuple(corpora), tuple(c.name for c in used if not c.tested))
    points = study.expand_folds((p for p in points if any(corpora[name].trains for name in p["corpora"])), folds, unmet)
    points = [point for point in points if study.encoders or not takers(study, point)]
    points = expand_encoders(study, points, states_of)
    return [(trial_of(study, p, corpora, seed).title, {**p, "seed": seed}) for seed in range(seeds) for p in points]
