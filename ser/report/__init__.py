"""Reports: one folder each, from finished runs to the tables and figures of a paper. A study names its report.

Its ``content.py`` defines ``content(finished, expected, options) -> Content``. ``finished`` are read once, from the
oldest on, as ten thousand tables of predictions fill gigabytes. It may state what it reads of a run:
``PARAMS``, names in which a * is any text, and ``SCORES``, beginnings of names; without, all. It may also state
``AXES``, the axes that it can tell apart: where a study varies more, the tables of the general report follow its own.
"""
