"""The papers' printed numbers as data, one file per paper, to stand beside ours; and what does not fit in them.

Every file has ``printed(table, metric, row, column)``, which gives what a cell of the paper holds or None, and
``INCONSISTENCIES``, sentences for the report. Shares are percent, whatever the paper prints, and emotions, corpora and
networks bear this project's names; other rows and columns those of the paper.
"""
