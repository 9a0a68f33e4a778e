"""From a folder to a manifest: what the loader read from names and labels, joined with what the audio itself tells.

Every file is read once, in threads, as decoding and hashing let others run; a second scan reads only changed files.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ser import files, registry
from ser.data import audio, containers, same_audio, unused
from ser.data import folders as _tree
from ser.data import zips as _zips
from ser.data.manifest import Manifest, Refusal, Utterance
from ser.errors import BadInput
from ser.host import machine
from ser.study import part, settings_of
from ser.study.settings import values_of

DEMO_MARK = _tree.DEMO_MARK
Place = tuple[str, str, Path]  # a corpus as it lies there: name, loader, root
Stretch = tuple[float | None, float | None]
_FACTS = ("rate_hz", "seconds", "bytes", "sha", "sound")  # that a scan fills in
Outcome = audio.AudioFacts | str  # facts, or why there are none


def scan(
    name: str,
    loader: str,
    path: Path,
    settings: Mapping[str, Any],
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Returns the usable utterances of the corpus at or near ``path``, under the name ``name``, and everything refused.

    ``cache`` holds what was read before and unpacked zip files; ``progress`` is called with (files done, files in all).
    Raises BadInput where the folder holds no such corpus or nothing usable, and for settings that the loader lacks.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise BadInput(repr(name), "corpus name", "letters, digits, _ . -", "choose such a name")
    module = registry.find("corpora", loader)
    loader_settings = settings_of("corpora", part(loader, **settings))
    with _tree.walked_once():
        sources = _sources(module, loader, path, cache)
        listed = [module.load(root, loader_settings, name) for root in sources.roots]
        utterances = [u for listing in listed for u in listing.utterances]
        refused = [*sources.refused, *(r for listing in listed for r in listing.refused)]
        used = frozenset((*(u.path for u in utterances), *(r.what for r in refused)))
        refused += [r for r in _left_over(module, loader, sources, used) if r not in refused]
    readable, nameless = _with_names_in_utf8(utterances)
    usable, unusable, remarks = _usable(readable, cache / f"{name}-facts.json", progress, sources.unpacked)
    usable, doubled = same_audio.within(usable, sources.as_zipped)
    root = sources.place
    refused = [
        Refusal(_printable(sources.as_zipped(r.what)), _printable(sources.as_zipped(r.reason)))
        for r in (*refused, *nameless, *unusable, *doubled)
    ]
    if not usable:
        reasons = Counter(r.kind for r in refused).most_common(3)
        summary = "; ".join(f"{reason} ({count} times)" for reason, count in reasons)
        raise BadInput(
            f"nothing usable: {summary}" if summary else "empty",
            f"{name}: {_printable(str(root))}",
            module.FILES,
            "repair the corpus",
        )
    near = root if root.is_dir() else root.parent
    demo = _tree.marked(near.absolute(), DEMO_MARK) or _tree.marked(path.absolute(), DEMO_MARK)
    return Manifest(
        corpus=name,
        root=str(root),
        utterances=tuple(usable),
        refused=tuple(sorted(refused, key=astuple)),
        demo=demo,
        loader=loader,
        settings=tuple(values_of(loader_settings).items()),
        remarks=tuple(sorted(set(remarks), key=astuple)),
        scale=module.scale(loader_settings) if hasattr(module, "scale") else None,
    )


def corpora_below(folders: Sequence[Path]) -> list[Place]:
    """The corpora at or below ``folders``, by name, which two may share; one still in its zip has that as root."""
    places: set[Place] = set()
    with _tree.walked_once():
        for folder in folders:
            for loader in registry.names("corpora"):
                module = registry.find("corpora", loader)
                places |= {(name, loader, root) for name, root in _corpora_of(module, loader, folder)}
    # Of folders that lie in each other the outer one gives all that the inner one does.
    outer = [p for p in places if not any(p[:2] == q[:2] and p != q and p[2].is_relative_to(q[2]) for q in places)]
    return sorted(outer)


def survey(folders: Sequence[Path]) -> tuple[list[Place], list[Refusal]]:
    """Returns the corpora at or below ``folders``, and what lies there and is in none of them."""
    with _tree.walked_once():
        places = corpora_below(folders)
        return places, left_over(folders, places)


def left_over(folders: Sequence[Path], places: Sequence[Place]) -> list[Refusal]:
    """What lies below ``folders`` and in none of the corpora ``places``, each with the reason why it is not used."""
    refused: dict[Refusal, None] = {}
    with _tree.walked_once():
        apart = [home for _, loader, root in places if (home := _home(loader, root))]
        for folder in folders:
            if not folder.is_dir():
                continue
            walked = _tree.walk(folder)
            refused |= dict.fromkeys(walked.passed)
            refused |= dict.fromkeys(r for r in walked.refused if not any(map(Path(r.what).is_relative_to, apart)))
            refused |= dict.fromkeys(unused.zips(folder, None, apart))
            refused |= dict.fromkeys(unused.archives(folder, apart))
            refused |= dict.fromkeys(unused.sounds(folder, unused.reason_outside(), apart))
    return [Refusal(_printable(r.what), _printable(r.reason)) for r in refused]


def _home(loader: str, root: Path) -> Path | None:
    """Returns the folder of a corpus's loose recordings, without that of its zip files; None where all are in one."""
    home: Path | None = root if root.is_file() else registry.find("corpora", loader).find(root)
    if home is None or home.suffix.lower() == ".zip":
        return None
    return home if home.is_dir() else home.parent


