"""In which settings runs differ from their study as its file states it, and what the file states beyond its paper."""

from ast import literal_eval
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ser import registry
from ser.study import Corpus, Part, Study, part, trial_of, value_at
from ser.study.origins import Origin
from ser.study.overrides import beginnings, beyond_statements
from ser.study.release import text_of

Params = Mapping[str, str]

# What tells runs of one study apart, what a scan fills in, and what the code's version is: no settings.
_NONE = ("study", "mode", "seed", "repeat", "initial_from", "corpora", "role")
_NONE_OF_CORPUS = ("letter", "copies", "fingerprint")
_SYSTEMS = ("front_end", "normalise", "balance", "augmentation", "training", "pooling", "task", "block")


@dataclass(frozen=True)
class Deviation:
    """A setting whose value in the runs is another than in the study's file."""

    path: str
    runs: str
    study: str
    is_budget: bool = False  # it is what the demo's small budget states


@dataclass(frozen=True)
class Stated:
    """An origin with the value that the study states there, "" where it is of several settings."""

    origin: Origin
    value: str


@dataclass(frozen=True)
class Sample:
    """A run whose statement is compared: its params, and its point of the grid if it has one."""

    params: Params
    point: Mapping[str, Any] | None


def deviations(study: Study, corpora: Mapping[str, Corpus], samples: Iterable[Sample]) -> tuple[Deviation, ...]:
    """Returns every setting in which ``samples`` differ from ``study``, in its mode as its file states it.

    ``corpora`` are those used, as the file states them; of a person's own only the split is stated.
    """
    differing: dict[tuple[str, str, str], dict[str, None]] = {}  # (path, runs, study) -> systems
    systems: dict[str, None] = {}
    stated = {name: _without_places(corpus) for name, corpus in corpora.items()}
    own = [name for name in corpora if name not in {c.name for c in study.corpora}]
    for sample in samples:
        base, varied = _stated_params(study, stated, sample)
        system = sample.params.get("role.system", "")
        systems[system] = None
        params, base = _with_pairs(sample.params, stated), _with_pairs(base, stated)
        for key in params.keys() & base.keys():
            if params[key] == base[key] or key in varied or not _is_setting(key, stated, own):
                continue
            if key.endswith("classes") and not base[key]:  # all that the corpus has
                continue
            path = _path_of(key, base["block"], stated)
            differing.setdefault((path, params[key], base[key]), {})[system] = None
    budget = {path: text_of(value) for path, value in study.demo.changes if not isinstance(value, Part)}
    return tuple(
        Deviation(whole, ours, theirs, _is_budget(path, of, ours, budget))
        for (path, ours, theirs), of in sorted(differing.items())
        for whole in [_of_systems(path, of, systems)]
    )


def beyond(study: Study, stated: Mapping[str, str]) -> tuple[Deviation, ...]:
    """Returns in which settings that no statement has (see ``beyond_statements``) the runs' study differs."""
    own = beyond_statements(study)
    budget = {path: str(value) for path, value in study.demo.changes}
    differ = [path for path, value in sorted(stated.items()) if path in own and own[path] != value]
    return tuple(Deviation(p, stated[p], own[p], budget.get(p) == stated[p]) for p in differ)


def stated_origins(study: Study, used: Collection[str] | None = None) -> tuple[Stated, ...]:
    """Returns what a study states beyond its paper in the mode at hand, each with its value.

    ``used``: the corpora whose settings are listed; None = all of the study.
    """
    unused = {corpus.name for corpus in study.corpora} - set(used) if used is not None else set()
    settable = beginnings(study)
    there = (origin for origin in study.origins if origin.path in settable)
    there = (origin for origin in there if origin.path.partition(".")[0] not in unused)
    return tuple(Stated(origin, _value(study, origin.path)) for origin in there)


def _value(study: Study, path: str) -> str:
    try:
        value = value_at(study, path)
    except KeyError:
        return ""
    parts = value if isinstance(value, tuple) else (value,)
    return ", ".join(p.name if isinstance(p, Part) else text_of(p) for p in parts) or "none"


