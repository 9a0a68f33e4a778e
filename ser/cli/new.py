"""Templates of a study and of components: commented files that run as they are written, to be changed."""

import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from ser import registry
from ser.errors import BadInput, unknown

# What can be written, and the folder of plugins that it goes to.
KINDS: Mapping[str, str] = {
    "study": "",
    "corpus": "corpora",
    "front-end": "frontends",
    "model": "models",
    "augmentation": "augment",
    "report": "reports",
}
_TEMPLATES = Path(__file__).parent / "templates"


def write(kind: str, name: str, folder: Path) -> Path:
    """Writes the template of a ``kind`` below ``folder`` and returns its file.

    Raises BadInput for an unknown kind, for a name that no file of Python can have or that a component of ours has, and
    where there is such a file already.
    """
    if kind not in KINDS:
        raise unknown(kind, "ser new", KINDS)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        allowed = "small letters, digits and _, a letter first; no word of Python"
        raise BadInput(repr(name), f"name of a {kind}", allowed, "name it otherwise")
    if kind != "study" and name in registry.names("report" if kind == "report" else KINDS[kind]):
        raise BadInput(repr(name), f"name of a {kind}", "a name that none has yet", "name it otherwise")
    path = folder / KINDS[kind] / f"{name}.py"
    if path.exists():
        raise BadInput(f"{path}, which is there", "ser new", "a new file", "name it otherwise, or remove the file")
    text = (_TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("__NAME__", name), encoding="utf-8")
    return path


def next_step(kind: str, name: str, folder: Path) -> str:
    """Returns the command by which a person sees the new file at work."""
    if kind == "study":
        return f"ser run {folder / name}.py --demo"
    if kind == "corpus":
        return f"ser corpora --plugins {folder} --corpora {name}=FOLDER"
    if kind == "report":
        return f'a study with report="{name}", and: ser report STUDY --plugins {folder}'
    return f"ser show {name} --plugins {folder}"
