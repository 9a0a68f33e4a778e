"""One trial of a plan by what a person types: its id, the beginning of that, or its title."""

from collections.abc import Sequence
from difflib import get_close_matches

from ser.errors import BadInput
from ser.study import Trial
from ser.study.trial import POOLING_SIGNS

_NEAREST = 5


def select(trials: Sequence[Trial], text: str) -> Trial:
    """Returns the trial of that id, of that beginning of an id, or of that title, with or without its signs.

    >>> typed("I+T+R · lstm · μσ² · multi") == typed("i+t+r lstm mean_var multi")
    True

    Raises BadInput, with the nearest titles, where none or several are meant.
    """
    by_title = [t for t in trials if typed(t.title) == typed(text)]
    by_id = [t for t in trials if t.id.startswith(text.strip().lower())] if text.strip() else []
    exact = [t for t in by_title if t.title == text.strip()] or [t for t in by_id if t.id == text.strip().lower()]
    matches = exact or by_title or by_id
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise BadInput(
            f"{text!r} is {len(matches)} trials", "--trial", _listed(matches), "give more of its id, or its whole title"
        )
    remedy = "give an id, its beginning or a title as printed; signs may be typed: I+T+R lstm mean_var multi"
    raise BadInput(repr(text), "--trial", _listed(_nearest(trials, text)), remedy)


def typed(title: str) -> str:
    """A title in small letters and ASCII: ``i+t+r lstm mean_var multi``."""
    plain = title.lower().replace("²", "2").replace("µ", "μ")  # the micro sign of keyboards is another letter
    for name, sign in sorted(POOLING_SIGNS.items(), key=lambda item: -len(item[1])):
        plain = plain.replace(sign.replace("²", "2"), name)
    return " ".join(plain.replace("·", " ").split())


def _nearest(trials: Sequence[Trial], text: str) -> list[Trial]:
    """Trials whose titles have every typed word, then those whose titles resemble it."""
    words = set(typed(text).split())
    by_title = {typed(t.title): t for t in trials}
    names = [name for name in by_title if words and words <= set(name.split())]
    names += get_close_matches(typed(text), by_title, _NEAREST, 0.3)
    return [by_title[name] for name in dict.fromkeys(names)] or list(trials)


def _listed(trials: Sequence[Trial]) -> str:
    titles = [f"{t.title} ({t.id})" for t in trials[:_NEAREST]]
    return ", ".join(titles) + (f" and {len(trials) - _NEAREST} more" if len(trials) > _NEAREST else "")
