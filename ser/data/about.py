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


_LANGUAGES = {
    "am": "Amharic", "ar": "Arabic", "bn": "Bangla", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fa": "Persian", "fr": "French", "hi": "Hindi", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "mul": "several languages", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "te": "Telugu", "tr": "Turkish", "ur": "Urdu", "vi": "Vietnamese",
    "zh": "Mandarin",
}  # fmt: skip


def language_name(tag: str) -> str:
    """Returns the English name of a language, with its code; the code alone where no name is known.

    >>> language_name("pt-BR"), language_name("tlh")
    ('Portuguese (pt-BR)', 'tlh')
    """
    name = _LANGUAGES.get(tag.partition("-")[0].lower())
    return f"{name} ({tag})" if name else tag
