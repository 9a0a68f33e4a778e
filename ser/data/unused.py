"""What lies in a folder and no corpus uses, with its reason: other audio, archives, downloads that were cut off."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from ser import registry
from ser.data import audio, folders
from ser.data import zips as _zips
from ser.data.manifest import Refusal

# Audio that people have, whether or not it can be read here; sound of videos is the loaders' business.
AUDIO = tuple(
    sorted({*audio.EXTENSIONS, ".aac", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".m4a", ".mp2",
            ".nist", ".oga", ".opus", ".snd", ".sph", ".w64", ".wma", ".wv"})
)  # fmt: skip
EACH = 20  # files of a folder that are named one by one; of more the first, with their number
FOLDERS = 200  # that are named at most
_PARTS = re.compile(r"\.(z\d\d|r\d\d|(zip|7z|rar|tar|tgz|tar\.\w+)\.\d{3}|part\d+\.rar)\Z")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".rar", ".7z")
_CUT_OFF = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".aria2")


def sounds(folder: Path, reason: Callable[[str], str], apart: Sequence[Path] = ()) -> list[Refusal]:
    """Audio below ``folder``, but not in the folders ``apart``, with a reason; "" as the reason is none at all."""
    return fold((path, why) for path in _below(folder, apart, AUDIO) if (why := reason(path)))


def archives(folder: Path, apart: Sequence[Path] = ()) -> list[Refusal]:
    """Archives other than zip files, and downloads that were cut off, below ``folder`` but not in ``apart``."""
    return fold((path, why) for path in _below(folder, apart) if (why := _archive(path)))


def _archive(path: str) -> str:
    name = os.path.basename(path).lower()
    if name.endswith(_CUT_OFF):
        return "a download that was cut off: fetch it again"
    if _PARTS.search(name):
        return "a part of a divided archive: join and unpack it"
    return "an archive that is not read: unpack it" if name.endswith(_ARCHIVES) else ""


def zips(folder: Path, loader: str | None, apart: Sequence[Path] = ()) -> list[Refusal]:
    """Returns what zip files below ``folder`` hold that no corpus takes from there, and those that cannot be read.

    In those that the corpus of ``loader`` uses, the audio that it does not; those of other corpora are theirs.
    """
    refused: list[Refusal] = []
    for zipped in _zips.all_below(folder):
        if any(zipped.is_relative_to(other) for other in apart):
            continue
        try:
            names = [member.filename for member in _zips.members(zipped)]
        except _zips.UnusableZip as error:
            refused.append(Refusal(str(zipped), error.value))
        else:
            refused += _in_zip(zipped, names, loader)
    return refused


def _in_zip(zipped: Path, names: Sequence[str], loader: str | None) -> list[Refusal]:
    audio_names = [name for name in names if _suffix(name) in AUDIO]
    owners = [
        m for m in _with_names() if any(_is_named(m, name) and _suffix(name) in suffixes_of(m) for name in audio_names)
    ]
    takers = [module for module in owners if hasattr(module, "ZIPPED")]
    for module in takers:
        if module.__name__.rpartition(".")[2] == loader:
            reason = reason_in(module, ())
            return fold((f"{zipped}/{name}", why) for name in sorted(audio_names) if (why := reason(name)))
    if takers:
        return []
    if owners:
        titles = ", ".join(module.TITLE for module in owners)
        return [Refusal(str(zipped), f"recordings of {titles} are not read from a zip: unpack it")]
    if audio_names:
        what = f"{len(audio_names)} audio files, such as {audio_names[0]},"
        return [Refusal(str(zipped), f"{what} are not read from a zip: unpack it")]
    inner = [name for name in names if _suffix(name) == ".zip" or _archive(name)]
    return [Refusal(str(zipped), f"{inner[0]} is an archive in a zip, which is not read: unpack it")] if inner else []


def reason_outside() -> Callable[[str], str]:
    """Returns why audio that lies in no corpus is in none."""
    modules = _with_names()

    def reason(path: str) -> str:
        if module := _owner(modules, path):
            if _suffix(path) not in suffixes_of(module):
                return f"named like a recording of {module.TITLE}, but only {_in_words(module)} are read there"
            return f"named like a recording of {module.TITLE}, of which the rest is missing: {module.FILES}"
        return "in no corpus: no table names it, and its own name says nothing"

    return reason


def reason_in(module: ModuleType, used: Collection[str]) -> Callable[[str], str]:
    """Why audio below the root of a corpus is none of its recordings; "" for ``used``, and for other corpora's."""
    modules, real = _with_names(), cache(os.path.realpath)

    @cache
    def followed() -> frozenset[str]:  # a table may name a recording by way of a link
        return frozenset(os.path.join(real(os.path.dirname(path)), os.path.basename(path)) for path in used)

    def reason(path: str) -> str:
        if path in used or os.path.join(real(os.path.dirname(path)), os.path.basename(path)) in followed():
            return ""
        if not hasattr(module, "NAME"):
            return "no line of the table names it" if hasattr(module, "find_all") else "the loader does not use it"
        if _is_named(module, path):
            is_read = _suffix(path) in suffixes_of(module)
            return "" if is_read else f"named like a recording, but only {_in_words(module)} are read"
        is_others = _owner([other for other in modules if _suffix(path) in suffixes_of(other)], path) is not None
        return "" if is_others else f"not a {module.FILES}"

    return reason


def _below(folder: Path, apart: Sequence[Path], suffixes: tuple[str, ...] = ("",)) -> Iterator[str]:
    others = tuple(os.path.join(other, "") for other in apart)
    for place, names in folders.walk(folder).ending(suffixes):
        if not os.path.join(place, "").startswith(others):
            yield from (os.path.join(place, name) for name in names)


def suffixes_of(module: ModuleType) -> tuple[str, ...]:
    """Returns how files end that a loader reads: a corpus of videos says it itself."""
    suffixes: tuple[str, ...] = getattr(module, "SUFFIXES", folders.SUFFIXES)
    return suffixes


def _in_words(module: ModuleType) -> str:
    *others, last = (suffix[1:] for suffix in suffixes_of(module))
    return f"{', '.join(others)} and {last}"


def _with_names() -> list[ModuleType]:
    """Returns the loaders that know their recordings by name."""
    modules = [registry.find("corpora", name) for name in registry.names("corpora")]
    return [module for module in modules if hasattr(module, "NAME")]


def _is_named(module: ModuleType, path: str) -> bool:
    return _owner([module], path) is not None


def _owner(modules: Sequence[ModuleType], path: str) -> ModuleType | None:
    """Returns the first of ``modules`` whose recordings are called so; there may be millions of paths."""
    key = folders.key(path)
    return next((module for module in modules if module.NAME.search(key)), None)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def fold(refusals: Iterable[tuple[str, str]]) -> list[Refusal]:
    """Returns one per file; of folders with many of one reason one for the folder, and an end to those."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path, why in refusals:
        groups.setdefault((os.path.dirname(path), why), []).append(path)
    folded: list[Refusal] = []
    for number, ((folder, why), paths) in enumerate(groups.items()):
        if number == FOLDERS:
            remaining = sum(map(len, list(groups.values())[FOLDERS:]))
            folded.append(
                Refusal(folder, f"{remaining} more files in {len(groups) - FOLDERS} folders, this one first: {why}")
            )
            break
        if len(paths) <= EACH:
            folded += [Refusal(path, why) for path in paths]
        else:
            folded.append(Refusal(folder, f"{len(paths)} files, such as {os.path.basename(paths[0])}: {why}"))
    return folded
