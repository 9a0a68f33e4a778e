"""The former place of ``ser.reports._tables``; gone once the tests of the printed numbers say so."""

from ser.reports._tables import marginals

__all__ = ["marginals"]
