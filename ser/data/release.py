"""Whether a scanned corpus is the published release of it, as far as names, labels, speakers and durations tell.

A paper's printed numbers may stand beside ours only where a corpus is the one that it used. Tones under the names of a
whole release, as long as its recordings, pass for it here; ``ser demo`` marks what it makes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from ser import registry
from ser.data.manifest import Manifest
from ser.study.release import Release, text_of
from ser.study.settings import values_of

_NAMED = 3  # utterances that a reason names


def release_of(manifest: Manifest) -> Release:
    """Returns in which relation a scanned corpus stands to the release that its loader knows.

    ``whole`` is strict: a recording that was refused because this copy of it is damaged makes the corpus a part. Only
    those that are damaged in the release itself (``DAMAGED`` of the loader) may be missing.
    """
    module = registry.find("corpora", manifest.loader)
    settings, stated = module.Settings(**dict(manifest.settings)), manifest.settings
    if hasattr(module, "release_loader") and (name := module.release_loader(Path(manifest.root))):
        module = registry.find("corpora", name)  # lists of a corpus that has a loader, too, by what that knows of it
        settings = module.Settings()
        stated = tuple(values_of(settings).items())
    expected: Mapping[str, int] = module.expected(settings)
    places = getattr(module, "PLACES", ())
    facts: dict[str, Any] = {
        "settings": {name: text_of(value) for name, value in stated if name not in places},
        "utterances": len(manifest.utterances),
        "speakers": len(manifest.speakers),
        "hours": round(manifest.hours, 4),
        "labels": manifest.counts(),
        "fingerprint": manifest.fingerprint,
        "languages": dict(Counter(u.language for u in manifest.utterances).most_common()),
    }
    if not expected and getattr(module, "ABOUT", None) is not None and not manifest.demo:
        return Release("unknown", "published, but what its release holds is not known here", **facts)
    if not expected:
        labels = ", ".join(f"{label} {n}" for label, n in manifest.counts().items())
        file = PurePath(manifest.root).name
        return Release("made" if manifest.demo else "own", f"{file}: {labels}", file=file, **facts)
    if manifest.demo:
        return Release("made", "made by ser demo, not recorded", **facts)
    state, why = _compared(manifest, module, settings, expected)
    return Release(state, why, **facts)


def _compared(manifest: Manifest, module: ModuleType, settings: object, expected: Mapping[str, int]) -> tuple[str, str]:
    """Returns state and reason of recorded utterances beside what the loader expects of the release."""
    count, size = len(manifest.utterances), sum(expected.values())
    if foreign := _foreign(manifest, module, settings, expected):
        return "other", foreign
    low, high = getattr(module, "MEAN_SECONDS", (0.0, float("inf")))
    mean = 3600 * manifest.hours / count
    if count >= size / 2 and not low <= mean <= high:  # a smaller part may be of the short ones
        return "other", f"utterances last {mean:.2f} s on average, those of the release {low:g} to {high:g} s"
    names = {u.uid.partition("/")[2] for u in manifest.utterances}
    listed = _names(module, settings)
    damaged: frozenset[str] = getattr(module, "DAMAGED", frozenset())
    missing = size - count
    if missing > len(damaged) or (listed and listed - names - damaged):
        absent = sorted(listed - names)[:_NAMED] if listed else []
        more = f", without {', '.join(absent)}{' …' if missing > len(absent) else ''}" if absent else ""
        return "part", f"{count} of {size} utterances{more}"
    lost = f" but {missing} that {'is' if missing == 1 else 'are'} damaged in the release itself" if missing else ""
    return "whole", f"all {size} utterances{lost}"


def _foreign(manifest: Manifest, module: ModuleType, settings: object, expected: Mapping[str, int]) -> str:
    """Returns what is in the corpus and not in the release, "" if nothing is."""
    names = {u.uid.partition("/")[2] for u in manifest.utterances}
    listed = _names(module, settings)
    if hasattr(module, "NAME") and (odd := sorted(n for n in names if not module.NAME.search(f"/{n}"))):
        return _told(odd, "name", "as the release has none")
    if listed and (odd := sorted(names - listed)):
        return _told(odd, "utterance", "not in the release")
    speakers = Counter(u.speaker.partition("/")[2] for u in manifest.utterances)
    known = _speakers(module, settings)
    if odd := sorted(name for name in speakers if known and name not in known):
        return _told(odd, "speaker", "not in the release")
    over = [f"{n} of speaker {s}, not {known[s]}" for s, n in speakers.items() if known and 0 < known[s] < n]
    counts = manifest.counts()
    over += [f"{n} {label}, not {expected.get(label, 0)}" for label, n in counts.items() if n > expected.get(label, 0)]
    return f"more utterances than the release has: {'; '.join(over[:_NAMED])}" if over else ""


def _told(odd: Sequence[str], kind: str, what: str) -> str:
    return f"{len(odd)} {kind}{'s' * (len(odd) > 1)} {what}: {odd[0]}{' …' * (len(odd) > 1)}"


def _names(module: ModuleType, settings: object) -> frozenset[str]:
    """Returns the names that a loader lists of the release, none where it cannot."""
    return module.names(settings) if hasattr(module, "names") else frozenset()


def _speakers(module: ModuleType, settings: object) -> Mapping[str, int]:
    """Returns utterances per speaker of the release, 0 if unknown; {} where a loader does not state them."""
    return module.speakers(settings) if hasattr(module, "speakers") else {}
