"""An extension of Griffe: examples of docstrings (``>>>``) stand in the reference as code."""

import re

from griffe import Extension, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\n|$).*)*", re.M)


class Doctests(Extension):
    """Puts every example of a docstring into a fence."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Changes the docstring of ``obj``, if it has one."""
        if obj.docstring and ">>> " in obj.docstring.value:
            obj.docstring.value = EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)
