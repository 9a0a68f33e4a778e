"""The report of the study ``survey``."""
