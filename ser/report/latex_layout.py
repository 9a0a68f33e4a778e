"""What fits on paper: widths of a table's columns in points, and whether it goes into a column of a paper or across."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

COLUMN_PT = 225.0  # of a paper with two columns: 219 (ACL) to 252 (IEEE)
PAGE_PT = 340.0  # across: 345 (article in one column) to 516 (IEEE)
_SMALL_PT, _TINY_PT = 7.0 * 1.14, 5.0 * 1.36  # \scriptsize and \tiny: Computer Modern is wider where it is small
_GAP_PT, _THIN_PT = 6.0, 2.0  # between columns, and between a number and its interval
_WRAPPED_PT = 84.0  # of columns of longer texts, where a table is too wide
_MARGIN = 1.04  # bold is wider
# Widths of Computer Modern in hundredths of its size; fonts of publishers are narrower.
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|[]!", 28),
    **dict.fromkeys("frst()-/ ", 39),
    **dict.fromkeys("mw%", 80),
    **dict.fromkeys("MWQO", 95),
    **dict.fromkeys("−·×±≤≥≈→•", 78),
    **dict.fromkeys("ABCDEFGHIJKLNPRSTUVXYZ&", 73),
}
_NUMBER = re.compile(r"[−-]?[\d.,]+( ?%)?( \(\d+\))?( of \d+)?|[–-]?")


def width_pt(text: str, size_pt: float) -> float:
    """Returns about how wide a text is, rather too wide than too narrow.

    >>> 18 < width_pt("58.8", 7.98) < 20
    True
    """
    return sum(_WIDTHS.get(letter, 55) for letter in text) * size_pt * _MARGIN / 100


@dataclass(frozen=True)
class Layout:
    """How a table is set."""

    beside: bool  # intervals beside their numbers; else below
    is_wide: bool  # across all columns of the paper
    wraps: bool = False  # long texts in several lines


@dataclass(eq=False)
class Column:
    """A column before it is set."""

    head: str
    texts: list[str]
    spans: list[str] = field(default_factory=list)  # intervals
    is_key: bool = False  # it names rows, and stands in every panel

    @property
    def side(self) -> str:
        """``r`` for numbers, whose points stand below each other as all have as many digits; ``l`` for texts."""
        return "r" if not self.is_key and all(map(_NUMBER.fullmatch, self.texts)) else "l"

    def takes_two(self, layout: Layout) -> bool:
        """Whether it is two columns: numbers and intervals."""
        return layout.beside and any(self.spans)

    def width(self, layout: Layout) -> float | None:
        """Returns the width in points to which texts are broken; None where they are not."""
        return _WRAPPED_PT if layout.wraps and self.side == "l" and self._body_pt() > _WRAPPED_PT else None

    def kind(self, layout: Layout) -> str:
        """Returns the column as ``tabular`` states it."""
        if self.takes_two(layout):
            return rf"r@{{\hspace{{{_THIN_PT:g}pt}}}}l"
        width = self.width(layout)
        return self.side if width is None else f"p{{{width:g}pt}}"

    def _body_pt(self) -> float:
        return max((width_pt(text, _SMALL_PT) for text in self.texts), default=0.0)

    def _span_pt(self) -> float:
        return max((width_pt(text, _TINY_PT) for text in self.spans), default=0.0)

    def head_lines(self, layout: Layout) -> list[str]:
        """Returns the head, in two lines where it is wider than what is below it."""
        words = self.head.split()
        if len(words) < 2 or width_pt(self.head, _SMALL_PT) <= self._inside_pt(layout):
            return [self.head]
        cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
        return list(min(cuts, key=lambda cut: max(width_pt(line, _SMALL_PT) for line in cut)))

    def _inside_pt(self, layout: Layout) -> float:
        if self.takes_two(layout):
            return self._body_pt() + _THIN_PT + self._span_pt()
        return self.width(layout) or max(self._body_pt(), self._span_pt())

    def total_pt(self, layout: Layout) -> float:
        """Returns the width with head and gap."""
        head = max(width_pt(line, _SMALL_PT) for line in self.head_lines(layout))
        return max(self._inside_pt(layout), head) + _GAP_PT


def layout_of(columns: Sequence[Column]) -> Layout:
    """Returns the first layout that fits: in a column of the paper, across, with long texts broken.

    If none does, it is the one with the fewest panels.
    """
    tried = [(beside, wide, wraps) for wraps in (False, True) for wide in (False, True) for beside in (True, False)]
    layouts = [Layout(*each) for each in tried]
    fitting = (each for each in layouts if _total_pt(columns, each) <= (PAGE_PT if each.is_wide else COLUMN_PT))
    return next(fitting, min(layouts[-2:], key=lambda each: len(panels_of(columns, each))))


def _total_pt(columns: Sequence[Column], layout: Layout) -> float:
    return sum(column.total_pt(layout) for column in columns) - _GAP_PT


def panels_of(columns: Sequence[Column], layout: Layout) -> list[list[int]]:
    """Returns the numbers of the columns of each tabular: one, or several below each other, each with the row names."""
    keys = [place for place, column in enumerate(columns) if column.is_key]
    used = sum(columns[place].total_pt(layout) for place in keys) - _GAP_PT
    panels, room = [list(keys)], PAGE_PT - used
    for place, column in enumerate(columns):
        if column.is_key:
            continue
        if column.total_pt(layout) > room and len(panels[-1]) > len(keys):
            panels.append(list(keys))
            room = PAGE_PT - used
        panels[-1].append(place)
        room -= column.total_pt(layout)
    return panels
