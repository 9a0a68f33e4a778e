"""Hooks of MkDocs for the site of ``docs/`` (mkdocs.yml): what no plugin does, so that the site needs no network.

- files outside of ``docs/`` that belong to the site are pages of it, and links to them lead there;
- the page of commands is made from the parser, so that it is true;
- formulas (fences ``math``, which GitHub draws as well) become MathML, which browsers draw without a script;
- the script by which the search works without a server is ours (``assets/iframe-worker.js``), not an address.
"""

import posixpath
import re
from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {  # file of the repository → page of the site
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "licence.md",
    "cluster/README.md": "cluster_files.md",
}
COMMANDS = "commands.md"
SHIM = "assets/iframe-worker.js"
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)]*)?\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Returns the configuration with formulas as MathML, and with our file in place of the search's remote script."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "math", "format": _formula}]
    config.extra["polyfills"] = [SHIM]  # the plugin offline adds an address where none is named
    return config


def _formula(source: str, *_: object, **__: object) -> str:
    """Returns a fence of LaTeX as one MathML formula for each line that is not empty."""
    return "".join(f'<p class="formula">{convert(line, display="block")}</p>' for line in source.splitlines() if line)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Returns the files of the site with the pages that are made: those from outside of ``docs/`` and the commands."""
    for outside, name in OUTSIDE.items():
        if name != "index.md":
            text = (ROOT / outside).read_text(encoding="utf-8")
            text = text if outside.endswith(".md") else f"# Licence\n\n{text}"
            files.append(File.generated(config, name, content=_linked(text, outside)))
    files.append(File.generated(config, COMMANDS, content=_commands()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Returns a page whose links out of ``docs/`` lead to their pages of the site."""
    return markdown if page.file.generated_by else _linked(markdown, f"docs/{page.file.src_uri}")


def _linked(markdown: str, source: str) -> str:
    """Returns the text of a file of the repository with links that hold within the site."""
    page = OUTSIDE.get(source, source.removeprefix("docs/"))

    def replaced(match: re.Match[str]) -> str:
        before, address, after = match.groups()
        if "://" in address or address.startswith("mailto:"):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), address))
        inside = OUTSIDE.get(target, target.removeprefix("docs/") if target.startswith("docs/") else "")
        return f"{before}{posixpath.relpath(inside, posixpath.dirname(page) or '.')}{after}" if inside else match[0]

    return LINK.sub(replaced, markdown)


# --- commands ---


def _commands() -> str:
    """Returns the page of all commands with their options, from the parser itself."""
    from ser.cli.arguments import parser
    from ser.cli.main import FUNCTIONS

    whole = parser(FUNCTIONS)
    choices = next(action for action in whole._actions if isinstance(action, _SubParsersAction))
    text = (
        "# Commands\n\n`ser COMMAND --help` prints the same; `ser run STUDY --set x=1` lists the settings of a study.\n"
    )
    for name, sub in choices.choices.items():
        text += f"\n## ser {name}\n\n{sub.description or ''}\n\n```text\n{_usage(sub)}\n```\n"
        rows = [row for action in sub._actions if (row := _row(action))]
        text += "\n| argument | meaning |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return text + "\n" + "\n".join(_epilogue(whole)) + "\n"


def _usage(sub: ArgumentParser) -> str:
    return sub.format_usage().strip().removeprefix("usage: ")


def _row(action: Action) -> str:
    """Returns the row of an argument, "" for ``--help`` and for what help does not show."""
    if action.help == "==SUPPRESS==" or "--help" in action.option_strings:
        return ""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    shown = f"{names} {value}" if action.option_strings and value else names
    values: dict[str, Any] = {**vars(action), "prog": "ser"}
    meaning = ((action.help or "") % values).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return f"| `{shown.replace('|', chr(92) + '|')}` | {meaning} |"


def _epilogue(whole: ArgumentParser) -> Iterator[str]:
    """Yields the lines on exit statuses, from the end of the help."""
    yield "## Exit status"
    yield ""
    found = re.search(r"exit status: (.*)", whole.epilog or "", re.S)
    for part in re.split(r",\s+", found[1].strip()) if found else ():
        yield f"- {part}"
