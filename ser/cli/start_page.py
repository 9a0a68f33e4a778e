"""The page that a browser meets first: it has MLflow show runs, and not views of language models, from then on.

MLflow opens every experiment on pages for language models, with an assistant beside them, unless the browser remembers
otherwise. This page has it remember, once and for all addresses of the server, then goes on to where it was asked for.
What a person has chosen since stays chosen.
"""

import json
from collections.abc import Mapping

from ser.cli.pages import Application, Receive, Scope, Send

_DONE = "runs"  # the question in the address by which a browser says that it has met this page
_REMEMBERED: Mapping[str, str] = {
    "mlflow.workflowType_v1": json.dumps("machine_learning"),
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MLflow</title><link rel="icon" href="static-files/favicon.ico">
<script>
const remembered = %s;
try {
  for (const [key, text] of Object.entries(remembered))
    if (localStorage.getItem(key) === null) localStorage.setItem(key, text);
} catch (error) { /* a browser that remembers nothing gets MLflow's own first page */ }
location.replace("?%s" + location.hash);
</script></head>
<body><noscript>MLflow's pages need JavaScript.</noscript></body></html>
"""


class StartPage:
    """Answers the address of MLflow's pages by the page above, and passes on everything else."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._page = (_PAGE % (json.dumps(_REMEMBERED), _DONE)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http" or scope["path"] != "/" or scope.get("query_string") == _DONE.encode():
            return await self._application(scope, receive, send)
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self._page})
