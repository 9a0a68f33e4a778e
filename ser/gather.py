"""From what a person wrote on the command line to a plan: find corpora, scan them, apply overrides, build the store."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ser import recordings, registry, scan, votes, weights
from ser.errors import BadInput
from ser.export import Row
from ser.manifest import Manifest, Refusal, write_csv
from ser.plan import Plan, Source, resolve
from ser.store import Recipe, Store
from ser.study import Corpus, Part, Study, Value, load_study, part

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = ("all", "loss")  # the shared head, and the summed curves
Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]  # a progress bar, by its title


@dataclass(frozen=True)
class Wanted:
    """A corpus as named on the command line; ``path`` None: look below the data folders."""

    name: str
    path: Path | None = None


@dataclass(frozen=True)
class Request:
    """What a person asked for; see ``ser run --help``."""

    study: str
    work: Path
    data: tuple[Path, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    settings: tuple[tuple[str, Value], ...] = ()
    seeds: int | None = None  # as the study says
    duplicates: str = "once"
    demo: bool = False
    mode: str | None = None  # the study's first
    noise: Path | None = None
    rir: Path | None = None
    weights: Path | None = None

    @property
    def recordings(self) -> dict[str, Path]:
        """Folders of recordings, by the augmentation that uses them."""
        return {name: path for name, path in (("noise", self.noise), ("rir", self.rir)) if path}


def plan_of(request: Request, bar: Bar) -> Plan:
    """The plan that ``request`` describes. Raises BadInput."""
    whole = load_study(request.study)
    whole = whole.in_mode(request.mode) if request.mode else whole
    for path, small in whole.demo if request.demo else ():
        whole = whole.override(path, small)
    chosen = locate(request.data, request.wanted, whole)
    study = whole.over(bring(whole, [(name, loader) for name, loader, _ in chosen]))
    for path, value in request.settings:
        study = study.override(path, value)
    for name, folder in request.recordings.items():
        study = study.override(f"{name}.source", recordings.fingerprint(folder))
    for kind in study.augmentation:
        if kind.values().get("source", "generated") != "generated" and kind.name not in request.recordings:
            raise BadInput(
                kind["source"], f"--set {kind.name}.source", "generated", f"name the folder: --{kind.name} DIR"
            )
    study = _with_weights(study, request.weights)
    places = {name: path for name, _, path in chosen}
    manifests = {c.name: read(c.name, c.loader, places[c.name], request.work, bar) for c in study.corpora}
    plan = resolve(study, manifests, study.seeds if request.seeds is None else request.seeds, request.duplicates)
    absent = [c.name for c in whole.corpora if c.name not in manifests]
    notes = [f"not among the corpora: {', '.join(absent)}; the grid is smaller accordingly"] if absent else []
    return replace(plan, notes=(*plan.notes, *notes))


def _with_weights(study: Study, path: Path | None) -> Study:
    """The study whose blocks start from the weights in ``path``: by fingerprint, as a path changes no number."""
    blocks = {block.name: block for block in study.blocks} | {f"{s.name}.block": s.block for s in study.systems}
    takers = {name: block["weights"] for name, block in blocks.items() if _takes_weights(block)}
    for name, kind in takers.items():
        if path is not None:
            study = study.override(f"{name}.weights", weights.fingerprint(path))
        elif kind != "random":
            raise BadInput(kind, f"--set {name}.weights", "random", "name the file: --weights")
    if path is not None and not takers:
        named = ", ".join(blocks)
        raise BadInput(str(path), "--weights", "a study with a network that takes weights", f"it has {named}")
    return study


def _takes_weights(block: Part) -> bool:
    is_network: bool = registry.find("models", block.name).GIVES != "classes"
    return is_network and block.values().get("weights", "none") != "none"


def locate(data: Sequence[Path], wanted: Sequence[Wanted], study: Study | None) -> list[tuple[str, str, Path]]:
    """Which corpora, as (name, loader, place). Without ``wanted``: those of the study that are found, or all found.

    The order is the study's own, then by name, however they were written: the order is part of a trial's identity.
    """
    for folder in data:
        if not folder.is_dir():
            raise BadInput(str(folder), "--data", "a folder that exists", "name the folder that holds the corpora")
    found = {name: (loader, path) for name, loader, path in scan.found(list(data))}
    own = {c.name: c.loader.name for c in study.corpora} if study else {}
    names = [w.name for w in wanted] or [name for name in found if study is None or name in own]
    if not names:
        raise BadInput(
            f"no corpus below {', '.join(map(str, data))}" if data else "no folder named",
            "--data, --corpora",
            ", ".join(own or registry.names("corpora")),
            "name their folders: --data DIR or --corpora NAME=PATH",
        )
    given = {w.name: w.path for w in wanted if w.path}
    chosen = []
    for name in names:
        if name not in given and name not in found:
            below = f"found below --data: {', '.join(found) or 'nothing'}"
            raise BadInput(repr(name), "--corpora", below, f"say where: {name}=PATH")
        path = given[name] if name in given else found[name][1]
        loader = found[name][0] if name not in given else _loader(name, path)
        chosen.append((name, own.get(name, loader), path))
    order = {name: i for i, name in enumerate(own)}
    return sorted(chosen, key=lambda c: (order.get(c[0], len(order)), c[0]))


def bring(study: Study, chosen: Sequence[tuple[str, str]]) -> list[Corpus]:
    """The corpora (name, loader) as a study uses them: its own as stated, others with its rule for others."""
    own = {c.name: c for c in study.corpora}
    letters = [own[name].letter for name, _ in chosen if name in own]
    corpora = []
    for name, loader in chosen:
        if name not in own:
            if not _NAME.fullmatch(name) or name in _RESERVED:
                allowed = f"a lower-case letter, then letters, digits, - and _; not {', '.join(_RESERVED)}"
                raise BadInput(repr(name), "--corpora", allowed, "rename it: NAME=PATH")
            letters.append(_letter(name, letters))
            own[name] = Corpus(
                name, letters[-1], part(loader, **registry.find("corpora", loader).SETTINGS), study.other_corpora
            )
        corpora.append(own[name])
    return corpora


def _letter(name: str, taken: Sequence[str]) -> str:
    """The shortest capitalised beginning that is still free."""
    return next((name[:n].capitalize() for n in range(1, len(name)) if name[:n].capitalize() not in taken), name)


def _loader(name: str, path: Path) -> str:
    """The loader of a corpus that no study knows: by its name, or a manifest."""
    if name in registry.names("corpora"):
        return name
    if path.suffix.lower() == ".csv" or (path / "manifest.csv").exists():
        return "manifest_csv"
    raise BadInput(
        f"{name}={path}",
        "--corpora",
        f"a CSV manifest, or one of {', '.join(registry.names('corpora'))}",
        "name the corpus after its loader, or write a manifest",
    )


def read(name: str, loader: Part, path: Path, work: Path, bar: Bar) -> Manifest:
    """Scan one corpus and leave its table in ``work/store/manifests``."""
    cache = work / "store" / "manifests"
    with bar(f"scan {name}") as progress:
        manifest = scan.scan(name, loader.name, path, loader.values(), cache, progress)
    write_csv(manifest, cache / f"{name}.csv")
    return manifest


def prepare(plan: Plan, store: Store, recordings: Mapping[str, Path], bar: Bar) -> list[Refusal]:
    """Build every store entry of ``plan`` that is not there; returns the utterances refused while computing."""
    refused: list[Refusal] = []
    each = {recipe.key: recipe for source in plan.sources.values() for recipe in source.entries}
    for recipe in each.values():
        kind = recipe.augmentation.name if recipe.augmentation else "clean"
        with bar(f"features {recipe.corpus} {recipe.front_end.name} {kind}") as progress:
            refused += store.build(recipe, recordings.get(kind), progress).refused
    return refused


def exported(plan: Plan, store: Store) -> Iterator[tuple[str, Iterator[Row], dict[str, str]]]:
    """For each corpus and front-end of ``plan``: a name, rows for ``write_hdf5``, and what made them.

    Front-ends that differ in settings alone are told apart by the end of their entry's key.
    """
    clean = {r.key: (source, r) for source in plan.sources.values() for r in source.recipes if r.augmentation is None}
    alike = Counter(_export_name(recipe) for _, recipe in clean.values())
    for key, (source, recipe) in clean.items():
        name = _export_name(recipe) + (f"-{key.rpartition('-')[2]}" if alike[_export_name(recipe)] > 1 else "")
        settings = {k: str(v) for k, v in recipe.front_end.values().items()}
        about = {"corpus": recipe.corpus, "front_end": recipe.front_end.name, "store_entry": key}
        yield name, _rows(source, recipe, store), about | settings


def _export_name(recipe: Recipe) -> str:
    return f"{recipe.corpus}-{recipe.front_end.name}"


def _rows(source: Source, recipe: Recipe, store: Store) -> Iterator[Row]:
    features = store.open(recipe.key)
    for u, _ in recipe.items:
        if u.uid in features:
            yield u.uid, "|".join(source.labels.get(u.uid, (u.label,))), features.frames(u.uid)


def label_statistics(study: Study, name: str, loader: str, path: Path) -> tuple[votes.Statistics, votes.Statistics]:
    """What the raters of the corpus at ``path`` say in the classes of ``study``, from its label files alone.

    Of all utterances, and of those with few enough emotions to be used.
    """
    own = next((c.loader for c in study.corpora if c.name == name), part(loader))
    module = registry.find("corpora", loader)
    settings = {**module.SETTINGS, **own.values(), "name": name}
    if hasattr(module, "counted_votes"):  # a table of votes, whose recordings need not be there
        heard = module.counted_votes(path, settings)
        sets = [votes.tied(pairs, "", study.classes, dict(study.merge)) for pairs in heard.values()]
    else:
        sets = list(votes.label_sets(module.load(path, settings).utterances, study.classes, dict(study.merge)).values())
    kept = [named for named in sets if 0 < len(named) <= votes.MOST]
    return votes.statistics(sets, study.classes), votes.statistics(kept, study.classes)


def describe(plan: Plan) -> list[str]:
    """What a reader of the tables should know of this grid's data."""
    sources: list[Any] = [p for p in plan.study.augmentation if "source" in p.values()]
    lines = [
        f"augmentation {p.name}: " + ("generated" if p["source"] == "generated" else f"recordings {p['source']}")
        for p in sources
    ]
    return [*plan.notes, *lines]
