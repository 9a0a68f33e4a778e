"""A report in few words, as a file beside it: what an index of reports lists, and a program reads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ser.report.content import Content
from ser.report.provenance import in_words
from ser.runs.progress import Best

NAME = "summary.json"


@dataclass(frozen=True)
class Summary:
    """What an index says of a report. ``folder`` is where it lies; times are ISO 8601, UTC."""

    folder: str
    study: str
    title: str
    done: int
    expected: int
    seeds: int
    demo: bool
    corpora: str
    badges: tuple[str, ...]
    best: tuple[Best, ...]
    written: str
    written_by: str

    @property
    def state(self) -> str:
        """``96 of 168 trials``."""
        return f"{self.done} of {self.expected} trials"


def summary_json(content: Content, now: datetime | None = None) -> str:
    """Returns the summary of a report as JSON, with all that its foot says."""
    values = {
        "study": content.study,
        "title": content.title,
        "done": content.done,
        "expected": content.expected,
        "seeds": content.seeds,
        "demo": content.demo,
        "corpora": content.corpora,
        "badges": list(content.badges),
        "best": [asdict(best) for best in content.best],
        "recorded": in_words(content.recorded),
        "written": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "written_by": content.written_by,
    }
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def value_text(best: Best) -> str:
    """Returns a best result with its measure.

    >>> [value_text(Best("emodb", m, 0.612, "", "", "")) for m in ("UA", "CCC arousal")]
    ['61.2 % UA', '0.612 CCC arousal']
    """
    number = f"{best.value:.3f}" if best.measure.startswith("CCC") else f"{100 * best.value:.1f} %"
    return f"{number} {best.measure}"


def summaries(reports: Path) -> list[Summary]:
    """Returns the summaries of all reports in a folder, the one written last first; others' files are passed by."""
    every = [_read(path) for path in sorted(reports.glob(f"*/{NAME}"))]
    return sorted((one for one in every if one), key=lambda one: one.written, reverse=True)


def _read(path: Path) -> Summary | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        summary = Summary(
            folder=path.parent.name,
            study=str(values["study"]),
            title=str(values["title"]),
            corpora=str(values["corpora"]),
            written=str(values["written"]),
            written_by=str(values["written_by"]),
            done=int(values["done"]),
            expected=int(values["expected"]),
            seeds=int(values["seeds"]),
            demo=values["demo"] is True,
            best=tuple(_best(one) for one in values["best"]),
            badges=tuple(str(badge) for badge in values["badges"]),
        )
        datetime.fromisoformat(summary.written)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return summary


def _best(values: Mapping[str, object]) -> Best:
    texts = {name: str(values[name]) for name in ("corpus", "measure", "title", "trial_id", "run_id")}
    return Best(value=float(str(values["value"])), **texts)
