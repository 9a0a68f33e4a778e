"""Which corpus helps a stranger: Table 5 of da Silva et al. for corpora that were not trained on.

A case is a pair of trials that are equal but for one corpus that the second learned from as well; neither learned from
the corpus that is tested. In how many cases the second is better stands beside the share to be expected if adding a
corpus changed nothing, as ``ser.report.expected_shares`` counts it. As in the paper's own table, the share of settings
is counted, too, whose best training set holds the corpus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.content import Cell, Row, Table
from ser.report.crossing.arranged import Arrangement, Key, Training
from ser.report.crossing.cells import Pair, by_pair, difference
from ser.report.expected_shares import expected_shares
from ser.report.statistics import AS_EQUAL, METRICS, Floats, check_ties, complete_cases, credit, interval_of_wins

ALL = "All"


@dataclass(frozen=True, eq=False)
class Share:
    """A share of cases, and what is expected of it if nothing differed."""

    cell: Cell
    chance: Cell
    n: int
    of: int

    @property
    def beyond(self) -> str:
        """Whether it is ``above`` or ``below`` the range of chance; "" within it, or without one."""
        value = self.cell.value
        return "above" if value > self.chance.high + AS_EQUAL else "below" if value < self.chance.low - AS_EQUAL else ""


def pairs_of(across: Arrangement, stranger: str, corpus: str) -> list[Pair]:
    """Returns the results on a stranger without and with a corpus, all else equal."""
    pairs = []
    planned = {(frozenset(learned), values): (learned, values) for learned, values in across.planned}
    for learned, values in across.planned:
        more = planned.get((frozenset((*learned, corpus)), values))
        if corpus in learned or stranger in (*learned, corpus) or more is None:
            continue
        pairs.append((across.results.get((stranger, (learned, values))), across.results.get((stranger, more))))
    return pairs


def share_of(pairs: Sequence[Pair], metric: str, ties: str) -> Share | None:
    """Returns the share of pairs in which the second is better, ties by half or none; None without a pair."""
    if not pairs:
        return None
    point, draws, clusters = by_pair(pairs, metric)
    complete, of = complete_cases(point)
    if not complete.any():
        return Share(Cell(float("nan")), Cell(float("nan")), 0, of)
    value = credit(point[complete], ties)[:, 1].mean()
    replicates = credit(draws[:, complete], ties)[:, :, 1].mean(axis=1)
    chance = expected_shares(point, draws, ties, clusters=clusters)[1]
    return Share(interval_of_wins(value, replicates, clusters), chance, int(complete.sum()), of)


def helps(across: Arrangement, ties: str = "fractional") -> Table | None:
    """Returns in which share of pairs adding a corpus raised the result on a stranger; None where there are no pairs.

    Raises BadInput for an unknown rule of ties.
    """
    check_ties(ties)
    rows: list[Row] = []
    for metric in METRICS:
        for name, strangers in _lines(across):
            pairs = [[p for s in strangers if s != c for p in pairs_of(across, s, c)] for c in across.learned]
            shares = [share_of(each, metric, ties) for each in pairs]
            counted = [share for share in shares if share]
            rows += _rows(metric, name, shares, sum(share.n for share in counted), sum(share.of for share in counted))
    if not rows:
        return None
    rule = "a tie counts for neither" if ties == "first" else "a tie counts half"
    return Table(
        "added",
        "Which corpus helps a stranger: share of pairs that it raised",
        "Row: the stranger that is tested; column: the corpus that was trained on as well. A case is a pair of trials "
        f"that differ by this corpus alone, neither having learned from the stranger; {rule}. All: over the pairs of "
        "all strangers. " + _CHANCE,
        across.learned,
        tuple(rows),
        "pairs",
        brief=True,
        bars=True,
        typeset=len(rows) <= 40,
        named="Stranger",
    )


_CHANCE = (
    "If equal: the share to be expected if nothing differed, and where 95 % of the replicates lie then; a line marks "
    "shares above or below that range, each for itself: of twenty shares one lies outside by chance. Replicates add "
    "noise and pull shares towards equal ones, so that an interval need not lie around its share."
)


def changes(across: Arrangement) -> Table | None:
    """Returns by how much adding a corpus changed the result on a stranger; None where there are no pairs."""
    rows = []
    for metric in METRICS:
        for name, strangers in _lines(across):
            pairs = [[p for s in strangers if s != c for p in pairs_of(across, s, c)] for c in across.learned]
            if any(pairs):
                cells = tuple(difference(each, metric) if each else None for each in pairs)
                complete = sum(all(pair) for each in pairs for pair in each)
                rows.append(Row(metric, name, cells, complete, sum(map(len, pairs))))
    if not rows:
        return None
    return Table(
        "added_points",
        "Which corpus helps a stranger: by how much",
        "The mean difference that training on the corpus of the column as well made to the result on the stranger of "
        "the row, in points, over the same pairs, with a paired interval: where that holds 0, speakers of the stranger "
        "do not show a change.",
        across.learned,
        tuple(rows),
        "pairs",
        brief=True,
        named="Stranger",
    )


def holds(across: Arrangement, ties: str = "fractional") -> Table | None:
    """Returns the share of settings whose best training set for a stranger holds each corpus, as in the paper's table.

    None where there is only one training set. Raises BadInput for an unknown rule of ties.
    """
    rows: list[Row] = []
    for metric in METRICS:
        for stranger in across.strangers:
            sets = [learned for learned in across.trainings if stranger not in learned]
            if len(sets) > 1:
                shares = _presence(across, stranger, sets, metric, ties)
                first = next((share for share in shares if share), None)
                rows += _rows(metric, stranger, shares, first.n if first else 0, first.of if first else 0)
    if not rows:
        return None
    return Table(
        "holds",
        "Share of settings whose best training set for a stranger holds each corpus",
        "As Table 5 of da Silva et al. counts, with a stranger in the place of the target. A case is one of the other "
        "settings; it counts once all its training sets are there. A corpus that is in more training sets is in the "
        "best one more often, whatever it does: compare with the share if equal. " + _CHANCE,
        across.learned,
        tuple(rows),
        "settings",
        brief=True,
        bars=True,
        typeset=len(rows) <= 40,
        named="Stranger",
    )


def _presence(
    across: Arrangement, stranger: str, sets: Sequence[Training], metric: str, ties: str
) -> list[Share | None]:
    keys: list[list[Key]] = [[(learned, values) for learned in sets] for values in across.values]
    planned = set(across.planned)
    replicates = min((len(r.draws[metric]) for (c, _), r in across.results.items() if c == stranger), default=0)
    point = np.full((len(keys), len(sets)), -np.inf)
    draws = np.full((replicates, *point.shape), -np.inf)
    for row, line in enumerate(keys):
        for column, key in enumerate(line):
            if key in planned:
                result = across.results.get((stranger, key))
                point[row, column] = result.point[metric] if result else np.nan
                draws[:, row, column] = result.draws[metric][:replicates] if result else np.nan
    members = np.array([[name in learned for name in across.learned] for learned in sets], np.float64)
    return _grouped(point, draws, members, ties, across.clusters([stranger]), across.learned.index(stranger)
                    if stranger in across.learned else -1)  # fmt: skip


def _grouped(point: Floats, draws: Floats, members: Floats, ties: str, clusters: int, own: int) -> list[Share | None]:
    """The shares of the corpora of [sets, corpora]; None of the stranger itself."""
    complete, of = complete_cases(point)
    n = int(complete.sum())
    if not n:
        hole = Share(Cell(float("nan")), Cell(float("nan")), 0, of)
        return [None if place == own else hole for place in range(members.shape[1])]
    share = credit(point[complete], ties).mean(axis=0) @ members
    replicates = credit(draws[:, complete], ties).mean(axis=1) @ members
    chances = expected_shares(point, draws, ties, members, clusters)
    return [
        None
        if place == own
        else Share(interval_of_wins(share[place], replicates[:, place], clusters), chances[place], n, of)
        for place in range(members.shape[1])
    ]


def _lines(across: Arrangement) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The strangers one by one, and all of them, where there are several."""
    yield from ((name, (name,)) for name in across.strangers)
    if len(across.strangers) > 1:
        yield ALL, across.strangers


def _rows(metric: str, name: str, shares: Sequence[Share | None], n: int, of: int) -> list[Row]:
    """The line of some shares, below it what is expected if nothing differed, and which are beyond that."""
    if not any(shares):
        return []
    rows = [Row(metric, name, tuple(share.cell if share else None for share in shares), n, of)]
    if any(share and not np.isnan(share.chance.value) for share in shares):
        rows.append(Row(metric, f"{name} if equal", tuple(s.chance if s else None for s in shares), n, of))
        beyond = tuple(share.beyond if share else None for share in shares)
        rows += [Row(metric, f"{name} beyond that", beyond, n, of)] * any(beyond)
    return rows