def _corpora_of(module: ModuleType, loader: str, folder: Path) -> list[tuple[str, Path]]:
    if hasattr(module, "find_all"):  # the tables of one's own, of which there may be many
        tables: list[Path] = module.find_all(folder)
        alone = Counter(table.parent for table in tables)
        return [
            (_plain(t.name if t.is_dir() else t.parent.name if alone[t.parent] == 1 else t.stem), t) for t in tables
        ]
    loose = module.find(folder)
    zips = _zips.with_recordings(folder, module.ZIPPED) if hasattr(module, "ZIPPED") else []
    if loose is None and not zips:
        return []
    return [(loader, _holding(loose, [zipped.absolute() for zipped in zips]))]


def _holding(loose: Path | None, zips: Sequence[Path]) -> Path:
    """Returns the narrowest place that holds all: a folder, or the one zip file."""
    if loose is None and len(zips) == 1:
        return zips[0]
    return Path(os.path.commonpath([*([loose] if loose else []), *(zipped.parent for zipped in zips)]))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "_", name.lower()).strip("_.-") or "manifest"


@dataclass(frozen=True)
class _Sources:
    """Where the recordings of a corpus lie, and the zip files that are not read, or not needed."""

    place: Path  # as a person knows it
    loose: Path | None
    unpacked: Mapping[str, Path]  # folders of the cache, and which zip file is unpacked there
    roots: Sequence[Path]
    refused: Sequence[Refusal]

    def as_zipped(self, text: str) -> str:
        """``text`` with paths of the cache as those in the zip files."""
        for folder, zipped in self.unpacked.items():
            text = text.replace(folder, str(zipped))
        return text


def _sources(module: ModuleType, loader: str, path: Path, cache: Path) -> _Sources:
    """Loose recordings at or below ``path``, and those in zip files there. Raises BadInput where there are neither."""
    loose: Path | None = module.find(path)
    refused: list[Refusal] = []
    damaged: list[_zips.UnusableZip] = []
    unpacked: dict[str, Path] = {}
    roots = [loose] if loose else []
    with_audio = _zips.with_recordings(path, module.ZIPPED, refused) if hasattr(module, "ZIPPED") else []
    zips = [zipped.absolute() for zipped in with_audio]
    outside = _sizes(module, loose) if zips else {}
    for zipped in zips:
        inside = _zips.recordings(zipped, module.ZIPPED)
        if all(member.file_size in outside.get(_basename(member.filename), ()) for member in inside):
            reason = f"duplicate of the unpacked recordings below {loose}: all {len(inside)} in it are there"
            refused.append(Refusal(str(zipped), reason))
            continue
        try:
            folder = _zips.unpack([zipped], module.ZIPPED, cache)
        except _zips.UnusableZip as error:
            refused.append(Refusal(str(zipped), f"{error.value}; {error.remedy}"))
            damaged.append(error)
            continue
        unpacked[os.path.join(folder.absolute(), "0")] = zipped
        roots.append(module.find(folder))
    if not roots and damaged:
        raise damaged[0]
    if not roots:
        place = "below" if path.is_dir() else "at"
        value = f"no {module.FILES} {place} {path}" + ("" if path.exists() else ", which does not exist")
        value += "".join(f"; {r.what}: {r.reason}" for r in unused.zips(path, loader)[:3])
        raise BadInput(value, loader, f"a folder of {module.TITLE}", f"pass the folder that holds {module.FOLDER}")
    return _Sources(_holding(loose, zips), loose, unpacked, roots, refused)


