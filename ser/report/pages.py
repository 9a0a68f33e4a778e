"""Pages about all reports and running grids: an index, and one that follows what runs. They fetch nothing elsewhere."""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent / "site"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (Markup((FOLDER / name).read_text(encoding="utf-8")) for name in ("pages.css", "pages.js"))
    environment.globals.update(style=style, script=script)
    return environment


def render(template: str, **values: object) -> str:
    """Returns a page of a ``template`` in ``ser/report/site``, in which every value is escaped that is no markup."""
    return _environment().get_template(template).render(**values)


@cache
def policy() -> str:
    """Returns what a browser may do on these pages: their own script and styles, and ask this server again."""
    digest = b64encode(hashlib.sha256((FOLDER / "pages.js").read_bytes()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
