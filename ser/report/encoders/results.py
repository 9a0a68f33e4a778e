"""Results by encoder, layer, head and normalisation, and those of whole systems that stand beside them.

A case is a corpus with one way of normalising: values that are normalised by the speaker need all that a new speaker
recorded, so that they are compared with each other first. Within a case encoders compete with all their settings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ser.data.encoders import Encoder
from ser.report.content import HOLE
from ser.report.groups import as_logged, logged
from ser.report.measured import Choice, Result, Values
from ser.report.results import Results, results_of
from ser.report.runs import Expected, Finished, Options
from ser.report.statistics import AS_EQUAL
from ser.study import POOLING_SIGNS

ENCODER, LAYERS, STATISTICS = "front_end.encoder", "front_end.layers", "front_end.statistics"
FINE_TUNED = "fine-tuned"
_TOLD = ("corpora", "system", "protocol", "block", "pooling", "normalise", "front_end", ENCODER, LAYERS, STATISTICS)
_NORMALISED = {"train": "", "corpus": "by corpus", "speaker": "by speaker", "none": "not normalised"}


@dataclass(frozen=True)
class Setting:
    """What is trained on a corpus, but for the corpus, seeds and folds."""

    encoder: str  # its name, that of the front-end where it is none
    layers: str  # "0", "1", …, "last", "mean", "all"; HOLE where there are none to choose from
    head: str  # "logistic", "projection μ"
    normalise: str  # "train" | "corpus" | "speaker" | "none"
    others: str = ""  # values on other axes: "learning_rate 0.001"

    @property
    def layer(self) -> int | None:
        """The index of its layer, where it is a single one that is named by it."""
        return int(self.layers) if self.layers.isdigit() else None

    @property
    def words(self) -> str:
        """``whisper · layer 2 · logistic``."""
        layers = [f"layer {self.layers}" if self.layer is not None else f"layers {self.layers}"]
        parts = [self.encoder, *(layers if self.layers not in (HOLE, FINE_TUNED) else ()), self.head]
        return " · ".join([*parts, *filter(None, [self.others, _NORMALISED.get(self.normalise, self.normalise)])])


@dataclass(frozen=True, order=True)
class Case:
    """Where encoders are compared."""

    corpus: str
    normalise: str


@dataclass(frozen=True, eq=False)
class Bench:
    """All results of encoders, and the runs of systems beside them."""

    results: Results
    settings: Mapping[Values, Setting]
    shapes: Mapping[str, Encoder]  # name of an encoder → what it is
    systems: tuple[Finished, ...]  # runs of whole systems, with their predictions
    titles: frozenset[str]  # of all finished trials

    @property
    def expected(self) -> Expected:
        """What the study expects, the trials of systems left out."""
        return self.results.expected

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Corpora in the order of the study, each with its ways of normalising."""
        pairs = dict.fromkeys(Case(c, self.settings[values].normalise) for c, values in self.results.cells)
        corpora, ways = list(self.expected.tested), list(dict.fromkeys(case.normalise for case in pairs))
        return tuple(sorted(pairs, key=lambda case: (corpora.index(case.corpus), ways.index(case.normalise))))

    @cached_property
    def encoders(self) -> tuple[str, ...]:
        """Names in the order of the command, then of the runs."""
        used = dict.fromkeys(setting.encoder for setting in self.settings.values())
        return tuple(dict.fromkeys([*(name for name in self.expected.encoders if name in used), *used]))

    def words(self, case: Case) -> str:
        """``emodb``, ``emodb, by speaker``: the corpus, and how it is normalised if not by the training subset."""
        return ", ".join(filter(None, [case.corpus, _NORMALISED.get(case.normalise, case.normalise)]))

    def within(self, case: Case, encoder: str = "") -> dict[Setting, Result | None]:
        """The settings of a case, of one encoder or of all; None: not there yet."""
        return {
            setting: result
            for (corpus, values), result in self.results.cells.items()
            for setting in [self.settings[values]]
            if Case(corpus, setting.normalise) == case and encoder in ("", setting.encoder)
        }

    def ranked(self, case: Case, encoder: str = "", metric: str = "ua") -> list[tuple[Setting, Result]]:
        """The results of a case, the best first; of equal ones in the order of the study."""
        pairs = [(setting, result) for setting, result in self.within(case, encoder).items() if result]
        return sorted(pairs, key=lambda pair: -round(pair[1].point[metric], 9))

    def ties(self, ranked: Sequence[tuple[Setting, Result]], metric: str = "ua") -> int:
        """How many others are as good as the first."""
        top = ranked[0][1].point[metric]
        return sum(result.point[metric] >= top - AS_EQUAL for _, result in ranked) - 1

    def choice(self, case: Case, encoder: str) -> Choice | None:
        """What validation chooses among the settings of an encoder, by UA."""
        return self.results.pooled.get((case.corpus, "ua", _pool(encoder, case.normalise)))


