"""The report of the study ``multilabel``."""
