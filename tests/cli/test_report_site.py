"""Reports and the page that follows running grids, as a browser asks for them: nothing else is served, or written."""

import asyncio
from types import SimpleNamespace

import pytest

from ser.cli import pages
from ser.cli.report_site import ReportSite
from ser.runs.location import Location

MLFLOW = (b"content-type", b"text/mlflow")


async def mlflow(scope, receive, send):
    """In the place of MLflow's pages."""
    await send({"type": "http.response.start", "status": 200, "headers": [MLFLOW]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def work(tmp_path, where):
    """A work folder with a report, beside which lie files that are none of it."""
    report = tmp_path / "reports" / "mine"
    report.mkdir(parents=True)
    for name in ("report.html", "tables.csv", "secret.key", ".hidden"):
        (report / name).write_text(name)
    (tmp_path / "reports" / "outside.html").write_text("outside")
    (report / "link.html").symlink_to(tmp_path / "mlflow.db")
    return SimpleNamespace(path=tmp_path, where=where)


def asked(site, path, method="GET", host="localhost"):
    """Status, headers and body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(site(scope, None, send))
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(m["body"] for m in sent[1:]).decode()


@pytest.fixture
def site(work):
    return ReportSite(mlflow, work.where, work.path)


@pytest.mark.parametrize("path", ["/", "/serve", "/ajax-api/2.0/mlflow/runs/get", "/static/ser/"])
def test_all_else_is_mlflows(site, path):
    assert asked(site, path)[2] == path


def test_a_report_and_its_files_are_served_and_nothing_beside_them(site):
    status, headers, body = asked(site, "/ser/reports/mine/report.html")
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", "report.html")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert asked(site, "/ser/reports/mine/tables.csv")[1]["content-type"].startswith("text/csv")
    for path in (
        "mine/secret.key",
        "mine/.hidden",
        "mine/link.html",
        "mine/other.html",
        "mine",
        "mine/",
        "../mlflow.db",
    ):
        assert asked(site, f"/ser/reports/{path}")[0] == 404, path
    for path in ("mine/../outside.html", "mine/%2e%2e/outside.html", "mine/..%2foutside.html", "mine/\0.html"):
        assert asked(site, f"/ser/reports/{path}")[0] == 404, path


def test_pages_are_made_anew_and_kept_by_nobody(site):
    status, headers, body = asked(site, "/ser/live")
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert "script-src 'sha256-" in headers["content-security-policy"]
    assert '<a href="../">MLflow</a>' in body
    assert "Runs without a report" in asked(site, "/ser/")[2]  # the experiment that the fixture's database has
    assert asked(site, "/ser")[:2][1]["location"] == "ser/"
    assert asked(site, "/ser/live", "HEAD")[2] == ""
    assert asked(site, "/ser/live", "POST")[0] == 405


def test_what_is_not_there_is_said_without_markup_of_strangers(site):
    status, _, body = asked(site, "/ser/<script>alert(1)</script>")
    assert (status, "<script>alert" in body) == (404, False)


def test_names_of_strangers_are_refused_there_too(site):
    guarded = pages.SameSite(site, {"localhost"})
    assert asked(guarded, "/ser/live")[0] == 200
    assert asked(guarded, "/ser/live", host="evil.com")[0] == 403


def test_beside_a_tracking_server_these_pages_are_alone(work, monkeypatch):
    site = ReportSite(None, Location("http://anna:secret@mlflow:5000", ""), work.path)
    monkeypatch.setattr(site, "_experiments", lambda: {"mine": "7"})
    status, headers, _ = asked(site, "/")
    assert (status, headers["location"]) == (307, "ser/")
    body = asked(site, "/ser/")[2]
    assert "http://mlflow:5000/#/experiments/7/" in body
    assert "secret" not in body
    assert asked(site, "/ajax-api/x")[0] == 404