def bench_of(finished: Iterable[Finished], expected: Expected, options: Options) -> Bench:
    """Reads every run and arranges it. Raises BadInput for predictions that fit no class."""
    systems: list[Finished] = []
    others: list[Finished] = []
    for run in finished:
        (systems if run.params.get("role.system") else others).append(run)
    points = tuple((title, point) for title, point in expected.trials if "system" not in point)
    results = results_of(others, replace(expected, trials=points), options, _pool_of)
    facts = _by_values(results, others)
    common = _common(others)
    heads = _heads_with_several_statistics([common | params for params in facts.values()])
    settings = {values: _setting(common | params, heads) for values, params in facts.items()}
    settings = _with_others(settings, results)
    shapes = {name: Encoder.parse(identity) for name, identity in expected.encoders.items()}
    titles = results.titles | {run.title for run in systems}
    return Bench(results, settings, shapes, tuple(systems), frozenset(titles))


def _pool(encoder: str, normalise: str) -> str:
    return f"{encoder} {normalise}"


def _pool_of(run: Finished) -> str:
    return _pool(_encoder(run.params), run.params.get("normalise", "train"))


def _by_values(results: Results, runs: Sequence[Finished]) -> dict[Values, dict[str, str]]:
    """What is facts of every combination of values: the params of a run, or what the study's point states."""
    facts: dict[Values, dict[str, str]] = {}
    paths = [*results.axes.paths, ENCODER, LAYERS, STATISTICS, "block", "pooling", "normalise", "corpora", "front_end"]
    for run in runs:
        texts = {path: text for path in paths if (text := logged(run, path)) is not None}
        facts.setdefault(results.axes.values(run), texts | _of_block(run.params))
    for _, point in results.expected.trials:
        texts = {path: as_logged(value) for path, value in point.items()}
        texts |= {path: text for path in paths if (text := results.axes.stated_at(point, path)) is not None}
        facts.setdefault(results.axes.planned(point), texts)
    return {values: facts.get(values, {}) for _, values in results.cells} | facts


def _of_block(params: Mapping[str, str]) -> dict[str, str]:
    return {"block.encoder": params["block.encoder"]} if "block.encoder" in params else {}


def _common(runs: Sequence[Finished]) -> dict[str, str]:
    """What all runs have alike: a point that is not run yet says nothing of it."""
    texts: dict[str, set[str]] = {}
    for run in runs:
        for name in (ENCODER, LAYERS, STATISTICS, "block", "pooling", "normalise", "front_end", "corpora"):
            texts.setdefault(name, set()).add(run.params.get(name, ""))
    return {name: next(iter(values)) for name, values in texts.items() if len(values) == 1 and values != {""}}


def _encoder(params: Mapping[str, Any]) -> str:
    block = params.get("block", "")
    names = (ENCODER, "block.encoder", f"{block}.encoder")
    return str(next((params[name] for name in names if params.get(name)), "") or params.get("front_end", HOLE))


def _heads_with_several_statistics(facts: Iterable[Mapping[str, str]]) -> set[str]:
    """Blocks of which the study has several kinds of input: their heads say which."""
    statistics: dict[str, set[str]] = {}
    for params in facts:
        statistics.setdefault(params.get("block", ""), set()).add(params.get(STATISTICS, ""))
    return {block for block, values in statistics.items() if len(values) > 1}


def _setting(params: Mapping[str, str], heads: set[str]) -> Setting:
    block, pooling = params.get("block", HOLE), params.get("pooling", "none")
    signs = [POOLING_SIGNS[pooling]] if pooling in POOLING_SIGNS else []
    inputs = [f"of {params.get(STATISTICS) or 'frames'}"] if block in heads else []
    tuned = any(name in params for name in ("block.encoder", f"{block}.encoder"))
    return Setting(
        encoder=_encoder(params),
        layers=FINE_TUNED if tuned else params.get(LAYERS, HOLE) or HOLE,
        head=" ".join([block, *signs, *inputs]),
        normalise=params.get("normalise", "train"),
    )


def _with_others(settings: Mapping[Values, Setting], results: Results) -> dict[Values, Setting]:
    """The settings with the values on further axes that tell them apart.

    An axis whose values follow from the rest, as how frames are stored, is left out.
    """
    groups: dict[tuple[str, Setting], list[Values]] = {}
    for corpus, values in results.cells:
        groups.setdefault((corpus, settings[values]), []).append(values)
    axes = [axis for axis, path in enumerate(results.axes.paths) if path not in _TOLD and not path.endswith(".encoder")]
    differing = [axis for axis in axes if any(len({values[axis] for values in one}) > 1 for one in groups.values())]
    trained_on = [axis for axis, path in enumerate(results.axes.paths) if path == "corpora"]
    trained_on = [axis for axis in trained_on if any(len({v[axis] for v in one}) > 1 for one in groups.values())]
    heads = results.axes.heads
    return {
        values: replace(
            setting,
            others=", ".join(
                [f"trained on {values[axis]}" for axis in trained_on]
                + [f"{heads[axis]} {values[axis]}" for axis in differing if values[axis] != HOLE]
            ),
        )
        for values, setting in settings.items()
    }
