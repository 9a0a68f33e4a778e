"""A section that a report gets beside its own tables: tables, figures and notes."""

from dataclasses import dataclass, replace

from ser.report.content import Content, Picture, Table


@dataclass(frozen=True, eq=False)
class Section:
    """What a report adds to its own; nothing where there is nothing to say."""

    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


def with_section(content: Content, section: Section, first: bool = False) -> Content:
    """Returns a report with the section behind its own tables and figures, or before them."""
    tables, pictures = (content.tables, section.tables), (content.pictures, section.pictures)
    if first:
        tables, pictures = tables[::-1], pictures[::-1]
    return replace(
        content,
        tables=(*tables[0], *tables[1]),
        pictures=(*pictures[0], *pictures[1]),
        notes=(*content.notes, *section.notes),
    )
