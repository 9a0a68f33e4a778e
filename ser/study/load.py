"""Studies from their files: by name those of this project, by path anybody's. What is wrong in one is said at once."""

import re
import sys
from dataclasses import MISSING, fields
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ser import shipped
from ser.errors import BadInput, unknown
from ser.study.encoders import LAYERS
from ser.study.origins import Origin
from ser.study.overrides import check_origins, check_space, override
from ser.study.points import PLACES
from ser.study.settings import rule_of
from ser.study.study import EACH, Comparison, Demo, Features, Labels, Search, Study, System
from ser.study.trial import Corpus, Training

_STATED = {c.__name__: c for c in (Study, Training, Corpus, System, Features, Labels, Search, Comparison, Demo, Origin)}
_MISSING = re.compile(r"(\w+)\.__init__\(\) missing \d+ required .*?arguments?: (.*)")
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def study_names() -> tuple[str, ...]:
    """Returns the names of the studies that come with this project, sorted."""
    return tuple(sorted(p.stem for p in shipped("experiments").glob("*.py") if not p.stem.startswith("_")))


def is_path(name: str) -> bool:
    """Returns whether a study is given by the path of its file, not by its name."""
    return "/" in name or name.endswith(".py")


def load_study(name: str) -> Study:
    """Returns the study called ``name``, or, where that is a path or ends in ``.py``, the one of that file.

    Raises BadInput for a study that there is not and for all that is wrong with it in any of its modes, the values of
    its search space and its demo budget included.
    """
    study = _of_file(study_file(name))
    for mode in study.modes:
        check_points(moded := study.in_mode(mode))
        check_space(moded)
        check_space(with_demo_budget(moded))
    check_origins(study)
    return study


def study_file(name: str) -> Path:
    """Returns the file of the study called or at ``name``. Raises BadInput."""
    if is_path(name):
        path = Path(name).expanduser().resolve()
        if path.suffix != ".py" or not path.is_file():
            raise BadInput(name, "study", "a Python file that is there", "name the file, or one of ser studies")
        return path
    if name not in (names := study_names()):
        raise unknown(name, "study", names, "name one of these, or the path of a file: ./my_study.py")
    return shipped("experiments") / f"{name}.py"


def with_demo_budget(study: Study) -> Study:
    """Returns the study with the small budget of its demo."""
    for path, value in study.demo.changes:
        study = override(study, path, value)
    return study


def check_points(study: Study) -> None:
    """Raises BadInput for a point of the study's grid that names a block, system or setting that there is not."""
    values: dict[str, Any] = {}
    for point in study.grid(study.corpora):
        if "system" in point:
            study.comparison.system(point["system"], f"system of {study.name}")
        else:
            study.block(point.get("block", ""))
        front_end = point.get("front_end")
        settings = {path: value for path, value in point.items() if path not in (*PLACES, "front_end")}
        values |= {repr((front_end, path, value)): (front_end, path, value) for path, value in settings.items()}
        values |= {repr(front_end): (front_end, "", None)} if front_end is not None else {}
    for front_end, path, value in values.values():
        base = study if front_end is None else override(study, "front_end", front_end)
        if path:
            override(base, path, 0 if (path, value) == (LAYERS, EACH) else value)


def _of_file(path: Path) -> Study:
    try:
        module = _executed(path)
    except BadInput as error:
        raise BadInput(error.value, f"{error.place} ({_where(path, error)})", error.allowed, error.remedy) from None
    except SyntaxError as error:
        place = f"{error.filename or path}, line {error.lineno}"
        raise BadInput(error.msg, place, "a file that Python can read", "fix that line") from None
    except (Exception, SystemExit) as error:
        raise _explained(error, path) from None
    study = getattr(module, "study", None)
    if not isinstance(study, Study):
        value = f"study is a {type(study).__name__}" if hasattr(module, "study") else "no name study"
        raise BadInput(value, str(path), "study = Study(…) of ser.study", "end the file with it: ser new study")
    return study


def _executed(path: Path) -> ModuleType:
    """Executes a file as a module of a package that is its folder, so that it may import from files beside it.

    The package is made anew, so that a file that was changed since is read again.
    """
    package = f"_studies_{sha256(bytes(path.parent)).hexdigest()[:8]}"
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]
    folder = module_from_spec(ModuleSpec(package, None, is_package=True))
    folder.__path__ = [str(path.parent)]
    spec = spec_from_file_location(f"{package}.{path.stem.replace('.', '_')}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules |= {package: folder, spec.name: module}
    spec.loader.exec_module(module)
    return module


def _explained(error: BaseException, path: Path) -> BadInput:
    """Returns the error for what went wrong while a file was executed: a field missing or misspelt, or anything."""
    place = _where(path, error)
    if (match := _UNEXPECTED.search(str(error))) and (stated := _STATED.get(match[1])):
        head = match[1].lower()
        return unknown(f"{head}.{match[2]}", place, [f"{head}.{f.name}" for f in fields(stated)], "leave it out")
    if (match := _MISSING.search(str(error))) and (stated := _STATED.get(match[1])):
        names = re.findall(r"'(\w+)'", match[2])
        needed = [f for f in fields(stated) if f.default is MISSING and f.default_factory is MISSING]
        hints = {f.name: f": {rule_of(f).meaning}" for f in needed if "rule" in f.metadata}
        remedy = f"state {names[0]}{hints.get(names[0], '')}"
        return BadInput(f"no {', '.join(names)}", f"{match[1]} in {place}", ", ".join(f.name for f in needed), remedy)
    return BadInput(f"{type(error).__name__}: {error}", place, "a file that Python can execute", "fix that line")


def _where(path: Path, error: BaseException) -> str:
    """Returns the last line of the study's file, or of one beside it, that led to ``error``."""
    trace: TracebackType | None = error.__traceback__
    place = str(path)
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).parent == path.parent:
            place = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
