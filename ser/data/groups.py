"""Groups of utterances that stay together, and random draws of them: so many to each part, alike in sex, near in size.

A group is a speaker, with all who have a dialogue with that speaker, or a session. As many groups go to each part as
its share says, by chance within each sex, so that no group is preferred for its size. Of a few such draws the one
counts whose parts are nearest in utterances to what their numbers of groups promise.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ser.data.manifest import Utterance

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """All groups of a corpus, sorted by name."""

    names: tuple[str, ...]
    sizes: Integers  # utterances of each [groups]
    sexes: tuple[str, ...]  # of the speakers of each: "F", "M", "FM", "" where it is unknown
    of_uid: Mapping[str, str]  # uid -> name of its group


def groups_of(utterances: Sequence[Utterance], by: str) -> Groups:
    """Returns the groups by "session" or by "speaker": speakers who have a dialogue with each other are one group."""
    first = _partners(utterances) if by == "speaker" else {}
    of_uid = {u.uid: first[u.speaker] if by == "speaker" else u.session for u in utterances}
    size, sexes = Counter(of_uid.values()), defaultdict(set)
    for u in utterances:
        sexes[of_uid[u.uid]].add(u.sex)
    names = sorted(size)
    return Groups(
        tuple(names), np.array([size[n] for n in names]), tuple("".join(sorted(sexes[n])) for n in names), of_uid
    )


def dialogue_of(u: Utterance) -> str:
    """Returns the session in which speakers talk with each other, "" where an utterance belongs to no dialogue."""
    return u.session if u.channel == "dialog" else ""


def _partners(utterances: Sequence[Utterance]) -> dict[str, str]:
    """For each speaker the first of all those who are joined by dialogues, of two speakers or of chains of them."""
    first = {u.speaker: u.speaker for u in utterances}
    members: dict[str, set[str]] = defaultdict(set)
    for u in utterances:
        if dialogue := dialogue_of(u):
            members[dialogue].add(u.speaker)
    for speakers in members.values():
        joined = {first[speaker] for speaker in speakers}
        least = min(joined)
        first = {speaker: least if name in joined else name for speaker, name in first.items()}
    return first


def drawn(groups: Groups, shares: Sequence[float], fixed: Mapping[str, int], seed: int, draws: int) -> dict[str, int]:
    """Returns the part of each group: ``fixed`` ones stay, the others make the parts as large as ``shares`` say.

    Every part that has a share gets a group, if there are enough. Of ``draws`` draws the best is taken.
    """
    rng = np.random.default_rng(seed)
    place = np.array([fixed.get(name, -1) for name in groups.names])
    free = np.flatnonzero(place < 0)
    held = np.bincount(place[place >= 0], groups.sizes[place >= 0], len(shares))
    lacking = np.maximum(np.array(shares) / sum(shares) * groups.sizes.sum() - held, 0)
    if not len(free):
        return dict(fixed)
    counts = _numbers(len(free), lacking, rng)
    _fill_empty(counts, np.array(shares), np.bincount(place[place >= 0], minlength=len(shares)))
    wanted = counts / len(free) * groups.sizes[free].sum()
    sexes = np.unique([groups.sexes[i] for i in free], return_inverse=True)[1]
    best, least = place, np.inf
    for _ in range(draws):
        one = place.copy()
        one[free] = _shuffled(sexes, counts, rng)
        found = np.bincount(one[free], groups.sizes[free], len(shares))
        distance = float(((found - wanted) ** 2 / np.maximum(wanted, 1)).sum())
        if distance < least:
            best, least = one, distance
    return {name: int(part) for name, part in zip(groups.names, best, strict=True)}


def dealt(groups: Groups, folds: int, seed: int) -> dict[str, int]:
    """Returns the fold of each group, 1 … ``folds``: folds have as many groups of each sex, to one, and near sizes."""
    parts = drawn(groups, [1 / folds] * folds, {}, seed, draws=64)  # no draw prefers anybody: all are tested once
    return {name: part + 1 for name, part in parts.items()}


def _numbers(count: int, weights: npt.NDArray[np.float64], rng: np.random.Generator) -> Integers:
    """``count`` in whole parts by ``weights``, by largest remainder; equal remainders by chance."""
    exact = count * weights / weights.sum() if weights.sum() else np.full(len(weights), count / len(weights))
    numbers = np.floor(exact + 1e-9).astype(np.int64)
    chance = rng.permutation(len(weights))
    remainders = np.round(exact - numbers, 9)[chance]
    numbers[chance[np.argsort(-remainders, kind="stable")[: count - numbers.sum()]]] += 1
    return numbers


def _fill_empty(counts: Integers, shares: npt.NDArray[np.float64], fixed: Integers) -> None:
    """Gives each part with a share one group at least, of the part with most."""
    for part in np.flatnonzero((shares > 0) & (counts + fixed == 0)):
        most = int(np.argmax(counts))
        if counts[most] > 1:
            counts[most] -= 1
            counts[part] += 1


def _shuffled(sexes: Integers, counts: Integers, rng: np.random.Generator) -> Integers:
    """The part of each of the groups: ``counts`` in all, and of every sex as many as its share of them says, to one."""
    parts = np.empty(len(sexes), np.int64)
    left = counts.copy()
    for sex in rng.permutation(sexes.max() + 1):
        of_sex = np.flatnonzero(sexes == sex)
        numbers = _numbers(len(of_sex), left.astype(np.float64), rng)
        parts[of_sex] = rng.permutation(np.repeat(np.arange(len(counts)), numbers))
        left -= numbers
    return parts
