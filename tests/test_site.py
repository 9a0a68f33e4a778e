"""The site of docs/: it is built without a warning, loads nothing from elsewhere, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import ser.study
from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS

ROOT = Path(__file__).parent.parent
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
NOT_LOADED = {"canonical", "next", "prev", "license"}  # relations of a page that a browser does not fetch


class Page(HTMLParser):
    """What a page loads, where its links lead, which places it has."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Notes one element."""
        given = dict(attrs)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and not NOT_LOADED & set((given.get("rel") or "").split()):
            self.loaded.append(given.get("href") or "")
        if tag in LOADED and given.get(LOADED[tag]):
            self.loaded.append(given[LOADED[tag]])
        self.loaded += re.findall(r"url\(\s*['\"]?([^)'\"]+)", given.get("style") or "")
        self.loaded += [part.split()[0] for part in (given.get("srcset") or "").split(",") if part.strip()]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built anew."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Each page of the site by its path."""
    return {p.relative_to(site).as_posix(): Page(p.read_text()) for p in sorted(site.rglob("*.html"))}


def test_every_page_of_the_docs_is_in_the_site(pages):
    sources = [p.relative_to(ROOT / "docs").with_suffix(".html") for p in (ROOT / "docs").rglob("*.md")]
    made = ["commands.html", "changes.html", "contributing.html", "cluster_files.html", "licence.html"]
    assert {p.as_posix() for p in sources} | set(made) <= set(pages)


def test_no_page_loads_anything_from_elsewhere(site, pages):
    for name, page in pages.items():
        assert [address for address in page.loaded if re.match(r"(\w+:)?//", address)] == [], name
    for sheet in site.rglob("*.css"):
        loaded = re.findall(r"(?:url\(\s*|@import\s+)['\"]?([^)'\"\s]+)", sheet.read_text())
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == [], sheet


def test_what_pages_load_is_there(site, pages):
    missing = [
        (name, address)
        for name, page in pages.items()
        if name != "404.html"  # whose addresses begin at the root of a server
        for address in page.loaded
        if not address.startswith("data:")
        and not (site / name).parent.joinpath(unquote(urlsplit(address).path)).exists()
    ]
    assert missing == []


def test_every_link_leads_to_a_page_and_a_place_of_it(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (site / name).parent.joinpath(unquote(parts.path)).resolve() if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            at = target.relative_to(site).as_posix() if target.is_relative_to(site) else ""
            if not target.exists() or (place and at in pages and place not in pages[at].ids | {"__tabbed"}):
                broken.append((name, link))
    assert broken == []


def test_addresses_of_others_are_well_formed():
    texts = {p: p.read_text() for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}
    linked = [(p.name, a) for p, text in texts.items() for a in re.findall(r"\]\((\w+:[^)]*)\)", text)]
    assert len(linked) > 30
    wrong = [
        (name, address)
        for name, address in linked
        if not re.fullmatch(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w./#%~-]*)?", address, re.I)
    ]
    assert wrong == []


def test_the_page_of_commands_has_every_option(site):
    text = (site / "commands.html").read_text()
    commands = next(a for a in parser(FUNCTIONS)._actions if a.choices)
    for name, sub in commands.choices.items():
        assert f"ser {name}</" in text or f"ser {name}<a" in text
        shown = [action for action in sub._actions if action.help != "==SUPPRESS=="]
        options = {option for action in shown for option in action.option_strings} - {"-h", "--help"}
        assert {option for option in options if option not in text} == set(), name


def test_the_reference_has_what_a_study_imports_and_every_contract(pages):
    template = (ROOT / "ser" / "cli" / "templates" / "study.py.txt").read_text()
    imported = re.search(r"from ser.study import (.*)", template)[1].split(", ")
    assert set(imported) <= set(ser.study.__all__)
    documented = set().union(*(page.ids for name, page in pages.items() if name.startswith("api/")))
    assert {f"ser.study.{name}" for name in imported} - documented == set()
    contracts = {"corpora", "frontends", "augment", "balance", "models", "report", "errors.BadInput", "registry.find"}
    assert {f"ser.{name}" for name in contracts} - documented == set()


def test_formulas_are_drawn_by_the_browser_and_examples_are_code(site):
    formulas = (site / "statistics.html").read_text()
    assert formulas.count("<math") > 6
    assert "\\frac" not in re.sub(r"<pre>.*?</pre>", "", formulas, flags=re.S)
    errors = (site / "api" / "errors.html").read_text()
    assert "&gt;&gt;&gt; " in errors  # in the code of an example
    assert "<blockquote>" not in errors  # what Markdown makes of >>> otherwise


def test_the_search_works_without_a_server(site, pages):
    assert (site / "search" / "search_index.js").read_text().startswith("var __index = {")
    assert any("iframe-worker.js" in address for address in pages["index.html"].loaded)
