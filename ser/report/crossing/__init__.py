"""Trials on corpora that they did not learn from: a section of every report that has such tests, and a study's own."""
