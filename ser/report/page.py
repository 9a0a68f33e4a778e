"""A report's content as one self-contained HTML page; its template, styles and script lie in ``ser/report/html``.

The page reads whole without its script, which only adds to what is there: sorting, filters, hover, downloads.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ser.report import page_table
from ser.report.content import Content, Matrix, RunCurves
from ser.report.page_anchors import Anchors

FOLDER = Path(__file__).parent / "html"


def page(content: Content) -> str:
    """Returns the report as one page that fetches nothing: styles, script, figures and tables are all inside."""
    anchors = Anchors()
    view = page_table.viewer(content.runs_address, anchors)
    return environment().get_template("report.html.j2").render(
        content=content,
        anchor=anchors.name,
        style=style_sheet(),
        script=Markup(script()),
        strays={t: error for t, error in content.failures.items() if t not in {h.title for h in content.holes}},
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        brief=[view(table) for table in content.tables if table.brief],
        sheets=[view(table) for table in content.sheets],
        rest=[view(table) for table in content.tables if not table.brief],
        run_links=lambda runs: page_table.run_links(runs, content.runs_address),
        data=_data(content),
    )  # fmt: skip


def environment() -> Environment:
    """Returns what renders the templates of this package, every value escaped."""
    return Environment(
        loader=FileSystemLoader([FOLDER, FOLDER.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_sheet() -> Markup:
    """Returns the styles of every page of this package, for screens light and dark, phones and paper."""
    sheets = [(FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "print.css")]
    return Markup("\n".join(sheets))


def script() -> str:
    """Returns the script of the page: its parts in the order of their names, in a scope of their own."""
    parts = [path.read_text(encoding="utf-8") for path in sorted((FOLDER / "script").glob("*.js"))]
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "})();"


def _data(content: Content) -> Markup:
    """What the script draws on demand, as JSON that cannot end its element."""
    data: dict[str, object] = {"study": content.study, "address": content.runs_address}
    if content.confusions:
        data["confusions"] = [_matrix(matrix) for matrix in content.confusions]
    if content.curves:
        data["curves"] = [_curves(run) for run in content.curves]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


def _matrix(matrix: Matrix) -> dict[str, object]:
    return {
        "heading": matrix.heading,
        "title": matrix.title,
        "classes": matrix.classes,
        "counts": matrix.counts.tolist(),
        "runs": matrix.runs,
    }


def _curves(run: RunCurves) -> dict[str, object]:
    values = {name: _rounded(numbers) for name, numbers in run.values.items()}
    return {"run": run.run_id, "title": run.title, "values": values}


def _rounded(values: Sequence[float]) -> list[float | None]:
    """Five significant digits of each; what is not finite is nothing."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
