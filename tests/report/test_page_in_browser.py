"""The page of a report as a reader uses it, in a browser: sorted, filtered, pointed at, switched, linked to, printed.

Skipped where no browser is installed.
"""

import re
from dataclasses import replace

import pytest
from pages import RUNS, content_of

from ser.report.page import page

ADDRESS = "http://127.0.0.1:9/#/runs/{run}"
NAMES = "[...document.querySelectorAll('#results tbody tr:not([hidden]) th.name')].map(each => each.textContent)"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The address of the small report."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(replace(content_of(), runs_address=ADDRESS)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, place):
    """The browser on the page, in a window of a desktop; afterwards nothing has failed, and nothing was asked for."""
    browser.scripts(True)
    browser.size(1280, 900)
    browser.open("about:blank")
    browser.open(place)
    yield browser
    assert browser.errors == []
    assert all(re.match("file:|data:|blob:|about:", address) for address in browser.requests)


def choose(browser, label, *values):
    """Selects in the list of this label what these values stand for."""
    browser.run(
        f"{{ const list = document.querySelector('select[aria-label=' + CSS.escape({label!r}) + ']');"
        f"for (const each of list.options) each.selected = {list(values)!r}.includes(each.value);"
        "list.dispatchEvent(new Event('change')); 0 }"
    )


def click(browser, selector, place=0):
    browser.run(f"document.querySelectorAll({selector!r})[{place}].click(), 0")


def saved(browser, selector, place=0):
    """What a button gives to be saved: name and text."""
    return browser.run(
        "new Promise(done => { const real = URL.createObjectURL; let blob;"
        "URL.createObjectURL = each => (blob = each, real(each));"
        "HTMLAnchorElement.prototype.click = function () { delete HTMLAnchorElement.prototype.click;"
        "URL.createObjectURL = real; blob.text().then(text => done([this.download, text, blob.type, blob.size])); };"
        f"HTMLElement.prototype.click.call(document.querySelectorAll({selector!r})[{place}]); }})"
    )


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(opened, dark):
    opened.size(1280, 900, dark=dark)
    assert opened.violations() == []


def test_axe_finds_nothing_where_scripts_do_not_run(opened, place, tmp_path):
    plain = re.sub(r"<script.*?</script>", "", page(content_of()), flags=re.DOTALL)
    (tmp_path / "plain.html").write_text(plain, encoding="utf-8")
    opened.open((tmp_path / "plain.html").as_uri())
    assert opened.violations() == []
    assert opened.run("document.querySelectorAll('.tools').length") == 0
    assert opened.run("document.getElementById('learning-curves').checkVisibility()") is False
    assert "0.75" not in opened.run("document.body.innerText")
    assert "75.0" in opened.run("document.getElementById('results').textContent")


def test_a_head_sorts_its_column_and_holes_stay_last(opened):
    first = opened.run(NAMES)
    click(opened, "#results button.sort", 1)
    assert opened.run(NAMES) == ["a", "c", "b", "d"]
    assert opened.run("document.querySelector('#results [aria-sort]').ariaSort") == "descending"
    click(opened, "#results button.sort", 1)
    assert opened.run(NAMES) == ["b", "c", "a", "d"]
    click(opened, "#results button.sort", 1)
    assert opened.run(NAMES) == first == ["b", "a", "d", "c"]
    click(opened, "#results button.sort", 0)
    assert opened.run(NAMES) == ["a", "b", "c", "d"]


def test_a_papers_numbers_stay_below_their_line(opened):
    click(opened, "#best button.sort", 2)
    words = r"map(row => row.innerText.split(/\s+/).slice(0, 2).join(' '))"
    lines = f"[...document.querySelectorAll('#best tbody tr')].{words}"
    assert opened.run(lines) == ["UA ravdess", "WA tess", "WA ravdess", "WA paper", "UA tess"]


def test_words_filter_a_table(opened):
    opened.run(
        "{ const words = document.querySelectorAll('#results-section input[type=search]')[0]; words.value = 'C 3';"
        "words.dispatchEvent(new Event('input')); 0 }"
    )
    assert opened.run(NAMES) == ["c"]
    assert opened.run("document.querySelector('#results-section .tools .count').textContent") == "1 of 4"
    assert "filter.results=C+3" in opened.run("location.hash")


def test_a_column_can_be_left_out_and_downloads_have_what_is_shown(opened):
    click(opened, "#results-section .columns input", 2)
    click(opened, "#results button.sort", 0)
    name, text, kind, _ = saved(opened, "#results-section button[aria-label^='Download as CSV']")
    assert (name, kind) == ("results.csv", "text/csv")
    assert text.splitlines() == [
        *("Trial,WA,Runs,n seeds", f"a,75.0,{RUNS[1]},1 of 1", f"b,25.0,{RUNS[0]},1 of 1"),
        *(f"c,50.0,{RUNS[3]},1 of 1", f"d,–,{RUNS[2]},1 of 1"),
    ]
    name, text, *_ = saved(opened, "#results-section button[aria-label^='Download as LaTeX']")
    assert name == "results.tex"
    assert r"\begin{tabular}{lrlr}" in text
    assert rf"a & 75.0 & {RUNS[1]} & 1 of 1 \\" in text


def test_one_accuracy_and_other_units(opened):
    choose(opened, "Accuracy", "ua")
    choose(opened, "Values", "points")
    seen = "filter(each => each.checkVisibility()).map(each => each.innerText.trim())"
    shown = f"[...document.querySelectorAll('#best td.number')].{seen}"
    assert opened.run(shown) == ["0 (best)", "−60.0"]
    assert "WA" not in opened.run("document.querySelector('#best').innerText")
    choose(opened, "Values", "share")
    assert opened.run(shown) == ["0.900\n[0.850, 0.950]", "0.300"]


