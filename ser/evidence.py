"""The former place of what ``ser.finished`` holds; gone once ``ser.show`` says so."""

from ser.finished import Expected as Grid

__all__ = ["Grid"]
