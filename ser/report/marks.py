"""What dots, lines and bars of a figure say when they are pointed at, and which series they are of, inside its SVG.

A mark's words travel as the id that matplotlib writes around it, and become a title, which every browser shows, and
data for the page's script. In a PNG they change nothing.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

_PREFIX = "ser:"
_OPENING = re.compile(r'<g id="ser:([\w=-]*)">')
_TAG = re.compile(r"<(/?)g\b[^>]*?(/?)>")


@dataclass(frozen=True)
class Mark:
    """What one dot or bar is of."""

    words: str  # setting, value, n; lines are kept
    runs: tuple[str, ...] = ()  # ids of the tracked runs


class _RecordedMark(TypedDict):
    words: str
    runs: list[str]


class _Record(TypedDict):
    marks: list[_RecordedMark]
    series: list[str]
    legend: bool  # an entry of a legend, which is of the series


def put(artist: "Artist", marks: Sequence[Mark] = (), series: Sequence[str] = ()) -> None:
    """Says what the dots of a line are, those that are not nan in their order (or what a bar is), and of which series.

    A series is what a legend's entry stands for; the page can hide it.
    """
    listed: list[_RecordedMark] = [{"words": mark.words, "runs": list(mark.runs)} for mark in marks]
    _set(artist, {"marks": listed, "series": list(series), "legend": False})


def _set(artist: "Artist", record: _Record) -> None:
    """As an id whose letters no writer of SVG changes."""
    artist.set_gid(_PREFIX + urlsafe_b64encode(json.dumps(record).encode()).decode())


def _read(gid: str) -> _Record:
    record: _Record = json.loads(urlsafe_b64decode(gid.removeprefix(_PREFIX)))
    return record


def name_legends(figure: "Figure") -> None:
    """Says of every legend's entry which series it stands for: that which it names, alone or before a bracket."""
    from matplotlib.legend import Legend

    names = {
        series
        for artist in figure.findobj(lambda each: str(each.get_gid() or "").startswith(_PREFIX))
        for series in _read(str(artist.get_gid()))["series"]
    }
    for legend in figure.findobj(Legend):
        assert isinstance(legend, Legend)
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            label = text.get_text().partition(" (")[0]
            if label in names:
                for each in (handle, text):
                    if each is not None:
                        _set(each, {"marks": [], "series": [label], "legend": True})


def titled(svg: str) -> str:
    """Returns an SVG whose marks have titles and data, and only those ids that something in it refers to."""
    parts, place = [], 0
    for opening in _OPENING.finditer(svg):
        if opening.start() < place:
            continue
        parts.append(svg[place : opening.start()])
        end = _end(svg, opening.end())
        parts.append(_group(opening[1], svg[opening.end() : end]))
        place = end
    whole = "".join([*parts, svg[place:]])
    used = set(re.findall(r"#([\w-]+)", whole))
    return re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", whole)


def _end(svg: str, start: int) -> int:
    """Where the group ends whose content begins at ``start``: before its closing tag."""
    depth = 1
    for tag in _TAG.finditer(svg, start):
        depth += -1 if tag[1] else 0 if tag[2] else 1
        if depth == 0:
            return tag.start()
    raise ValueError("a group of the SVG does not end")


def _group(text: str, content: str) -> str:
    """The opening tag of a group, and its content with a title for every mark."""
    record = _read(text)
    series = f' data-series="{escape("|".join(record["series"]))}"' if record["series"] else ""
    kind = "legend-entry" if record["legend"] else "marks"
    marks = [(mark["words"], " ".join(mark["runs"])) for mark in record["marks"]]
    if not marks:
        return f'<g class="{kind}"{series}>{content}'
    if len(marks) == 1 and "<use" not in content:
        return f'<g class="{kind} mark"{series}{_runs(marks[0][1])}><title>{escape(marks[0][0])}</title>{content}'
    remaining = iter(marks)

    def wrapped(match: re.Match[str]) -> str:
        words, runs = next(remaining, ("", ""))
        return f'<g class="mark"{_runs(runs)}><title>{escape(words)}</title>{match[0]}</g>' if words else match[0]

    return f'<g class="{kind}"{series}>{re.sub(r"<use [^>]*/>", wrapped, content)}'


def _runs(runs: str) -> str:
    return f' data-runs="{escape(runs)}"' if runs else ""
