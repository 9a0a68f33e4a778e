"""Names of languages for people; utterances and corpora bear codes of BCP 47, as "pt-BR"."""

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
