"""Addresses of MLflow's pages: runs of a study in a saved view, one run, one of its files.

MLflow opens an experiment on pages for language models unless the address, or what the browser remembers, says
otherwise; all addresses that are printed or written are made here.
"""

from urllib.parse import quote, urlencode

from ser.runs.location import Location

PAGES = "http://127.0.0.1:5000"  # where `ser ui` serves the runs of a work folder, unless it is asked for another port
RESULTS, MEANS, CHARTS = "ser-results", "ser-means", "ser-charts"  # keys of saved views: see ``ser.runs.views``
_KIND = {"workflowType": "machine_learning"}


def pages_of(where: Location) -> str:
    """Returns the address of MLflow's pages on a tracking store; of a database it is that of `ser ui`.

    Passwords in the store's own address are not in it.
    """
    return where.printable.rstrip("/") if where.uri.startswith("http") else PAGES


def runs_page(pages: str, experiment: str, view: str = RESULTS) -> str:
    """Returns the address of the runs of an experiment, by its id, in one of the saved views.

    >>> runs_page("http://127.0.0.1:5000", "1")
    'http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=ser-results'
    """
    mode = {"compareRunsMode": "CHART"} if view == CHARTS else {}
    query = urlencode(_KIND | {"viewStateShareKey": view} | mode)
    return f"{pages}/#/experiments/{quote(experiment, safe='')}/runs?{query}"


def run_page(pages: str, experiment: str, run: str, file: str = "") -> str:
    """Returns the address of a run, or of one of its files (``confusion/emodb.png``).

    >>> run_page("http://127.0.0.1:5000", "1", "0123")
    'http://127.0.0.1:5000/#/experiments/1/runs/0123?workflowType=machine_learning'
    """
    place = f"/artifacts/{quote(file)}" if file else ""
    return f"{pages}/#/experiments/{quote(experiment, safe='')}/runs/{run}{place}?{urlencode(_KIND)}"
