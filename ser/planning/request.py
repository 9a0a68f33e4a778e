"""From what a person wrote on the command line to a plan: find corpora, scan them, apply overrides, build the store."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from ser import registry
from ser.data import encoders, pretrained, recordings, scan, votes
from ser.data.manifest import Manifest, Refusal, write_csv
from ser.errors import BadInput, unknown
from ser.features.hdf5 import Row
from ser.features.recipe import Recipe, columns_of
from ser.features.shards import Compute
from ser.features.store import Store
from ser.models import stated_traits
from ser.planning.entries import check_room, entries_of
from ser.planning.plan import DUPLICATES, Plan, resolve
from ser.planning.sources import Source
from ser.study import (
    EACH,
    Corpus,
    Part,
    Study,
    Value,
    expand_encoders,
    load_study,
    override,
    part,
    settings_of,
    takes_encoders,
    with_demo_budget,
)
from ser.study.components import with_setting
from ser.study.settings import complete, values_of
from ser.study.study import ALL, MEMBERS

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = ("all", "loss", "members")  # the shared head, the summed curves, and what tests call a study's corpora
Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]  # a progress bar, by its title


@dataclass(frozen=True)
class CorpusRequest:
    """A corpus as named on the command line; ``path`` None: look below the data folders."""

    name: str
    path: Path | None = None


@dataclass(frozen=True)
class Request:
    """What a person asked for; see ``ser run --help``."""

    study: str
    work: Path
    data: tuple[Path, ...] = ()
    corpora: tuple[CorpusRequest, ...] = ()
    settings: tuple[tuple[str, Value | Part], ...] = ()
    seeds: int | None = None  # as the study says
    duplicates: str = "once"
    demo: bool = False
    mode: str | None = None  # the study's first
    noise: Path | None = None
    rir: Path | None = None
    weights: Path | None = None
    encoders: tuple[tuple[str, Path], ...] = ()  # pretrained ones, by the names that a person gives them
    unseen: tuple[CorpusRequest, ...] = ()  # that trials are tested on: "members", "all", or corpora

    @property
    def recordings(self) -> dict[str, Path]:
        """Folders of recordings, by the augmentation that uses them."""
        return {name: path for name, path in (("noise", self.noise), ("rir", self.rir)) if path}


def check(request: Request) -> Study:
    """The study of ``request``. Raises BadInput for all that is wrong whatever the corpora hold: it is refused before
    corpora are made or scanned. A demo may name encoders afterwards.
    """
    whole = _study(request)
    if request.duplicates not in DUPLICATES:
        raise unknown(request.duplicates, "--duplicates", DUPLICATES)
    study = _set(whole, request)
    study.check_labels(dict(request.settings))
    kinds = [kind.name for kind in study.features.augmentation]
    for name, folder in request.recordings.items():
        if name not in kinds:
            augments = f"a study that augments by {name}; {study.name} by {', '.join(kinds) or 'nothing'}"
            raise BadInput(str(folder), f"--{name}", augments, "leave it out")
    _with_weights(study, request.weights)
    study = _with_encoders(study, request)
    if not (request.demo and not request.encoders):
        points = [p for p in study.grid(study.corpora) if study.runs(p) and not study.awaits_encoder(p)]
        expand_encoders(study, points, encoders.states_of)
    return whole


def lacks_encoders(request: Request) -> bool:
    """Whether the study of ``request`` takes pretrained encoders, and the command names none. Raises BadInput."""
    return not request.encoders and takes_encoders(_set(_study(request), request))


def _set(whole: Study, request: Request) -> Study:
    """The study with the corpora that the command names beside its own, and all settings. Raises BadInput."""
    loaders, stated = registry.names("corpora"), {c.name for c in whole.corpora}
    others = [w.name for w in request.corpora if w.name not in stated]
    brought = bring(whole, [(name, name if name in loaders else "manifest_csv") for name in others])
    loader_of = {c.name: c.loader.name for c in whole.corpora}
    lists = {w.name: _by_lists(loader_of.get(w.name), w.path) for w in request.corpora if w.path and w.path.exists()}
    members = bring(whole, [(c.name, lists.get(c.name) or c.loader.name) for c in whole.corpora])
    study = whole.with_corpora((*members, *brought))
    for path, value in _without_corpora(request.settings, {w.name for w in request.unseen} - {c.name for c in brought}):
        study = override(study, path, value)
    return study


def _without_corpora(
    settings: Sequence[tuple[str, Value | Part]], names: Collection[str]
) -> list[tuple[str, Value | Part]]:
    """The settings but those of these corpora."""
    return [(path, value) for path, value in settings if path.partition(".")[0] not in names]


def _study(request: Request) -> Study:
    study = load_study(request.study)
    study = study if request.mode is None else study.in_mode(request.mode)
    study = with_demo_budget(study) if request.demo else study
    return override(study, "test_on", tuple(w.name for w in request.unseen)) if request.unseen else study


def plan_of(request: Request, bar: Bar) -> Plan:
    """The plan that ``request`` describes. Raises BadInput."""
    whole = _study(request)
    places = locate(request.data, request.corpora, whole)
    study = whole.with_corpora(bring(whole, [(name, loader) for name, loader, _ in places]))
    test_on = dict(request.settings).get("test_on")
    whole = whole if test_on is None else override(whole, "test_on", test_on)
    strangers = _only_tested(request, whole, places)
    for path, value in _without_corpora(request.settings, [name for name, _, _ in strangers]):
        study = override(study, path, value)
    study.check_labels(dict(request.settings))
    for name, folder in request.recordings.items():
        study = override(study, f"{name}.source", recordings.fingerprint(folder))
    for kind in study.features.augmentation:
        if kind.values().get("source", "generated") != "generated" and kind.name not in request.recordings:
            raise BadInput(
                kind["source"], f"--set {kind.name}.source", "generated", f"name the folder: --{kind.name} DIR"
            )
    study = _with_weights(_with_encoders(study, request), request.weights)
    paths = {name: path for name, _, path in places}
    manifests = {c.name: read(c.name, c.loader, paths[c.name], request.work, bar) for c in study.corpora}
    brought: dict[str, tuple[Corpus, Manifest]] = {}
    for name, loader, place in strangers:
        corpus = _brought(whole, name, loader, request.settings)
        brought[name] = corpus, read(name, corpus.loader, place, request.work, bar)
    seeds = study.seeds if request.seeds is None else request.seeds
    plan = resolve(study, manifests, seeds, request.duplicates, brought=brought)
    absent = [c.name for c in whole.corpora if c.name not in manifests]
    notes = [f"not among the corpora: {', '.join(absent)}; the grid is smaller accordingly"] if absent else []
    notes += [
        f"encoder {name}: {encoders.RANDOM_WEIGHTS}; results with it say whether the software works, and no more"
        for name, identity in study.encoders
        if encoders.is_random(encoders.folder_of(identity))
    ]
    notes += [*_left_out(whole, study), *_stated_by_points(study, request)]
    return replace(plan, notes=(*plan.notes, *notes))


def _only_tested(request: Request, study: Study, members: Sequence[scan.Place]) -> list[scan.Place]:
    """Where the corpora are that trials are tested on, as ``test_on`` has it, but for the ``members`` of the plan.

    Raises BadInput for a name that leads nowhere.
    """
    member_names, paths = {name for name, _, _ in members}, {w.name: w.path for w in request.unseen if w.path}
    names = [name for name in study.comparison.test_on if name not in member_names]
    loaders = {c.name: c.loader.name for c in study.corpora}
    if not names or (names == [MEMBERS] and loaders.keys() <= member_names):
        return []
    below = {name: (name, loader, path) for name, loader, path in survey(request.data).corpora if _is_name(name)}
    used = {path for _, _, path in members}
    out: dict[str, scan.Place] = {}
    for name in names:
        if name in (MEMBERS, ALL):
            others = {n: place for n, place in below.items() if n not in member_names and place[2] not in used}
            out = {n: place for n, place in others.items() if name == ALL or n in loaders} | out
        elif path := paths.get(name):
            out[name] = name, loaders.get(name) or _loader(name, path), path
        elif name in below:
            out[name] = below[name]
        else:
            raise unknown(name, "--test-on", (MEMBERS, ALL, *member_names, *below), f"say where: {name}=PATH")
    return [(name, loaders.get(name, loader), path) for name, loader, path in out.values()]


def _brought(study: Study, name: str, loader: str, settings: Sequence[tuple[str, Value | Part]]) -> Corpus:
    """A corpus of tests alone with its settings. Raises BadInput for one that neither loader nor split rule has."""
    (corpus,) = bring(study, [(name, loader)])
    for path, value in settings:
        head, _, key = path.partition(".")
        if head == name and key in corpus.split.values():
            corpus = replace(corpus, split=with_setting("splits", corpus.split, key, value, f"--set {name}"))
        elif head == name:
            corpus = replace(corpus, loader=with_setting("corpora", corpus.loader, key, value, f"--set {name}"))
    return corpus


def _with_weights(study: Study, path: Path | None) -> Study:
    """The study whose blocks start from the weights in ``path``: by fingerprint, as a path changes no number."""
    blocks = {block.name: block for block in study.blocks} | {
        f"{s.name}.block": s.block for s in study.comparison.systems
    }
    takers = {name: block["weights"] for name, block in blocks.items() if _takes_weights(block)}
    for name, kind in takers.items():
        if path is not None:
            study = override(study, f"{name}.weights", pretrained.fingerprint(path))
        elif kind != "random":
            raise BadInput(kind, f"--set {name}.weights", "random", "name the file: --weights")
    if path is not None and not takers:
        names = ", ".join(blocks)
        raise BadInput(str(path), "--weights", "a study with a network that takes weights", f"it has {names}")
    return study


def _with_encoders(study: Study, request: Request) -> Study:
    """The study with the encoders of the command, whose folders are looked at and kept in mind for this process.

    They are an axis, one encoder, too: so the next command may name more of them. A front-end that ``--set`` has put
    in the place of the study's gets a single one as its setting, as the titles of the study's trials do not name it.
    Raises BadInput.
    """
    if not request.encoders:
        return study
    folders = _named_once(request.encoders)
    takes = takes_encoders(study)
    if not takes:
        remedy = 'leave it out, or take another front-end: --set "front_end=pretrained(layers=last)"'
        fits = f"a study with a front-end or network that takes one; {study.name} has {study.features.front_end.name}"
        raise BadInput(next(iter(folders)), "--encoder", fits, remedy)
    names: dict[str, str] = {}
    for name, folder in folders.items():
        other = names.setdefault(str(encoders.examine(folder)), name)
        if other != name:
            raise BadInput(f"{other} and {name}", "--encoder", "different encoders", "leave one of these two out")
    encoders.remember({identity: folders[name] for identity, name in names.items()})
    study = study.with_encoders((name, identity) for identity, name in names.items())
    is_replaced = any(path == "front_end" for path, _ in request.settings)
    if is_replaced and len(names) == 1 and study.features.front_end.values().get("encoder") == EACH:
        study = override(study, "front_end.encoder", next(iter(names)))
    return study


def _named_once(pairs: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    """Encoders' folders by name. Raises BadInput for a name that is none, and for one that is there twice."""
    folders: dict[str, Path] = {}
    for name, folder in pairs:
        if not _is_name(name):
            allowed = f"a lower-case letter, then letters, digits, - and _; not {', '.join(_RESERVED)}"
            raise BadInput(repr(name), "--encoder", allowed, "rename it: NAME=DIR")
        if name in folders:
            raise BadInput(f"{name} twice", "--encoder", "each name once", "name the other one otherwise")
        folders[name] = folder
    return folders