def middle(browser, selector):
    return browser.run(
        f"(() => {{ const each = document.querySelector({selector!r}); each.scrollIntoView({{block: 'center'}});"
        "const box = each.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )


@pytest.mark.parametrize(
    ("selector", "words", "run"),
    [
        ("#best td[data-runs]", ["ravdess · A: 50.0 [40.0, 60.0]", "ravdess: LSTM", "n = 40"], RUNS[1]),
        ("figure.drawn .mark", ["LSTM 1", "UA 50 %, n = 40"], RUNS[1]),
    ],
)
def test_what_is_pointed_at_says_what_it_is_of_and_links_to_its_run(opened, selector, words, run):
    x, y = middle(opened, selector)
    opened.wait("document.readyState === 'complete'")
    opened.mouse(x - 30, y - 30)
    opened.mouse(x, y)
    opened.wait("!document.getElementById('tip').hidden")
    assert opened.run("[...document.querySelectorAll('#tip > p')].map(each => each.textContent)")[: len(words)] == words
    assert opened.run("document.querySelector('#tip a').href") == ADDRESS.replace("{run}", run)


def test_a_series_is_hidden_by_its_button_and_by_the_legend(opened):
    marks = "[...document.querySelectorAll('[data-name=dots] .marks[data-series]')]"
    shown = f"{marks}.filter(each => getComputedStyle(each).display !== 'none').map(each => each.dataset.series)"
    assert opened.run(shown) == ["LSTM", "TDNN"]
    click(opened, "[data-name=dots] button.series", 0)
    assert opened.run(shown) == ["TDNN"]
    opened.run("document.querySelector('[data-name=dots] .legend-entry').dispatchEvent(new Event('click')), 0")
    assert opened.run(shown) == ["LSTM", "TDNN"]


def test_a_figure_is_saved_as_it_is_shown(opened):
    click(opened, "[data-name=dots] button.series", 0)
    name, text, *_ = saved(opened, "[data-name=dots] .tools button[aria-label^='Download as SVG']")
    assert name == "dots.svg"
    assert 'data-series="TDNN"' in text
    assert '<g class="marks off"' not in text
    assert (
        opened.run(f"new DOMParser().parseFromString({text!r}, 'image/svg+xml').querySelector('parsererror')") is None
    )
    name, _, kind, size = saved(opened, "[data-name=dots] .tools button[aria-label^='Download as PNG']")
    assert (name, kind) == ("dots.png", "image/png")
    assert size > 2000


def test_the_matrix_of_any_configuration(opened):
    choose(opened, "Configuration", "TDNN")
    cells = "[...document.querySelectorAll('#matrix-asked td')].map(each => each.firstChild.textContent)"
    assert opened.run(cells) == ["4", "0", "1", "5"]
    assert "n = 10, WA 90.0 %, UA 91.7 %" in opened.run(
        "document.querySelector('#matrix-asked figcaption').textContent"
    )


def test_learning_curves_of_any_run(opened):
    choose(opened, "Runs", f"LSTM ({RUNS[1][:8]})", f"TDNN ({RUNS[2][:8]})")
    titles = "[...document.querySelectorAll('[data-name=learning_curves] .mark title')].map(each => each.textContent)"
    assert opened.run(titles) == [
        *("LSTM\nval/loss 1.6, epoch 1", "LSTM\nval/loss 1.2, epoch 2", "LSTM\nval/loss 1.4, epoch 3"),
        *("TDNN\nval/loss 1.1, epoch 1", "TDNN\nval/loss 0.9, epoch 2"),
    ]
    assert f"curves=val%2Floss%7C{RUNS[1]}%7C{RUNS[2]}" in opened.run("location.hash")


def test_the_address_brings_back_what_was_shown(opened, place):
    click(opened, "#results button.sort", 1)
    click(opened, "[data-name=dots] button.series", 1)
    choose(opened, "Configuration", "TDNN")
    address = opened.run("location.href")
    opened.open("about:blank")
    opened.open(address)
    assert opened.run(NAMES) == ["a", "c", "b", "d"]
    assert opened.run("document.querySelectorAll('[data-name=dots] .marks.off').length") == 1
    assert opened.run("document.querySelector('select[aria-label=Configuration]').value") == "TDNN"


def test_a_link_opens_the_details_that_it_leads_into(opened, place):
    opened.open("about:blank")
    opened.open(f"{place}#results-section")
    assert opened.run("document.getElementById('results-section').open") is True


def test_matrices_of_eight_classes_are_whole_on_a_desktop_and_a_phone_does_not_scroll_sideways(opened):
    wide = (
        "[...document.querySelectorAll('.matrix .scroll')].filter(each => each.scrollWidth > each.clientWidth).length"
    )
    assert opened.run(wide) == 0
    opened.size(390, 844, phone=True)
    assert opened.run("document.documentElement.scrollWidth") == 390


def test_on_paper_all_details_are_open_and_no_control_is_shown(opened):
    opened.call("Emulation.setEmulatedMedia", media="print")
    assert opened.run("document.querySelector('.tools').checkVisibility()") is False
    assert opened.run("document.getElementById('results').checkVisibility()") is True
    assert opened.run("getComputedStyle(document.querySelector('#best-section .scroll')).overflowX") == "visible"
