"""What there is to choose from, as lines of text: studies, and components with their settings. Imports no torch."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields
from textwrap import wrap
from typing import Any

from ser import registry
from ser.errors import BadInput, unknown
from ser.study import Training, load_study, study_file, study_names
from ser.study.settings import kind_name, kinds_of, rule_of

_KINDS = (*(kind for kind in registry.KINDS if kind != "report"), *registry.RULES)
_CONTRACT = ("width", "frames", "extract", "apply", "build", "fit", "fits", "balanced", "load", "expected")
_WIDEST = 100  # columns that are read with ease


def width() -> int:
    """Returns the columns of the terminal, at most as many as are read with ease."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def studies(paths: Sequence[str], columns: int) -> list[str]:
    """Returns a paragraph for each study of this project and each file of ``paths``. Raises BadInput."""
    lines: list[str] = []
    for name in (*study_names(), *paths):
        study, path = load_study(name), study_file(name)
        title = _first_line(path.read_text(encoding="utf-8"))
        more = "" if study.search.rule.name == "grid" else f" and a {study.search.rule.name} search"
        count = f"{study.expect} trial{'s' * (study.expect != 1)}{more}"
        modes = f" · modes {', '.join(study.modes)}" if len(study.modes) > 1 else ""
        lines += [f"{study.name}", *_indented(title, columns), f"  {count} · report {study.report or 'general'}{modes}"]
    return lines


def _first_line(source: str) -> str:
    """Returns the first line of a file's docstring."""
    import ast

    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def components(columns: int) -> list[str]:
    """Returns the names of all components by kind."""
    lines = []
    for kind in _KINDS:
        names = wrap(", ".join(registry.names(kind)), columns - 2)
        lines += [kind, *(f"  {line}" for line in names)]
    return [*lines, "", "ser show NAME shows one; ser show training what every study states of training"]


def component(name: str, columns: int) -> list[str]:
    """Returns the lines that describe a component: ``lstm`` or, where several have that name, ``models/lstm``.

    Raises BadInput for a name that there is not, or that several kinds have.
    """
    if name == "training":
        return ["training", *_indented(Training.__doc__ or "", columns), *_settings(Training, columns)]
    kind, name = _found(name)
    text, functions, constants = registry.documented(kind, name)
    title, _, more = text.partition("\n")
    lines = [f"{kind}/{name} (version {registry.version(kind, name)})", *_indented(title, columns)]
    if more.strip():
        lines += [line for paragraph in more.strip().split("\n\n") for line in ("", *_indented(paragraph, columns))]
    settings = registry.settings(kind, name)
    lines += ["", "settings" + (": none" if not fields(settings) else "")]
    if kind not in registry.RULES:
        lines += _indented(settings.__doc__ or "", columns)
    lines += _settings(settings, columns)
    told = {key: str(value) for key, value in constants.items() if key != "VERSION" and not key.startswith("_")}
    told |= {key: " ".join(functions[key].partition("\n\n")[0].split()) for key in _CONTRACT if functions.get(key)}
    if told:
        lines += ["", "contract"]
        longest = max(map(len, told))
        for key, value in told.items():
            first, *rest = wrap(value, columns - longest - 4) or [""]
            lines += [f"  {key:{longest}}  {first}", *(" " * (longest + 4) + line for line in rest)]
    return lines


def _found(name: str) -> tuple[str, str]:
    """Returns kind and name of the component that is meant. Raises BadInput."""
    kind, sign, short = name.rpartition("/")
    if sign and kind not in _KINDS:
        raise unknown(kind, "ser show", _KINDS, "name one of these kinds")
    whole = [f"{k}/{n}" for k in ((kind,) if sign else _KINDS) for n in registry.names(k)]
    meant = [w for w in whole if w.partition("/")[2] == short]
    if not meant:
        error = unknown(short, "ser show", list(dict.fromkeys(w.partition("/")[2] for w in whole)))
        raise BadInput(error.value, error.place, error.allowed, error.remedy)
    if len(meant) > 1:
        raise BadInput(repr(name), "ser show", "a name that one component has", f"say {' or '.join(meant)}")
    return kind or meant[0].partition("/")[0], short


def _settings(settings: type[Any], columns: int) -> Iterator[str]:
    """Yields two lines for each setting: name, default, kind and range; and what it means."""
    longest = max((len(item.name) for item in fields(settings)), default=0)
    for item in fields(settings):
        rule = rule_of(item)
        allowed = ", ".join(map(str, rule.choices)) or kind_name(kinds_of(settings)[item.name])
        if rule.range != "any finite number" and not rule.choices:
            allowed += f", {rule.range}"
        allowed += f" ({rule.unit})" if rule.unit else ""
        first, *rest = wrap(f"{_default(item)}  [{allowed}]", columns - longest - 4) or [""]
        yield f"  {item.name:{longest}}  {first}"
        for line in (*rest, *wrap(rule.meaning, columns - longest - 4)):
            yield " " * (longest + 4) + line


def _default(item: Field[Any]) -> str:
    return "to be stated" if item.default is MISSING else repr(item.default)


def _indented(text: str, columns: int) -> list[str]:
    return [f"  {line}" for line in wrap(" ".join(text.split()), columns - 2)]
