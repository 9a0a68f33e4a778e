"""Settings by their paths, for ``--set``, axes of a grid, search spaces and demo budgets: one walk over a study.

``branches`` lists what can be set, each with how it is changed. ``override``, the list of paths and the advice on a
misspelt one all go by it, and every value passes the checks of the component that it is for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ser import registry
from ser.errors import BadInput, unknown
from ser.study.components import completed, with_setting
from ser.study.settings import Rule, checked, kinds_of, rule_of
from ser.study.study import Comparison, Features, Study, System
from ser.study.trial import Corpus, Training
from ser.study.values import Part, Value, part

Change = Callable[[str, Value | Part, str], Study]  # (name, value, place of an error) -> the study with it


@dataclass(frozen=True)
class Branch:
    """Settings that share the beginning of their paths, and how the study is made that has another value for one."""

    head: str  # "" for settings of the study itself
    values: Mapping[str, Any]  # as they are, by name
    change: Change
    owner: str = ""  # the system that it belongs to
    listed: bool = True  # False: for study files alone

    def paths(self) -> list[str]:
        """Returns the whole paths of its settings."""
        return [f"{self.head}.{name}" if self.head else name for name in self.values]

    def name_in(self, path: str) -> str | None:
        """Returns the name of the setting that ``path`` leads to, None where it is not among these."""
        name = path.removeprefix(f"{self.head}.") if self.head else path
        return name if name in self.values and (name != path or not self.head) else None


def override(study: Study, path: str, value: Value | Part) -> Study:
    """Returns ``study`` with another value at ``path``, such as ``training.batch_size`` (see ``settable_paths``).

    Raises BadInput for a path that names nothing, with the nearest one, and for a value that its component refuses.
    """
    for branch in branches(study):
        if (name := branch.name_in(path)) is not None:
            return branch.change(name, value, f"--set {path}")
    paths, more = _advice(study, path.partition(".")[0])
    error = unknown(path, "--set", paths, "name one of these")
    raise BadInput(error.value, error.place, error.allowed + more, error.remedy)


def settable_paths(study: Study) -> list[str]:
    """Returns every path that a person can set."""
    return [path for branch in branches(study) if branch.listed for path in branch.paths()]


def value_at(study: Study, path: str) -> Value:
    """Returns the value at ``path``. Raises KeyError where it leads to none."""
    for branch in branches(study):
        if (name := branch.name_in(path)) is not None:
            value: Value = branch.values[name]
            return value
    raise KeyError(path)


def _advice(study: Study, head: str) -> tuple[list[str], str]:
    """Returns the paths to name in an error: those of the system ``head``, or all of none, and how others begin."""
    listed = [branch for branch in branches(study) if branch.listed]
    if of_system := [path for branch in listed if branch.owner == head and head for path in branch.paths()]:
        return of_system, ""
    systems = [s.name for s in study.comparison.systems]
    more = f"; NAME.SETTING of a system, where NAME is {', '.join(systems)}" if systems else ""
    return [path for branch in listed if not branch.owner for path in branch.paths()], more


def branches(study: Study) -> Iterator[Branch]:
    """Yields all that can be set in ``study``."""
    yield from _of_itself(study)
    yield from _of_components(study)
    yield from _of_reference(study)
    yield from _of_search(study)
    for corpus in study.corpora:
        yield from _of_corpus(study, corpus)
    for system in study.comparison.systems:
        yield from _of_system(study, system)


def _of_itself(study: Study) -> Iterator[Branch]:
    features = {"normalise": study.features.normalise, "augmentation": study.features.augmentation}
    yield Branch("", features, lambda n, v, p: replace(study, features=_features(study, n, v, p)))
    yield Branch("", {"classes": study.classes}, lambda n, v, p: replace(study, classes=_typed(v, tuple[str, ...], p)))

    def merged(name: str, value: Value | Part, place: str) -> Study:
        pairs = _typed(value, tuple[tuple[str, str], ...], place, "pairs of a label and its class: merge=excited:happy")
        old = study.labels.merge if study.labels.stated is None else study.labels.stated
        return replace(study, labels=replace(study.labels, merge=pairs, stated=None if pairs == old else old))

    yield Branch("", {"merge": study.labels.merge}, merged)

    def labelled(name: str, value: Value | Part, place: str) -> Study:
        if name == "votes":
            return replace(study, labels=replace(study.labels, votes=_typed(value, str, place)))
        return replace(study, labels=replace(study.labels, dimensions=_typed(value, tuple[str, ...], place)))

    yield Branch("", {"votes": study.labels.votes, "dimensions": study.labels.dimensions}, labelled)

    def seeded(name: str, value: Value | Part, place: str) -> Study:
        changes: dict[str, Any] = {name: _field(Study, name, value, place)}
        return replace(study, **changes)

    yield Branch("", {"seeds": study.seeds, "seed_moves": study.seed_moves}, seeded)

    def compared(name: str, value: Value | Part, place: str) -> Study:
        new = _typed(value, tuple[str, ...], place) if name == "only" else _field(Comparison, name, value, place)
        changes: dict[str, Any] = {name: new}
        return replace(study, comparison=replace(study.comparison, **changes))

    limits: dict[str, Any] = {name: getattr(study.comparison, name) for name in ("folds", "test_on", "test_side")}
    yield Branch("", limits | {"only": study.comparison.only} if study.comparison.systems else limits, compared)

    def split(name: str, value: Value | Part, place: str) -> Study:  # of all corpora, a person's own among them
        rule = _rule(value, place)
        others = replace(study, other_corpora=rule)
        return others.with_corpora(replace(corpus, split=rule) for corpus in study.corpora)

    yield Branch("", {"split": study.other_corpora}, split, listed=False)  # it has no value: corpora have several

    def trained(name: str, value: Value | Part, place: str) -> Study:
        changes: dict[str, Any] = {name: _field(Training, name, value, place)}
        return replace(study, training=replace(study.training, **changes))

    yield Branch("training", vars(study.training), trained)


def _of_components(study: Study) -> Iterator[Branch]:
    features = study.features

    def front_end(name: str, value: Value | Part, place: str) -> Study:
        new = with_setting("frontends", features.front_end, name, value, _head(place))
        return replace(study, features=replace(features, front_end=new))

    def whole(name: str, value: Value | Part, place: str) -> Study:
        stated = value if isinstance(value, Part) else part(_typed(value, str, place))
        new, corpora = completed("frontends", stated, name), study.corpora
        if new.name != features.front_end.name:  # what corpora have otherwise are settings of the other one
            corpora = tuple(replace(corpus, front_end=()) for corpus in corpora)
        return replace(study, features=replace(features, front_end=new), corpora=corpora)

    yield Branch("", {"front_end": features.front_end}, whole)
    yield Branch("front_end", features.front_end.values(), front_end)
    for block in study.blocks:

        def network(name: str, value: Value | Part, place: str, block: Part = block) -> Study:
            new = with_setting("models", block, name, value, _head(place))
            return replace(study, blocks=tuple(new if b == block else b for b in study.blocks))

        yield Branch(block.name, block.values(), network)
    for kind in features.augmentation:

        def copies(name: str, value: Value | Part, place: str, kind: Part = kind) -> Study:
            new = with_setting("augment", kind, name, value, _head(place))
            kinds = tuple(new if k == kind else k for k in features.augmentation)
            return replace(study, features=replace(features, augmentation=kinds))

        yield Branch(kind.name, kind.values(), copies)


def _of_reference(study: Study) -> Iterator[Branch]:
    stated = study.reference

    def model(name: str, value: Value | Part, place: str) -> Study:
        if value in ("none", (), None):
            return replace(study, reference=None)
        if stated is not None and value == stated.name:
            return study
        fitted = [model for model in registry.names("models") if registry.is_fitted(model)]
        if (chosen := _typed(value, str, place)) not in fitted:
            raise unknown(chosen, place, [*fitted, "none"], "choose one of them: networks are no references")
        new = part(chosen)
        if "statistics" in {item.name for item in fields(registry.settings("models", chosen))}:  # else it takes frames
            had = {} if stated is None else stated.values()
            new = new.changed(statistics=had.get("statistics", ("mean", "std")))
        return replace(study, reference=completed("models", new, place))

    def changed(name: str, value: Value | Part, place: str) -> Study:
        assert stated is not None
        return replace(study, reference=with_setting("models", stated, name, value, _head(place)))

    yield Branch("", {"reference": "none" if stated is None else stated.name}, model)
    if stated is not None:
        yield Branch("reference", stated.values(), changed)


def _of_search(study: Study) -> Iterator[Branch]:
    search = study.search

    def rule(name: str, value: Value | Part, place: str) -> Study:
        new = with_setting("searches", search.rule, name, value, "--set search")
        return replace(study, search=replace(search, rule=new))

    def scheduler(name: str, value: Value | Part, place: str) -> Study:
        new = with_setting("schedulers", search.scheduler, name, value, "--set scheduler")
        return replace(study, search=replace(search, scheduler=new))

    def final(name: str, value: Value | Part, place: str) -> Study:
        new = value_at(override(study, name, value), name)
        values = tuple((path, new if path == name else v) for path, v in search.final)
        return replace(study, search=replace(search, final=values))

    def space(name: str, value: Value | Part, place: str) -> Study:
        if not isinstance(value, Part):
            raise BadInput(repr(value), place, "how to draw a value", "write part('choice', values=(…))")
        kinds = tuple((path, value if path == name else kind) for path, kind in search.space)
        return replace(study, search=replace(search, space=kinds))

    yield Branch("search", search.rule.values(), rule)
    yield Branch("scheduler", search.scheduler.values(), scheduler)
    yield Branch("final", dict(search.final), final)
    yield Branch("space", dict(search.space), space, listed=False)


def _of_corpus(study: Study, corpus: Corpus) -> Iterator[Branch]:
    def changed(new: Corpus) -> Study:
        # A corpus that gains or loses its test subset changes the grid on purpose.
        return study.with_corpora(new if c.name == corpus.name else c for c in study.corpora)

    def loader(name: str, value: Value | Part, place: str) -> Study:
        return changed(replace(corpus, loader=with_setting("corpora", corpus.loader, name, value, _head(place))))

    def split(name: str, value: Value | Part, place: str) -> Study:
        return changed(replace(corpus, split=with_setting("splits", corpus.split, name, value, _head(place))))

    def front_end(name: str, value: Value | Part, place: str) -> Study:
        whole = corpus.front_end_for(study.features.front_end)
        new = with_setting("frontends", whole, name, value, _head(place))[name]
        return changed(replace(corpus, front_end=tuple((k, new if k == name else v) for k, v in corpus.front_end)))

    def rule(name: str, value: Value | Part, place: str) -> Study:
        return changed(replace(corpus, split=_rule(value, place)))

    yield Branch(corpus.name, corpus.loader.values(), loader)
    yield Branch(corpus.name, {"split": corpus.split}, rule)
    yield Branch(corpus.name, {k: v for k, v in corpus.split.settings if k != "fold"}, split)
    yield Branch(corpus.name, dict(corpus.front_end), front_end)


def _of_system(study: Study, system: System) -> Iterator[Branch]:
    def changed(**changes: Any) -> Study:
        systems = tuple(replace(s, **changes) if s.name == system.name else s for s in study.comparison.systems)
        return replace(study, comparison=replace(study.comparison, systems=systems))

    def normalise(name: str, value: Value | Part, place: str) -> Study:
        return changed(normalise=_typed(value, str, place))

    yield Branch(system.name, {"normalise": system.normalise}, normalise, system.name)
    for name, kind in (("front_end", "frontends"), ("block", "models"), ("balance", "balance")):
        if stated := getattr(system, name):

            def component(
                key: str, value: Value | Part, place: str, name: str = name, kind: str = kind, stated: Part = stated
            ) -> Study:
                return changed(**{name: with_setting(kind, stated, key, value, _head(place))})

            yield Branch(f"{system.name}.{name}", stated.values(), component, system.name)

    def trained(name: str, value: Value | Part, place: str) -> Study:
        new = _field(Training, name, value, place)
        return changed(training=(*(pair for pair in system.training if pair[0] != name), (name, new)))

    yield Branch(f"{system.name}.training", vars(study.training) | dict(system.training), trained, system.name)


def _features(study: Study, name: str, value: Value | Part, place: str) -> Features:
    if name == "normalise":
        return replace(study.features, normalise=_typed(value, str, place))
    if value not in ("none", (), None):
        raise BadInput(repr(value), place, "none", "leave augmentation out, or change the study file")
    return replace(study.features, augmentation=())


def _rule(value: Value | Part, place: str) -> Part:
    """Returns a split rule as ``--set`` has it: ``split=unseen``, or with its settings in brackets. Raises BadInput."""
    return completed("splits", value if isinstance(value, Part) else part(_typed(value, str, place)), place)


def _head(place: str) -> str:
    """Returns ``place`` without the last name, which the component adds."""
    return place.rpartition(".")[0]


def _field(owner: type[Any], name: str, value: Value | Part, place: str) -> Any:
    """Returns ``value`` as a field of ``owner`` that ``setting`` made takes it. Raises BadInput."""
    item = next(item for item in fields(owner) if item.name == name)
    return checked(value, kinds_of(owner)[name], rule_of(item), place)


def _typed(value: Value | Part, kind: object, place: str, allowed: str = "") -> Any:
    """Returns ``value`` as ``kind``. Raises BadInput."""
    try:
        return checked(value, kind, Rule(""), place)
    except BadInput as error:
        raise BadInput(error.value, place, allowed or error.allowed, error.remedy) from None


def beyond_statements(study: Study) -> dict[str, str]:
    """Returns the settings that no statement of a grid's trial has, as text by path: of search, reference and folds."""
    listed = [*_of_reference(study), *(branch for branch in _of_search(study) if branch.head != "final")]
    stated = {
        path: branch.values[name] for branch in listed for path, name in zip(branch.paths(), branch.values, strict=True)
    }
    return {path: str(value) for path, value in {**stated, "folds": study.comparison.folds}.items()}


def beginnings(study: Study) -> set[str]:
    """Returns the paths of all settings, and what such paths begin with: ``training`` of ``training.seed``."""
    paths = dict.fromkeys(known for branch in branches(study) for known in branch.paths())
    return {known[:end] for known in paths for end, sign in enumerate(f"{known}.") if sign == "."}


def check_origins(study: Study) -> None:
    """Raises BadInput for an origin whose path leads to no setting in any mode of the study."""
    known_paths = {path for mode in study.modes for path in beginnings(study.in_mode(mode))} if study.origins else set()
    for path in (origin.path for origin in study.origins):
        if path not in known_paths:
            paths = [known for branch in branches(study) for known in branch.paths()]
            raise unknown(path, f"origins of {study.name}", paths, "name one of these, or the beginning of some")


def check_space(study: Study) -> None:
    """Raises BadInput for a path or a value of the search space, or of the final settings, that nothing takes."""
    for path, kind in study.search.space:
        for value in kind.values().get("values") or (kind["low"], kind["high"]):
            override(study, path, value)
    for path, value in study.search.final:
        override(study, path, value)
