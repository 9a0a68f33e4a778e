"""What help says of studies, modes, exit statuses and the version, read from files as text: nothing is imported."""

import ast
from collections.abc import Mapping
from pathlib import Path

from ser import PACKAGE, shipped

EXIT_STATUS = (
    "exit status: 0 done, 1 trials failed or are left, 2 bad input, 130 interrupted, 141 reader of the output left,\n"
    "70 a defect of ser"
)
_TITLE = 78  # columns


def version() -> str:
    """Returns the version of this package, as it is installed or as the checkout states it."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    stated = PACKAGE.parent / "pyproject.toml"
    if stated.is_file():  # a checkout that is not installed, or not anew since
        import tomllib

        with stated.open("rb") as file:
            project: Mapping[str, object] = tomllib.load(file).get("project", {})
        if project.get("name") == "ser":
            return str(project["version"])
    try:
        return installed("ser")
    except PackageNotFoundError:
        return "of unknown version"


def studies() -> list[str]:
    """Returns lines with the name and the title of each study of this project."""
    titles = {path.stem: _title(path) for path in _files()}
    longest = max(map(len, titles), default=0)
    out = [f"  {name:{longest}}  {_cut(title, _TITLE - longest)}" for name, title in titles.items()]
    return ["studies (ser studies says more; a path such as ./my_study.py is one of one's own):", *out]


def modes() -> str:
    """Returns the help of ``--mode``: each study's own modes, its first the default."""
    stated = {path.stem: _modes(path) for path in _files()}
    listed = "; ".join(f"{name}: {', '.join(names)}" for name, names in stated.items() if len(names) > 1)
    return f"one of the study's modes, of which the first is the default ({listed}; other studies have one)"


def modes_of(study: str) -> list[str]:
    """Returns the names of the modes of one study, by its name or the path of its file; none where there is no such."""
    path = Path(study).expanduser() if study.endswith(".py") else shipped("experiments") / f"{study}.py"
    try:
        return _modes(path)
    except (OSError, SyntaxError, ValueError):
        return []


def _files() -> list[Path]:
    return sorted(path for path in shipped("experiments").glob("*.py") if not path.stem.startswith("_"))


def _title(path: Path) -> str:
    """Returns the first line of a file's docstring."""
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().strip('"')


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 2].rsplit(' ', 1)[0]} …"


def _modes(path: Path) -> list[str]:
    """Returns the names of the modes that a study's file states."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "modes" and isinstance(node.value, ast.Dict):
            return [
                key.value for key in node.value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
    return []
