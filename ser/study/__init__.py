"""What a study says: plain values, no torch. A trial is a statement, its id a hash of the whole statement."""

from ser.study.settings import complete, setting, settings_of
from ser.study.study import (
    POOLING_SIGNS,
    Corpus,
    Point,
    Study,
    System,
    Training,
    Trial,
    canonical,
    flat,
    grid,
    identity,
    load_study,
    subsets,
    with_setting,
)
from ser.study.values import Part, Value, part

__all__ = [
    "POOLING_SIGNS",
    "Corpus",
    "Part",
    "Point",
    "Study",
    "System",
    "Training",
    "Trial",
    "Value",
    "canonical",
    "complete",
    "flat",
    "grid",
    "identity",
    "load_study",
    "part",
    "setting",
    "settings_of",
    "subsets",
    "with_setting",
]