def _stated_by_points(study: Study, request: Request) -> list[str]:
    """Notes on settings of the command that points of the grid state themselves: an axis has the last word."""
    points = [point for point in study.grid(study.corpora) if study.runs(point)]
    counts = {path: sum(path in point for point in points) for path, _ in request.settings}
    return [
        f"--set {path} changes nothing in {number} of the {len(points)} points of the grid, which state it themselves"
        for path, number in counts.items()
        if number
    ]


def _left_out(stated: Study, study: Study) -> list[str]:
    """Notes on what corpora had otherwise of a front-end in whose place another one is."""
    old, new = stated.features.front_end.name, study.features.front_end.name
    changed = {c.name: ", ".join(f"{k}={v}" for k, v in c.front_end) for c in stated.corpora if c.front_end}
    lost = [f"{c.name} ({changed[c.name]})" for c in study.corpora if c.name in changed and not c.front_end]
    return [f"settings of {old} that are left out, as the front-end is {new}: {', '.join(lost)}"] if lost else []


def _takes_weights(block: Part) -> bool:
    is_network = stated_traits(block.name).is_network
    return is_network and block.values().get("weights", "none") != "none"


def locate(data: Sequence[Path], requested: Sequence[CorpusRequest], study: Study | None) -> list[scan.Place]:
    """Which corpora, as (name, loader, place). Without ``requested``: those of the study that are found, or all found.

    The order is the study's own, then by name, however they were written: the order is part of a trial's identity.
    Raises BadInput, also where several that are found have a name that is wanted without a place.
    """
    _check(data)
    below = scan.corpora_below(data)
    places: dict[str, list[scan.Place]] = {}
    for place in below:
        places.setdefault(place[0], []).append(place)
    loaders = {c.name: c.loader.name for c in study.corpora} if study else {}
    names = [w.name for w in requested] or [name for name in places if study is None or name in loaders]
    if not names:
        raise _none(data, below, tuple(loaders) or registry.names("corpora"))
    paths = {w.name: w.path for w in requested if w.path}
    located = []
    for name in names:
        if path := paths.get(name):
            loader = _by_lists(loaders.get(name), path) or loaders.get(name) or _loader(name, path)
        elif name in places:
            _, loader, path = _only(places[name])
            loader = loaders.get(name, loader)
        else:
            raise unknown(name, "--corpora", places, f"say where: {name}=PATH; these are found below --data")
        located.append((name, loader, path))
    order = {name: i for i, name in enumerate(loaders)}
    return sorted(located, key=lambda c: (order.get(c[0], len(order)), c[0]))


