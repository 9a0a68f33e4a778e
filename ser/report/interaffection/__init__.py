"""The report of the study ``interaffection``."""
