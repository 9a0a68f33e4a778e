"""What a shell proposes after ``ser``, by argcomplete: commands, options, studies, corpora, components, profiles.

It is asked at every press of the key, so nothing slow is imported: names are those of files.
"""

import argparse
import os
from collections.abc import Callable, Iterable

from ser import registry, shipped
from ser.cli import help_texts

Completer = Callable[..., Iterable[str]]


def script(shell: str) -> str:
    """Returns what a person's shell has to execute once: ``eval "$(ser completion bash)"``."""
    from argcomplete.shell_integration import shellcode

    return str(shellcode(["ser"], shell=shell))


def answer(whole: argparse.ArgumentParser) -> int:
    """Writes what may follow, as the shell's variables ask. Returns the exit status."""
    import argcomplete

    _attach(whole)
    codes: list[int] = []
    argcomplete.autocomplete(whole, exit_method=codes.append, always_complete_options="long")
    return codes[0] if codes else 0


def _attach(whole: argparse.ArgumentParser) -> None:
    """Tells argcomplete what the arguments of each command take."""
    for action in whole._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for command in action.choices.values():
            for argument in command._actions:
                if completer := _completer(argument):
                    argument.completer = completer


def _completer(argument: argparse.Action) -> Completer | None:
    if argument.choices or argument.nargs == 0:
        return None
    return _BY_NAME.get(argument.dest) or (_folders() if argument.metavar == "DIR" else None)


def _folders() -> Completer:
    from argcomplete.completers import DirectoriesCompleter

    completer: Completer = DirectoriesCompleter()
    return completer


def _python_files(prefix: str) -> list[str]:
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter(["py"])(prefix))


def _studies(prefix: str, **_: object) -> list[str]:
    names = [path.stem for path in shipped("experiments").glob("*.py") if not path.stem.startswith("_")]
    return [*names, *(_python_files(prefix) if prefix.startswith((".", "/", "~")) else ())]


def _corpora(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Names after the last comma; after NAME= folders, which the shell knows itself."""
    _with_plugins(parsed_args)
    before, comma, last = prefix.rpartition(",")
    if "=" in last:
        name, _sign, path = last.partition("=")
        from argcomplete.completers import FilesCompleter

        return [f"{before}{comma}{name}={each}" for each in FilesCompleter()(path)]
    used = {each.partition("=")[0] for each in before.split(",")}
    return [f"{before}{comma}{name}" for name in registry.names("corpora") if name not in used]


def _tested(prefix: str, parsed_args: argparse.Namespace, **others: object) -> list[str]:
    return ["members", "all", *_corpora(prefix, parsed_args, **others)]


def _components(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    _with_plugins(parsed_args)
    kinds = [kind for kind in (*registry.KINDS, *registry.RULES) if kind != "report"]
    return ["training", *(name for kind in kinds for name in registry.names(kind))]


def _known(**_: object) -> list[str]:
    return list(registry.names("corpora"))


def _modes(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return help_texts.modes_of(str(getattr(parsed_args, "study", "") or ""))


def _profiles(**_: object) -> list[str]:
    return [path.stem for path in shipped("cluster").glob("*.toml")]


def _with_plugins(parsed_args: argparse.Namespace) -> None:
    """Lets the components of ``--plugins`` be proposed, too."""
    if folders := [os.path.abspath(os.path.expanduser(f)) for f in getattr(parsed_args, "plugins", None) or ()]:
        before = os.environ.get(registry.VARIABLE, "")
        os.environ[registry.VARIABLE] = os.pathsep.join(filter(None, [before, *folders]))


_BY_NAME: dict[str, Completer] = {
    "study": _studies,
    "of_study": _studies,
    "corpora": _corpora,
    "corpus": _known,
    "test_on": _tested,
    "known": _known,
    "component": _components,
    "mode": _modes,
    "profile": _profiles,
}