def _sizes(module: ModuleType, loose: Path | None) -> dict[str, set[int]]:
    """Bytes of the loose recordings, by name: what a zip file holds beyond them has to be unpacked."""
    sizes: dict[str, set[int]] = {}
    for path, _ in _tree.recordings(loose, module.ZIPPED, module.FILES)[0] if loose else ():
        with suppress(OSError):  # whoever reads it tells
            sizes.setdefault(_basename(path.name), set()).add(path.stat().st_size)
    return sizes


def _basename(path: str) -> str:
    return path.rpartition("/")[2].casefold()


def _left_over(module: ModuleType, loader: str, sources: _Sources, used: Collection[str]) -> list[Refusal]:
    """Returns what lies below the corpus's root and is none of its recordings, other corpora in there apart."""
    refused = [*unused.zips(sources.place, loader), *_unchosen(module, sources, used)]
    if home := sources.loose:
        home = home if home.is_dir() else home.parent
        apart = _others(loader, home, sources.loose)
        refused += unused.archives(home, apart)
        refused += unused.sounds(home, unused.reason_in(module, used), apart)
    return refused


def _unchosen(module: ModuleType, sources: _Sources, used: Collection[str]) -> list[Refusal]:
    """Returns one line for the recordings that the corpus's settings leave out, where they choose some."""
    if not hasattr(module, "NAME"):
        return []
    paths = [path for root in sources.roots for path, _ in _named_recordings(module, root)]
    left_out = sum(str(path) not in used for path in paths)
    settings = ", ".join(vars(module.Settings()))
    reason = f"left out by the settings ({settings}): {left_out} recording{'s' if left_out > 1 else ''}"
    return [Refusal(str(sources.place), reason)] if left_out else []


def _named_recordings(module: ModuleType, root: Path) -> list[_tree.Recording]:
    return _tree.recordings(root, module.NAME, module.FILES, unused.suffixes_of(module))[0]


def _others(loader: str, home: Path, table: Path | None) -> list[Path]:
    """Folders of other corpora within ``home``: what they hold is theirs."""
    others: set[Path] = set()
    for other in registry.names("corpora"):
        module = registry.find("corpora", other)
        if hasattr(module, "find_all"):
            others |= {path if path.is_dir() else path.parent for path in module.find_all(home) if path != table}
        elif other != loader and (root := module.find(home)):
            others.add(root)
    return sorted(other for other in others if other != home and other.is_relative_to(home))


def _with_names_in_utf8(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Refusal]]:
    """Linux takes any bytes for a name, but tables, JSON and MLflow hold text only."""
    wrong = [u for u in utterances if _printable(u.path) != u.path]
    refused = [
        Refusal(u.path, "its name or that of a folder above it is not UTF-8, or has control codes") for u in wrong
    ]
    return [u for u in utterances if _printable(u.path) == u.path], refused


