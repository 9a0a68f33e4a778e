"""The browser in which pages of reports are looked at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import NAMES, PROGRAM, Browser

# Pixels that A4 has between its margins, upright and across → the tables that are printed so.
_PAPER = {703: ":not(.across)", 1032: ".across"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; those that ask for it are skipped where there is none."""
    if PROGRAM is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def accessible(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Fails for a page on which axe-core finds anything, light or dark, or of which something is cut off, on A4 too.

    It looks at nothing where no browser is installed: what else a test checks is checked there, too.
    """
    if PROGRAM is None:
        return lambda path: None
    opened: Browser = request.getfixturevalue("browser")

    def look(path: Path) -> None:
        opened.scripts(True)
        for dark in (False, True):
            opened.size(1280, 900, dark=dark)
            opened.open("about:blank")
            opened.open(path.as_uri())
            assert opened.violations() == []
        cut = "filter(each => each.scrollWidth > each.clientWidth).length"
        assert opened.run(f"[...document.querySelectorAll('.matrix .scroll')].{cut}") == 0
        assert opened.run("document.documentElement.scrollWidth") == 1280
        assert opened.errors == []
        for width, selector in _PAPER.items():
            opened.size(width, 1000)
            opened.call("Emulation.setEmulatedMedia", media="print")
            wide = f"filter(each => each.matches('{selector}') && each.getBoundingClientRect().right > {width + 1})"
            assert opened.run(f"[...document.querySelectorAll('table.data')].{wide}.map(each => each.id)") == []

    return look
