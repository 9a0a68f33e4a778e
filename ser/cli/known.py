"""What there is to know of corpora before they are at hand: ``ser corpora --known``, which needs no network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from ser import registry
from ser.data.about import About
from ser.errors import unknown
from ser.study.languages import language_name

_FORMATS = "formats, for corpora of one's own and those of others"


@dataclass(frozen=True)
class Entry:
    """A published corpus, and the loader that reads it."""

    title: str
    facts: About
    loader: str
    utterances: int  # 0 where it is not known
    speakers: int
    labels: Sequence[str] = ()


def listed(columns: int) -> list[str]:
    """Returns a paragraph for each corpus that can be read, and the formats in which others are."""
    lines: list[str] = []
    for name, corpus in entries().items():
        lines += [_head(name, corpus), *_lines(corpus, columns), ""]
    lines += [f"{_FORMATS}:"]
    for name in registry.names("corpora"):
        module = registry.find("corpora", name)
        if _facts_of(name) is None:
            lines += [f"  {name}", *(f"    {line}" for line in wrap(f"{module.TITLE}: {module.FILES}", columns - 4))]
    return [*lines, "", "ser corpora --known NAME says more of one"]


def detailed(name: str, columns: int) -> list[str]:
    """Returns all that is known of the corpus ``name``. Raises BadInput for a name that there is not."""
    corpora = entries()
    if name not in corpora:
        raise unknown(name, "ser corpora --known", list(corpora), "name one of these, or none to see all")
    corpus = corpora[name]
    lines = [_head(name, corpus), *_lines(corpus, columns)]
    module = registry.find("corpora", corpus.loader)
    if corpus.labels:
        lines += _fact("classes", ", ".join(corpus.labels), columns)
    lines += _fact("files", module.FILES, columns)
    lines += _fact("folder", module.FOLDER, columns)
    for defect in corpus.facts.defects:
        lines += _fact("defect", defect, columns)
    place = "FOLDER" if corpus.loader == name else "LISTS"
    loader = f"ser show corpora/{corpus.loader}"
    return [*lines, *_fact("then", f"ser corpora --corpora {name}={place}; settings: {loader}", columns)]


def entries() -> dict[str, Entry]:
    """Returns every corpus that a loader is made for, and those that lists of a format tell of, by name."""
    corpora: dict[str, Entry] = {}
    names = registry.names("corpora")
    for name in names:
        if (facts := _facts_of(name)) is not None:
            module = registry.find("corpora", name)
            counts = module.expected(module.Settings())
            total = sum(counts.values())
            corpora[name] = Entry(module.TITLE, facts, name, total, module.EXPECTED_SPEAKERS, tuple(counts))
    for loader in names:
        for name, entry in getattr(registry.find("corpora", loader), "CORPORA", {}).items():
            if entry.about is not None and name not in corpora:
                corpora[name] = Entry(entry.title, entry.about, loader, entry.utterances, 0)
    return dict(sorted(corpora.items()))


def _facts_of(name: str) -> About | None:
    """Returns what a loader states of its corpus, None for a format and for plugins that state nothing."""
    facts: About | None = getattr(registry.find("corpora", name), "ABOUT", None)
    return facts


def _head(name: str, corpus: Entry) -> str:
    title = "" if corpus.title == name else f" · {corpus.title}"
    return name + title + ("" if corpus.loader == name else f" (read by {corpus.loader})")


def _lines(corpus: Entry, columns: int) -> Iterator[str]:
    facts = corpus.facts
    size = ", ".join(
        f"{count} {what}" for count, what in ((corpus.utterances, "utterances"), (corpus.speakers, "speakers")) if count
    )
    first = " · ".join(filter(None, (", ".join(map(language_name, facts.languages)), facts.kind, size)))
    yield from (f"  {line}" for line in wrap(first, columns - 2))
    yield from _fact("licence", facts.licence, columns)
    yield from _fact("reference", facts.reference, columns)
    yield from _fact("download", facts.download, columns)


def _fact(name: str, text: str, columns: int) -> list[str]:
    first, *others = wrap(text, columns - 13, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"  {name:9}  {first}", *(" " * 13 + line for line in others)]
