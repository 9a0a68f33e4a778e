"""What a study says: plain values, no torch. A trial is a statement, its id a hash of the whole statement."""

from ser.study.components import completed
from ser.study.encoders import expand_encoders, takes_encoders
from ser.study.load import load_study, study_file, study_names, with_demo_budget
from ser.study.origins import Origin, origins
from ser.study.overrides import override, settable_paths, value_at
from ser.study.points import trial_of
from ser.study.references import references_of
from ser.study.settings import complete, setting, settings_of, stated_settings
from ser.study.stored import check_versions, stored_trial
from ser.study.study import (
    EACH,
    Comparison,
    Demo,
    Features,
    Labels,
    Point,
    Search,
    Study,
    System,
    grid,
    subsets,
)
from ser.study.trial import (
    POOLING_SIGNS,
    REFERENCE,
    SCHEMA,
    Corpus,
    Training,
    Trial,
    canonical,
    flat,
    identity,
    statement,
)
from ser.study.values import Part, Value, part

__all__ = [
    "EACH",
    "POOLING_SIGNS",
    "REFERENCE",
    "SCHEMA",
    "Comparison",
    "Corpus",
    "Demo",
    "Features",
    "Labels",
    "Origin",
    "Part",
    "Point",
    "Search",
    "Study",
    "System",
    "Training",
    "Trial",
    "Value",
    "canonical",
    "check_versions",
    "complete",
    "completed",
    "expand_encoders",
    "flat",
    "grid",
    "identity",
    "load_study",
    "origins",
    "override",
    "part",
    "references_of",
    "settable_paths",
    "setting",
    "settings_of",
    "stated_settings",
    "statement",
    "stored_trial",
    "study_file",
    "study_names",
    "subsets",
    "takes_encoders",
    "trial_of",
    "value_at",
    "with_demo_budget",
]
