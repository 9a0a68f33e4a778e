"""The report of a study across corpora: tests on strangers first, then every result as the general report has it.

The section on strangers is added where runs are collected, as in every report (``FIRST``: before the rest).
"""

from collections.abc import Iterable

from ser import registry
from ser.report.content import Content
from ser.report.runs import Expected, Finished, Options

FIRST = True  # the section on strangers comes before the report's own tables


def content(finished: Iterable[Finished], expected: Expected, options: Options) -> Content:
    """Arranges all results on corpora that were trained on. Raises BadInput as the general report does."""
    general: Content = registry.find("report", "general").content(finished, expected, options)
    return general
