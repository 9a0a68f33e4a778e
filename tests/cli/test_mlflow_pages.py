"""MLflow's pages as a person walks through them in a browser, from the first page to a run's files and its model."""

import json
import re
import subprocess
import sys
import time

import pytest
from browser import PROGRAM, Browser

from ser.runs import views
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.trials import run as one
from ser.trials.presented import presented

# What MLflow's own script reports of itself on a server without accounts.
_OF_MLFLOW = ("AG Grid", "ResizeObserver", "/users/current")
_PLACE = """(() => {{
  const all = [...document.querySelectorAll({0})].filter(e => e.offsetParent && e.innerText?.trim() === {1});
  const box = all.length && all[all.length - 1].getBoundingClientRect();
  return box && box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
}})()"""
_CLICKABLE = "a, button, [role=menuitem], [role=tab], span, div"


@pytest.fixture
def browser():
    """A browser; the test is skipped where this machine has none."""
    if PROGRAM is None:
        pytest.skip("no chromium on this machine")
    opened = Browser()
    yield opened
    opened.close()


class Walk:
    """Clicks on what can be seen, and waits for what follows; pages change their addresses by themselves."""

    def __init__(self, browser):
        self.browser = browser

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := self.browser.run(condition):
                    return value
            except AssertionError:  # the page is just being replaced
                pass
            time.sleep(0.1)
        pytest.fail(f"never true: {condition}; {self.browser.run('document.body.innerText')[:2000]}")

    def click(self, text):
        """Clicks on the innermost element with this text, once it has stopped to move."""
        place, before = _PLACE.format(json.dumps(_CLICKABLE), json.dumps(text)), None
        while (now := self.until(place)) != before:
            before = now
            time.sleep(0.5)
        self.browser.mouse(*now, click=True)

    def sees(self, text):
        self.until(f"document.body.innerText.includes({json.dumps(text)})")


def test_from_the_first_page_to_a_view_a_run_its_confusion_picture_and_its_model(
    browser, job, plan, trial_of, tmp_path
):
    trial = trial_of("R")
    for each in (trial, trial_of("T+R")):
        assert isinstance(one.run(job, each), Finished)
    views.publish(Tracker(job.where, job.study), presented(plan))
    command = [sys.executable, "-m", "ser", "ui", "--work", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline())[0]
            walk = Walk(browser)
            browser.size(1440, 900)
            browser.call("Page.navigate", url=f"{address}/")
            # The first page, of runs and not of language models, from whose list an experiment opens on its runs.
            walk.sees("Recent Experiments")
            assert browser.run("localStorage.getItem('mlflow.workflowType_v1')") == '"machine_learning"'
            walk.click(job.study)
            walk.until("document.querySelectorAll('.ag-row').length >= 2 && location.hash.includes('/runs')")
            walk.sees("ser run interaffection")  # the column Source
            # A saved view, with its columns.
            walk.click("Views")
            walk.click("Results: UA and WA of every trial")
            walk.until("location.hash.includes('viewStateShareKey=ser-results')")
            walk.sees("ua/ravdess")
            # A run: description first, then its files.
            walk.click(trial.title)
            walk.sees("tested on")
            walk.click("Artifacts")
            walk.click("confusion")
            walk.click("ravdess.png")
            walk.until("[...document.images].some(image => image.naturalWidth > 200)")
            # The models of the experiment, one with each run.
            walk.click("Models")
            walk.until("location.hash.includes('/models')")
            walk.sees(trial.title)
            errors = [text for text in browser.errors if not any(known in text for known in _OF_MLFLOW)]
            assert errors == []
            assert not [url for url in browser.requests if not url.startswith((address, "data:", "blob:"))]
        finally:
            server.terminate()
            server.wait(60)
