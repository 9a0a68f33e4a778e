"""What there is to know of a corpus before it is at hand: its languages, how it came about, licence, where it is."""

from dataclasses import dataclass

KINDS = ("acted", "elicited", "natural")


@dataclass(frozen=True)
class About:
    """Facts of a published corpus, as its loader states them; none of them changes a number."""

    languages: tuple[str, ...]  # BCP 47: "de", "zh"
    kind: str  # "acted": by actors from a script | "elicited": brought about, improvised, induced | "natural": found
    licence: str  # in its own words or its SPDX name, with what it demands: "request form; research only"
    reference: str  # authors, title, where and when it was published, DOI
    download: str  # what to download or ask for, and where
    defects: tuple[str, ...] = ()  # known ones of the release, and what the loader does with them

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of {', '.join(KINDS)}")
