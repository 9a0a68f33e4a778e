"""The report of the study ``segments``."""
