"""What the page of a report costs: seconds to make and to open in a browser, bytes, for grids of any size.

Run it with python; opening is measured where a browser is installed, from the request to two painted frames.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from browser import PROGRAM, Browser
from pages import content_of, table_of

from ser.report.content import Cell, Content, Matrix, Row, RunCurves
from ser.report.page import page

_OPENED = (
    "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
    ".then(painted => [performance.getEntriesByType('navigation')[0].loadEventEnd, painted,"
    " document.querySelectorAll('*').length])"
)
_SORTED = (
    "(() => { const details = document.getElementById('results-section'); details.open = true;"
    "document.body.offsetHeight; const begin = performance.now();"
    "document.querySelectorAll('#results button.sort')[5].click(); document.body.offsetHeight;"
    "return performance.now() - begin; })()"
)


def content(results: int) -> Content:
    """A report with so many results in a table to look up, matrices and curves as a study of that size has them."""
    rng = np.random.default_rng(0)
    values = rng.random((results, 2))
    runs = [f"{number:032x}" for number in range(results)]
    rows = [
        Row(
            "",
            f"corpus {number % 4}",
            (
                *("I+T+R", "multi", "BLSTM", "μσ²"),
                *(
                    Cell(v, v - 0.05, v + 0.05, runs=(run,), n=400, words="trained on four; BLSTM, seed 0")
                    for v in pair
                ),
                run,
            ),
            1,
            1,
        )
        for number, (run, pair) in enumerate(zip(runs, values.tolist(), strict=True))
    ]
    columns = ("Comb.", "Task", "Temp.", "Pooling", "WA", "UA", "Runs")
    every = table_of(rows, key="results", title="Every result", columns=columns, ids=("Runs",), counted="seeds")
    matrices = [Matrix(f"corpus {n % 4}", f"setting {n}", tuple("abcd"), np.eye(4, dtype=int), (runs[n],))
                for n in range(min(results, 2000))]  # fmt: skip
    curves = [RunCurves(run, "a title of a trial", {"val/loss": tuple(rng.random(30))}) for run in runs[:1000]]
    small = content_of()
    return Content(
        *("bench", "A study of any size", "", False, "", 1, results, results),
        *((small.tables[0], every), ()),
        pictures=small.pictures,
        confusions=tuple(matrices),
        curves=tuple(curves),
    )


def main() -> None:
    """Prints a line for each number of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="*", type=int, default=[168, 10_000])
    for results in parser.parse_args().results:
        made = content(results)
        assert made.pictures[0].svg  # drawn before the clock runs
        begin = time.perf_counter()
        text = page(made)
        print(
            f"{results} results: made in {time.perf_counter() - begin:.2f} s, {len(text.encode()) / 1e6:.2f} MB", end=""
        )
        if PROGRAM:
            browser = Browser()
            try:
                browser.size(1280, 900)
                with tempfile.NamedTemporaryFile(suffix=".html") as file:
                    Path(file.name).write_text(text, encoding="utf-8")
                    browser.open(Path(file.name).as_uri())
                    loaded, painted, elements = browser.run(_OPENED)
                    ordered = browser.run(_SORTED)
            finally:
                browser.close()
            print(f"; loaded in {loaded / 1000:.2f} s, painted in {painted / 1000:.2f} s, {elements} elements,", end="")
            print(f" sorted in {ordered / 1000:.2f} s", end="")
        print()


if __name__ == "__main__":
    main()
