"""Settings of components for tests, checked as those of a study are."""

from ser.study import part, settings_of
from ser.study.settings import values_of


def stated(module, **values):
    """The settings of a component's module where a study states these values."""
    _, kind, name = module.__name__.split(".")
    return settings_of(kind, part(name, **values))


def with_values(settings, **values):
    """``settings`` with some values replaced, or BadInput."""
    _, kind, name = type(settings).__module__.split(".")
    name = {"_bagan": "gan"}.get(name, name)
    return settings_of(kind, part(name, **{**values_of(settings), **values}))