@dataclass(frozen=True)
class Survey:
    """Everything below the data folders: corpora, each under a name of its own, and what is in none of them."""

    corpora: tuple[scan.Place, ...]
    notes: tuple[str, ...]  # what a person has to say of them when asking for a run
    refused: tuple[Refusal, ...]


def survey(data: Sequence[Path]) -> Survey:
    """What lies below ``data``. Corpora that share a name get the names that the notes propose."""
    _check(data)
    below, refused = scan.survey(data)
    shared = {name for name, times in Counter(name for name, _, _ in below).items() if times > 1}
    names = {place: place[0] for place in below if place[0] not in shared}
    for place in below:
        if place[0] in shared:
            names[place] = place[0] if _namesake(below, place[0]) == place else _proposal(place, names.values())
    notes = [_shared(name, {new: p for p, new in names.items() if p[0] == name}) for name in sorted(shared)]
    for place in below:
        if place[0] not in shared and not _is_name(place[0]):
            option = shlex.quote(f"{_proposal(place, ())}={place[2]}")
            notes.append(f"{place[0]} is no name for a run: give it one, as --corpora {option}")
    return Survey(tuple((names[place], *place[1:]) for place in below), tuple(notes), tuple(refused))


def _check(data: Sequence[Path]) -> None:
    for folder in data:
        if not folder.is_dir() and not (folder.is_file() and folder.suffix.lower() in (".zip", ".csv", ".tsv")):
            raise BadInput(str(folder), "--data", "a folder that exists", "name the folder that holds the corpora")