def _without_places(corpus: Corpus) -> Corpus:
    """The corpus as statements have it: settings that lead to its data are none of them."""
    known = corpus.loader.name in registry.names("corpora")  # not of a person's own, whose name alone is known
    places = getattr(registry.find("corpora", corpus.loader.name), "PLACES", ()) if known else ()
    kept = tuple((name, value) for name, value in corpus.loader.settings if name not in places)
    return replace(corpus, loader=replace(corpus.loader, settings=kept))


def _stated_params(study: Study, corpora: Mapping[str, Corpus], sample: Sample) -> tuple[Params, set[str]]:
    """Params of the study's own trial beside a run, and those keys in which a search varies it."""
    params = sample.params
    if sample.point is not None:
        point = {key: value for key, value in sample.point.items() if key != "seed"}
        return trial_of(study, point, corpora, int(params["seed"])).params(), set()
    names = tuple(name for name in params["corpora"].split(",") if name in corpora)
    searched: dict[str, Any] = {"corpora": names, **{k: params[k] for k in ("block", "pooling", "task")}}
    searched["fold"] = next((int(v) for k, v in params.items() if k.endswith(".split.fold")), 0)
    paths = tuple(path for path in params.get("role.varied", "").split(",") if path)
    role = part("candidate", number=0, varied=paths)
    searched |= {"role": role} | ({"final": True} if params.get("role") == "refit" else {})
    trial = trial_of(study, searched, corpora, int(params["seed"]))
    return trial.params(), {key for path in paths for key in trial.keys_of(path)}


def _with_pairs(params: Params, corpora: Iterable[str]) -> dict[str, str]:
    """The params with the settings of the front-end that a corpus has otherwise, one by one."""
    out = dict(params)
    for place in (f"corpus.{name}.front_end" for name in corpora):
        if text := out.pop(place, ""):
            out |= {f"{place}.{setting}": text_of(value) for setting, value in literal_eval(f"[{text}]")}
    return out


def _is_setting(key: str, corpora: Mapping[str, Corpus], own: Sequence[str]) -> bool:
    if key.partition(".")[0] in _NONE or key.endswith(".version"):
        return False
    name, rest = _corpus_of(key, corpora)
    if key.startswith("corpus.") and not name:  # songs, which are split as the corpus is
        return False
    return rest.partition(".")[0] not in (("loader", *_NONE_OF_CORPUS) if name in own else _NONE_OF_CORPUS)


def _corpus_of(key: str, corpora: Iterable[str]) -> tuple[str, str]:
    """The corpus whose param ``key`` is, and what follows its name; two empty texts for others."""
    names = [name for name in corpora if key.startswith(f"corpus.{name}.")]
    name = max(names, key=len, default="")  # a name may have dots
    return (name, key.removeprefix(f"corpus.{name}.")) if name else ("", "")


def _path_of(key: str, block: str, corpora: Iterable[str]) -> str:
    """The path of a param as ``--set`` has it: ``lstm.units``, ``ravdess.channels``, ``noise.snr_db``."""
    name, rest = _corpus_of(key, corpora)
    if name:
        place, _, setting = rest.partition(".")
        return f"{name}.{setting or place}"
    if key.startswith("block."):
        return f"{block}.{key.removeprefix('block.')}"
    return key.removeprefix("augmentation.")


def _of_systems(path: str, of: Iterable[str], systems: Iterable[str]) -> str:
    """The path, with the systems that it concerns where these are some of several."""
    named = [name for name in of if name]
    return f"{path} ({', '.join(named)})" if named and len(named) < len(list(systems)) else path


def _is_budget(path: str, systems: Iterable[str], value: str, budget: Mapping[str, str]) -> bool:
    """Whether the demo states this value there; a system's paths begin with its name, and have ``block`` in them."""
    rest = path.partition(".")[2]
    paths = [path, f"final.{path}"]
    paths += [f"{system}.{end}" for system in systems for end in (path, f"block.{rest}") if system]
    return any(budget.get(p) == value for p in paths)
