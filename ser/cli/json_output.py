"""``--json``: a command's listing as one JSON object on standard output; all else that it prints goes beside it."""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout


def called(args: argparse.Namespace) -> int:
    """Runs the command of ``args``; with ``--json`` prints its ``document`` alone. Returns its exit status."""
    if not getattr(args, "as_json", False):
        return int(args.command(args))
    with redirect_stdout(sys.stderr):  # progress, notes and what is for people
        code = int(args.command(args))
    print(dumped(args.document))
    return code


def dumped(document: Mapping[str, object]) -> str:
    """Returns the text of a document; a number that is none, or infinite, is null, as JSON has neither.

    >>> print(dumped({"ua": float("nan"), "title": "μ"}))
    {
     "ua": null,
     "title": "\\u03bc"
    }
    """
    return json.dumps(_finite(document), indent=1, allow_nan=False)


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case str() | int() | None:
            return value
    return str(value)
