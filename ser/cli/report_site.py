"""Reports and the page that follows running grids, below ``/ser/`` of the server that has MLflow's pages.

Both are made anew when they are asked for, from the work folder and the tracking store, and nothing is written.
"""

import asyncio
from collections.abc import Mapping
from html import escape
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import unquote

from ser.cli.pages import Application, Receive, Scope, Send
from ser.errors import Away, BadInput
from ser.report import index_page, live_page
from ser.report.live import Watcher
from ser.report.pages import policy
from ser.runs import links, reader
from ser.runs.location import Location
from ser.runs.study_runs import experiments, study_of

ROOT = "/ser"
_SERVED = (".html", ".md", ".csv", ".tex", ".json", ".png", ".svg", ".pdf", ".parquet")
# A report has its own script and pictures inside, and needs nothing else.
_OF_REPORTS = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_HTML = "text/html; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_TYPES = {".html": _HTML, ".md": "text/markdown; charset=utf-8", ".tex": _TEXT, ".csv": "text/csv; charset=utf-8"}


class ReportSite:
    """Answers what is asked below ``/ser``, and passes everything else on to MLflow's pages, where it has them."""

    def __init__(self, application: Application | None, where: Location, work: Path) -> None:
        """``application``: None where the tracking store is a server, which has its own pages."""
        self.application, self.where, self.reports = application, where, work / "reports"
        self.watcher = Watcher(where, work)
        self._remote = "" if application else links.pages_of(where)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        path = str(scope.get("path", ""))
        is_own = scope["type"] == "http" and (path == ROOT or path.startswith(f"{ROOT}/"))
        if not is_own and self.application is not None:
            return await self.application(scope, receive, send)
        if scope["type"] != "http":  # the server asks whether something is to be begun or ended
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return await _send(send, 405, _TEXT, b"only read\n", scope)
        if path in (ROOT, "/"):
            return await _send(send, 307, _TEXT, b"", scope, {"location": "ser/"})
        status, kind, body, rules = await asyncio.to_thread(self.answer, path.removeprefix(ROOT))
        await _send(send, status, kind, body, scope, {"content-security-policy": rules})

    def answer(self, path: str) -> tuple[int, str, bytes, str]:
        """Returns status, type, body and what its page may do, of what lies at ``path`` below ``/ser``."""
        if path == "/":
            place = index_page.Place("reports/", self._remote or "..", "live")
            return 200, _HTML, index_page.page(self.reports, self._experiments(), place).encode(), policy()
        if path == "/live":
            page = live_page.page(self.watcher.snapshot(), self._remote or "..", self._remote)
            return 200, _HTML, page.encode(), policy()
        if path.startswith("/reports/") and (file := self._file(path.removeprefix("/reports/"))):
            kind = _TYPES.get(file.suffix) or guess_type(file.name)[0] or "application/octet-stream"
            return 200, kind, file.read_bytes(), _OF_REPORTS
        text = f"<p>There is nothing at <code>{escape(path)}</code>: see <a href='{ROOT}/'>the reports</a>.</p>"
        return 404, _HTML, text.encode("utf-8", "replace"), policy()

    def _file(self, path: str) -> Path | None:
        """The file of a report at ``STUDY/NAME``; None for what is none, or lies elsewhere, whatever leads there."""
        parts = unquote(path).split("/")
        if len(parts) != 2 or any(part in ("", ".", "..") or "\0" in part for part in parts):
            return None
        file = self.reports.joinpath(*parts)
        is_inside = file.suffix in _SERVED and file.resolve().is_relative_to(self.reports.resolve())
        return file if is_inside and file.is_file() else None

    def _experiments(self) -> Mapping[str, str]:
        try:
            return {study_of(e): str(e.experiment_id) for e in experiments(reader.client(self.where, to_read=True))}
        except (Away, BadInput):
            return {}


async def _send(
    send: Send, status: int, kind: str, body: bytes, scope: Scope, more: Mapping[str, str] | None = None
) -> None:
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        **(more or {}),
    }
    pairs = [(name.encode(), text.encode("latin-1", "replace")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def announcement(address: str) -> str:
    """Where a person finds reports and running grids, on a server at ``address``."""
    return f"reports on {address}{ROOT}/, what runs on {address}{ROOT}/live"