def _none(data: Sequence[Path], below: Sequence[scan.Place], allowed: Sequence[str]) -> BadInput:
    """The error where no corpus is found that could be meant, with what was found in its stead."""
    value = f"no corpus below {', '.join(map(str, data))}" if data else "no folder named"
    reasons = [f"{name} in {path}" for name, _, path in below]
    reasons = reasons or [f"{r.what}: {r.reason}" for r in scan.left_over(data, below)]
    value += f" ({'; '.join(reasons[:3])}{f'; and {len(reasons) - 3} more' if reasons[3:] else ''})" if reasons else ""
    return BadInput(
        value, "--data, --corpora", ", ".join(allowed), "name their folders: --data DIR or --corpora NAME=PATH"
    )


def _only(places: Sequence[scan.Place]) -> scan.Place:
    if len(places) > 1:
        name = places[0][0]
        proper = _namesake(places, name) or places[0]
        raise BadInput(
            " and ".join(str(path) for _, _, path in places),
            f"corpus {name}",
            "one place per name",
            f"say which is meant: --corpora {shlex.quote(f'{name}={proper[2]}')}",
        )
    return places[0]


def _namesake(places: Sequence[scan.Place], name: str) -> scan.Place | None:
    """RAVDESS itself beside tables in folders of that name: the only one that its loader reads."""
    real = [place for place in places if place[:2] == (name, name)]
    return real[0] if len(real) == 1 else None


