"""Reports: one file each, from finished runs to the tables and figures of a paper. A study names its report.

A file defines ``content(finished, expected, options) -> Content``. ``finished`` are read once, from the oldest on, as
ten thousand tables of predictions fill gigabytes. It may state what it reads of a run's params and scores: ``PARAMS``,
names, and ``SCORES``, beginnings of names; without, it is given all.
"""
