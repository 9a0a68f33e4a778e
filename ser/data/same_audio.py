"""The same audio under several names: used once where all say the same of it, else left out, for nobody knows who errs.

Copies would leak from training into test, or teach a network two answers to one question. Found are equal samples, in
whatever lossless file they lie; a copy that was coded anew with losses is another recording.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ser.data.manifest import Manifest, Refusal, Utterance
from ser.errors import BadInput

_LISTED = 3  # pairs of corpora's recordings that a note names


def within(
    utterances: Sequence[Utterance], display: Callable[[str], str] = str
) -> tuple[list[Utterance], list[Refusal]]:
    """Returns one utterance per recording of a corpus, in the order given, and every other with the reason.

    Of copies by one speaker with one label that with the shortest path, as ``display`` writes it, stays. Where
    speakers or labels differ all copies are left out.
    """
    groups: dict[object, list[Utterance]] = defaultdict(list)
    for u in utterances:
        groups[u.recording].append(u)
    refused: list[Refusal] = []
    for group in (g for g in groups.values() if len(g) > 1):
        first, *others = sorted(group, key=lambda u: (len(display(u.path)), display(u.path), u.uid))
        if len({(u.speaker, u.label, u.votes, u.channel) for u in group}) == 1:
            reason = f"duplicate of {_place(first)}: the same audio, speaker and label"
            refused += [Refusal(_place(u), reason) for u in others]
            group[:] = [first]
        else:
            refused += [Refusal(_place(u), _contradiction(u, group)) for u in group]
            group.clear()
    uids = {u.uid for group in groups.values() for u in group}
    return [u for u in utterances if u.uid in uids], refused


def _place(u: Utterance) -> str:
    stretch = "" if u.start_s is None and u.end_s is None else f" ({u.start_s or 0.0}-{u.end_s or ''} s)"
    return u.path + stretch


def _contradiction(u: Utterance, group: Sequence[Utterance]) -> str:
    """Returns how the first of the others that differs says something else of the same audio."""
    other = next(
        o for o in group if (o.speaker, o.label, o.votes, o.channel) != (u.speaker, u.label, u.votes, u.channel)
    )
    pairs = [(f"speaker {o.speaker.partition('/')[2]}", o.label, str(o.votes), o.channel) for o in (u, other)]
    mine, theirs = next((a, b) for a, b in zip(*pairs, strict=True) if a != b)
    more = f", with {len(group) - 2} more" if len(group) > 2 else ""
    return (
        f"the same audio with two speakers or labels, all left out: {_place(other)} has {theirs}, this one {mine}{more}"
    )


def across(manifests: Mapping[str, Manifest]) -> tuple[dict[str, Manifest], list[str]]:
    """Returns the corpora of one run with each recording in one of them only, and notes on what was left out.

    A recording with the same label stays in the first corpus that has it; with different labels it is left out of all.
    A corpus of which nothing stays is left out whole. Raises BadInput where that becomes of all.
    """
    owners: dict[object, list[tuple[str, Utterance]]] = defaultdict(list)
    for name, manifest in manifests.items():
        for u in manifest.utterances:
            owners[u.recording].append((name, u))
    gone: dict[str, set[str]] = defaultdict(set)
    pairs: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for group in (g for g in owners.values() if len(g) > 1):
        (first, original), same_label = group[0], len({u.label for _, u in group}) == 1
        for name, u in group[1:] if same_label else group:
            gone[name].add(u.uid)
        for name, u in group[1:]:
            pairs[first, name, same_label].append(f"{original.uid} ({original.label}) = {u.uid} ({u.label})")
    remaining = {name: _without(manifest, gone[name]) for name, manifest in manifests.items()}
    empty = [name for name in remaining if not remaining[name].utterances and manifests[name].utterances]
    notes = [_note(*key, uids_of_pair) for key, uids_of_pair in pairs.items()]
    notes += [
        f"{name} is left out: all its {len(manifests[name].utterances)} recordings are in others" for name in empty
    ]
    if len(empty) == len(remaining):
        raise BadInput("; ".join(notes), "--corpora", "corpora of different recordings", "leave all but one out")
    return {name: manifest for name, manifest in remaining.items() if name not in empty}, notes


def _without(manifest: Manifest, uids: Iterable[str]) -> Manifest:
    lost = set(uids)
    if not lost:
        return manifest
    return replace(manifest, utterances=tuple(u for u in manifest.utterances if u.uid not in lost))


def _note(first: str, name: str, same_label: bool, pairs: Sequence[str]) -> str:
    fate = f"used in {first} alone" if same_label else "left out of both, as their labels differ"
    more = f" and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else ""
    return f"the same audio in {first} and {name} ({len(pairs)}), {fate}: {', '.join(pairs[:_LISTED])}{more}"