def _shared(name: str, proposals: Mapping[str, scan.Place]) -> str:
    option = ",".join(f"{new}={path}" for new, (_, _, path) in proposals.items())
    return (
        f"{len(proposals)} corpora are called {name}: a run that wants one has to say which, as {name}=PATH, "
        f"and of several each under another name: --corpora {shlex.quote(option)}"
    )


def _proposal(place: scan.Place, others: Collection[str]) -> str:
    """A name that a run takes: of the folder around it and its own."""
    name, _, path = place
    around = (path if path.is_dir() else path.parent).parent.name
    plain = (
        re.sub(r"[^a-z0-9_-]+", "_", f"{around}_{name}".lower()).strip("_-")[-38:].lstrip("0123456789_-") or "corpus"
    )
    return next(new for n in count(1) if (new := plain if n == 1 else f"{plain}{n}") not in others)


def bring(study: Study, located: Sequence[tuple[str, str]]) -> list[Corpus]:
    """The corpora (name, loader) as a study uses them: its own as stated, others with its rule for others."""
    corpora_by_name = {c.name: c for c in study.corpora}
    letters = [corpora_by_name[name].letter for name, _ in located if name in corpora_by_name]
    corpora = []
    for name, loader in located:
        if name not in corpora_by_name:
            if not _is_name(name):
                allowed = f"a lower-case letter, then letters, digits, - and _; not {', '.join(_RESERVED)}"
                raise BadInput(repr(name), "--corpora", allowed, "rename it: NAME=PATH")
            letters.append(_letter(name, letters))
            corpora_by_name[name] = Corpus(name, letters[-1], _documented(loader), study.other_corpora)
        corpus = corpora_by_name[name]
        corpora.append(corpus if _reads(corpus, loader) else replace(corpus, loader=_documented(loader)))
    return corpora


def _reads(corpus: Corpus, loader: str) -> bool:
    return corpus.loader.name == loader or loader not in registry.names("corpora")


def _by_lists(stated: str | None, path: Path) -> str:
    """Returns the loader of a format that knows a study's corpus and finds it where its own loader finds nothing."""
    if stated not in registry.names("corpora") or registry.find("corpora", str(stated)).find(path):
        return ""
    for name in registry.names("corpora"):
        module = registry.find("corpora", name)
        if hasattr(module, "release_loader") and any(module.release_loader(p) == stated for p in module.find_all(path)):
            return name
    return ""


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED


def _letter(name: str, others: Sequence[str]) -> str:
    """The shortest capitalised beginning that is still free."""
    return next((name[:n].capitalize() for n in range(1, len(name)) if name[:n].capitalize() not in others), name)


def _loader(name: str, path: Path) -> str:
    """The loader of a corpus that no study knows: by its name, a manifest, or the one corpus that is found there."""
    if name in registry.names("corpora"):
        return name
    if path.suffix.lower() in registry.find("corpora", "manifest_csv").SUFFIXES or (path / "manifest.csv").exists():
        return "manifest_csv"
    loaders = {loader for _, loader, _ in scan.corpora_below([path])} if path.exists() else set()
    if len(loaders) == 1:
        return loaders.pop()
    raise BadInput(
        f"{name}={path}",
        "--corpora",
        f"a CSV manifest, or one of {', '.join(registry.names('corpora'))}",
        "name the corpus after its loader, or write a manifest",
    )


def set_up(located: Sequence[tuple[str, str]], settings: Sequence[tuple[str, Value | Part]]) -> dict[str, Part]:
    """The loaders of corpora (name, loader) by name, with ``settings`` such as ``calls.label_map`` changed.

    Raises BadInput for one that no corpus has.
    """
    loaders = {name: _documented(loader) for name, loader in located}
    for path, value in settings:
        name, _, key = path.partition(".")
        if name not in loaders or key not in loaders[name].values():
            paths = [f"{n}.{k}" for n, loader in loaders.items() for k in loader.values()]
            raise BadInput(repr(path), "--set", ", ".join(paths) or "nothing here", "name one of these")
        loaders[name] = with_setting("corpora", loaders[name], key, value, f"--set {name}")
    return loaders


def _documented(loader: str) -> Part:
    """A loader with the settings that its file documents."""
    return complete(part(loader), registry.settings("corpora", loader), "loader")