def _printable(text: str) -> str:
    """``text`` with bytes that are not UTF-8 and control codes, which could steer a terminal, as ``\\xff``."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: f"\\x{ord(match[0]) & 255:02x}", text)


def _usable(
    utterances: Sequence[Utterance],
    store: Path,
    progress: Callable[[int, int], None] | None,
    unpacked: Iterable[str] = (),
) -> tuple[list[Utterance], list[Refusal], list[Refusal]]:
    """One utterance per uid, sorted, with what its audio tells: of copies the usable one that has the shortest path.

    Those in the folders ``unpacked`` come last, in their order. Copies would leak from training into test. Also what
    was left out, and remarks on what is used.
    """
    folders = [os.path.join(folder, "") for folder in unpacked]

    def source(path: str) -> int:
        """0 for a loose file, else the number of its zip file: what that is unpacked to has a name without order."""
        return next((number for number, folder in enumerate(folders, 1) if path.startswith(folder)), 0)

    current: dict[str, Utterance] = {}
    copies: dict[str, list[Utterance]] = {}  # the others, of which there are few
    for u in sorted(utterances, key=lambda u: (u.uid, source(u.path), len(u.path), u.path)):
        if current.setdefault(u.uid, u) is not u:
            copies.setdefault(u.uid, []).append(u)
    usable: list[Utterance] = []
    refused, remarks = [], []
    while current:
        outcomes = _outcomes(current.values(), store, progress)
        others_left: dict[str, Utterance] = {}
        for uid, u in current.items():
            outcome = outcomes[u.path][u.start_s, u.end_s]
            if isinstance(outcome, str):
                refused.append(Refusal(u.path, outcome))
                if others := copies.get(uid):
                    others_left[uid] = others.pop(0)
            else:
                usable.append(replace(u, **{name: getattr(outcome, name) for name in _FACTS}))
                if outcome.remark:
                    remarks.append(Refusal(u.path, outcome.remark))
                refused += [Refusal(other.path, f"duplicate of {u.path}") for other in copies.get(uid, ())]
        current = others_left
    return sorted(usable, key=lambda u: u.uid), refused, remarks


def _outcomes(
    utterances: Iterable[Utterance], store: Path, progress: Callable[[int, int], None] | None
) -> dict[str, dict[Stretch, Outcome]]:
    """Per file and stretch what its audio tells; from ``store`` where the file is as it was then."""
    stretches_of: dict[str, list[Stretch]] = {}
    for u in utterances:
        stretches_of.setdefault(u.path, []).append((u.start_s, u.end_s))
    facts = _FactsFile(store)
    outcomes: dict[str, dict[Stretch, Outcome]] = {}
    todo: dict[str, str] = {}  # path -> its stamp, taken before reading: a file that changes meanwhile is read again
    for path, stretches in stretches_of.items():
        try:
            stamp = facts.stamp(path)
        except OSError as error:
            outcomes[path] = dict.fromkeys(stretches, _reason(error))
            continue
        stored = facts.outcomes(path, stamp)
        if stored.keys() >= set(stretches):
            outcomes[path] = stored
        else:
            todo[path] = stamp
    if progress:
        progress(len(outcomes), len(stretches_of))
    if not todo:
        return outcomes
    pool = ThreadPoolExecutor(max_workers=machine.cores() + 2)
    try:
        jobs = {pool.submit(_inspect, path, stretches_of[path]): path for path in todo}
        for job in as_completed(jobs):
            path = jobs[job]
            outcomes[path], settled = job.result()
            if settled:
                facts.learn(path, todo[path], outcomes[path])
            if progress:
                progress(len(outcomes), len(stretches_of))
    finally:  # an interrupt ends the scan now, not when all files have had their turn, and keeps what it learnt
        pool.shutdown(cancel_futures=True)
        facts.write()
    return outcomes


def _inspect(path: str, stretches: Sequence[Stretch]) -> tuple[dict[Stretch, Outcome], bool]:
    """Returns what the audio tells, and whether that will stay so while the file stays as it is."""
    try:
        results = audio.inspect_stretches(Path(path), stretches)
    except audio.UnusableAudio as error:
        return dict.fromkeys(stretches, str(error)), True
    except OSError as error:
        return dict.fromkeys(stretches, _reason(error)), False
    return {
        s: str(o) if isinstance(o, audio.UnusableAudio) else o for s, o in zip(stretches, results, strict=True)
    }, True


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


class _FactsFile:
    """Audio facts of earlier scans in one JSON file; one of other rules or libraries, or damaged, is void.

    Per file its stamp, what all its stretches have in common (hash, bytes, rate, remark), and for each stretch its
    seconds and sound, or why it cannot be used: a call may have thousands.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.rules = f"{audio.library_versions()}, reading {audio.VERSION}"
        try:
            content = json.loads(store.read_text(encoding="utf-8"))
            self.files: dict[str, Any] = content["files"] if content["rules"] == self.rules else {}
        except (OSError, ValueError, KeyError, TypeError):
            self.files = {}

    @staticmethod
    def stamp(path: str) -> str:
        s = os.stat(containers.file_of(path))
        return f"{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}"

    def outcomes(self, path: str, stamp: str) -> dict[Stretch, Outcome]:
        try:
            then, common, rows = self.files[path]
            if then != stamp:
                return {}
            sha, size, rate_hz, remark = common
            return {
                (a, b): o if isinstance(o, str) else audio.AudioFacts(sha, size, rate_hz, o[0], o[1], remark)
                for a, b, o in rows
            }
        except (KeyError, ValueError, TypeError, IndexError):
            return {}

    def learn(self, path: str, stamp: str, outcomes: Mapping[Stretch, Outcome]) -> None:
        merged = {**self.outcomes(path, stamp), **outcomes}
        facts = next((o for o in merged.values() if not isinstance(o, str)), audio.AudioFacts("", 0, 0, 0.0))
        rows = [(*s, o if isinstance(o, str) else (o.seconds, o.sound)) for s, o in merged.items()]
        self.files[path] = (stamp, (facts.sha, facts.bytes, facts.rate_hz, facts.remark), rows)

    def write(self) -> None:
        self.store.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(self.store, durable=False) as file:  # what a power cut takes is read again
            file.write(json.dumps({"rules": self.rules, "files": self.files}).encode())
