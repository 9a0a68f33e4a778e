"""Names of places in a page: each once, and the same in every report of a study, so that a link stays good."""

import re
import unicodedata


class Anchors:
    """Gives every place of one page a name that no other place of it has."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, text: str) -> str:
        """Returns a name for the place with this key or title: ``Best result`` is ``best-result``."""
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-") or "part"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name