def read(name: str, loader: Part, path: Path, work: Path, bar: Bar) -> Manifest:
    """Scan one corpus and leave its table in ``work/store/manifests``."""
    cache = work / "store" / "manifests"
    with bar(f"scan {name}") as progress:
        manifest = scan.scan(name, loader.name, path, loader.values(), cache, progress)
    write_csv(manifest, cache / f"{name}.csv")
    return manifest


def prepare(
    plan: Plan, store: Store, recordings: Mapping[str, Path], bar: Bar, compute: Compute | None = None
) -> list[Refusal]:
    """Build every store entry of ``plan`` that is not there; returns the utterances refused while computing.

    ``compute`` says where, if not here. Raises BadInput, before any is computed, where they do not fit the disk.
    """
    refused: list[Refusal] = []
    check_room(entries := entries_of(plan), store)
    for recipe in entries:
        kind = recipe.augmentation.name if recipe.augmentation else "clean"
        with bar(f"features {recipe.corpus} {recipe.front_end.name} {kind}") as progress:
            refused += store.build(recipe, recordings.get(kind), progress, compute).refused
    return refused


def exported(plan: Plan, store: Store) -> Iterator[tuple[str, Iterator[Row], dict[str, str]]]:
    """For each corpus and front-end of ``plan``: a name, rows for ``write_hdf5``, and what made them.

    Names of front-ends that differ in settings alone differ by the end of the key that an entry of theirs has.
    """
    clean: dict[str, tuple[Source, Recipe, Recipe]] = {}  # by key: a front-end's recipe, and that of its container
    for source in plan.sources.values():
        for front_end, container in source.containers.items():
            whole = next(r for r in source.recipes if r.augmentation is None and r.front_end == container)
            recipe = replace(whole, front_end=front_end)
            clean[recipe.key] = source, recipe, whole
    counts = Counter(_export_name(recipe) for _, recipe, _ in clean.values())
    for key, (source, recipe, whole) in clean.items():
        name = _export_name(recipe) + (f"-{key.rpartition('-')[2]}" if counts[_export_name(recipe)] > 1 else "")
        settings = {k: str(v) for k, v in values_of(settings_of("frontends", recipe.front_end)).items()}
        facts = {"corpus": recipe.corpus, "front_end": recipe.front_end.name, "store_entry": whole.key}
        yield name, _rows(source, recipe, whole, store), facts | settings


def _export_name(recipe: Recipe) -> str:
    return f"{recipe.corpus}-{recipe.front_end.name}"


def _rows(source: Source, recipe: Recipe, whole: Recipe, store: Store) -> Iterator[Row]:
    features, columns = store.open(whole.key), columns_of(recipe.front_end, whole.front_end) or slice(None)
    for u, _ in recipe.items:
        if u.uid in features:
            yield u.uid, "|".join(source.labels.get(u.uid, (u.label,))), features.frames(u.uid)[:, columns]


def label_statistics(study: Study, name: str, loader: str, path: Path) -> tuple[votes.Statistics, votes.Statistics]:
    """What the raters of the corpus at ``path`` say in the classes of ``study``, from its label files alone.

    Of all utterances, and of those with few enough emotions to be used.
    """
    loader_part = next((c.loader for c in study.corpora if c.name == name), part(loader))
    module = registry.find("corpora", loader)
    settings = settings_of("corpora", loader_part)
    if hasattr(module, "counted_votes"):  # a table of votes, whose recordings need not be there
        pairs_by_utterance = module.counted_votes(path, settings)
        sets = [votes.tied(pairs, "", study.classes, dict(study.labels.merge)) for pairs in pairs_by_utterance.values()]
    else:
        utterances = module.load(path, settings, name).utterances
        sets = list(votes.label_sets(utterances, study.classes, dict(study.labels.merge)).values())
    usable = [labels for labels in sets if 0 < len(labels) <= votes.MOST]
    return votes.statistics(sets, study.classes), votes.statistics(usable, study.classes)


def describe(plan: Plan) -> list[str]:
    """What a reader of the tables should know of this grid's data."""
    sources: list[Any] = [p for p in plan.study.features.augmentation if "source" in p.values()]
    lines = [
        f"augmentation {p.name}: " + ("generated" if p["source"] == "generated" else f"recordings {p['source']}")
        for p in sources
    ]
    return [*plan.notes, *lines]
