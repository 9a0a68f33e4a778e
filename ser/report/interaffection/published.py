"""The printed numbers of da Silva et al. as data, to stand beside ours; and what does not fit in them.

da Silva, Filho, de Souza, "Interaffection of Multiple Datasets with Neural Networks in Speech Emotion Recognition",
Tables 1 to 5. Numbers are percent or counts as printed; rows and columns bear the names that ``ser.tables`` gives them.
"""

from ser.report.printed import Printed, Tables, cell

TABLE_1_COLUMNS = ("Speakers", "Utterances", "Classes")
TABLE_2_COLUMNS = ("Comb.", "Task", "Temp.", "Pooling", "Best", "Single temp.", "Single pooling", "Single", "Gain")
TABLE_3_COLUMNS = ("LSTM μ", "LSTM μσ²", "BLSTM μ", "BLSTM μσ²", "TDNN μ", "TDNN μσ²")
TABLE_4_COLUMNS = ("LSTM", "BLSTM", "TDNN", "μ", "μσ²", "unified", "multi")
TABLE_5_COLUMNS = ("customer", "iemocap", "ravdess", "tess")

# (table, metric) → row → cells; "" is a cell that cannot be. Gains: 8.3 and 18.8 are in the text, the rest follows.
_CELLS: Tables = {
    ("table1", ""): (
        TABLE_1_COLUMNS,
        {
            "iemocap": ("10", "10039", "9"),
            "tess": ("2", "2800", "8"),
            "ravdess": ("24", "7356", "8"),
            "customer": ("> 30", "5364", "5"),
        },
    ),
    ("table2", "wa"): (
        TABLE_2_COLUMNS,
        {
            "iemocap": ("I", "-", "BLSTM", "μσ²", 58.8, "BLSTM", "μσ²", 58.8, 0.0),
            "ravdess": ("T+R", "multi", "BLSTM", "μσ²", 81.3, "BLSTM", "μσ²", 79.2, 2.1),
            "customer": ("I+T+C", "multi", "TDNN", "μ", 60.4, "BLSTM", "μσ²", 52.1, 8.3),
        },
    ),
    ("table2", "ua"): (
        TABLE_2_COLUMNS,
        {
            "iemocap": ("I+T", "multi", "TDNN", "μσ²", 59.4, "BLSTM", "μσ²", 57.7, 1.7),
            "ravdess": ("T+R", "multi", "BLSTM", "μσ²", 81.9, "TDNN", "μ; μσ²", 79.2, 2.7),
            "customer": ("T+R+C", "multi", "TDNN", "μ", 83.5, "BLSTM", "μ", 64.7, 18.8),
        },
    ),
    ("table3", "wa"): (
        TABLE_3_COLUMNS,
        {"unified": (0.0, 12.5, 4.17, 4.17, 0.0, 8.33), "multi": (0.0, 12.5, 16.67, 4.17, 12.5, 25.0)},
    ),
    ("table3", "ua"): (
        TABLE_3_COLUMNS,
        {"unified": (4.17, 4.17, 4.17, 0.0, 0.0, 16.67), "multi": (4.17, 8.33, 12.5, 0.0, 8.33, 37.5)},
    ),
    ("table4", "wa"): (TABLE_4_COLUMNS, {"share": (29.17, 25.0, 45.83, 20.83, 79.17, 29.17, 70.83)}),
    ("table4", "ua"): (TABLE_4_COLUMNS, {"share": (16.67, 20.83, 62.5, 16.67, 83.33, 29.17, 70.83)}),
    ("table5", "wa"): (
        TABLE_5_COLUMNS,
        {
            "customer": ("", 58.3, 41.7, 66.7),
            "iemocap": (0.0, "", 41.7, 16.7),
            "ravdess": (0.0, 0.0, "", 50.0),
            "All": (0.0, 29.2, 41.7, 44.4),
        },
    ),
    ("table5", "ua"): (
        TABLE_5_COLUMNS,
        {
            "customer": ("", 25.0, 50.0, 58.3),
            "iemocap": (16.7, "", 58.3, 41.7),
            "ravdess": (0.0, 0.0, "", 50.0),
            "All": (8.3, 12.5, 54.2, 50.0),
        },
    ),
}

CASES = 24  # 3 targets x 8 combinations with each; every cell of Tables 3 and 4 is a multiple of 1/24

# Table 3 counted in cases, columns as TABLE_3_COLUMNS; rows unified, multi.
TABLE_3_CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "wa": ((0, 3, 1, 1, 0, 2), (0, 3, 4, 1, 3, 6)),
    "ua": ((1, 1, 1, 0, 0, 4), (1, 2, 3, 0, 2, 9)),
}

# Section 5.2.
COSTS = (
    "The paper says that μσ² pooling and the multi-task set-up “incur in more parameters”, while “training and "
    "inference times had no significant difference”; it prints no times. Inference was not timed here."
)

INCONSISTENCIES = (
    "Table 1 gives TESS 8 classes; the release has 7, of 400 utterances each, which are the printed 2800.",
    "Tables 3 and 4 disagree although Table 4 is said to be a margin of Table 3. Of 24 cases, Table 3 adds "
    "up to LSTM 6, BLSTM 7 (WA) and LSTM 5, BLSTM 4 (UA); Table 4 prints 7 and 6, 4 and 5: the blocks are exchanged.",
    "Pooling disagrees too: Table 3 adds up to μ 8, μσ² 16 in both metrics; Table 4 prints 5 and 19 (WA), 4 and 20 "
    "(UA). Exchanging the two BLSTM columns of Table 3 would settle it. TDNN and the task set-ups agree.",
    "The text says that IEMOCAP did not gain from other corpora. That holds for WA; in UA Table 2 has 57.7 % alone and "
    "59.4 % together with TESS.",
    "The accuracies of RAVDESS (81.3, 79.2 %) and of CustomerPTBR (60.4, 52.1 %) are multiples of 1/48. With 48 test "
    "utterances a 95 % interval is some 11 to 14 points wide on either side, and the gain in WA on RAVDESS is one "
    "utterance.",
    "On CustomerPTBR the best WA (60.4 %) and the best UA (83.5 %) are of different networks and far apart: its test "
    "set must be very unbalanced, and UA rests on few utterances of the rare classes.",
    "The paper does not say on which utterances the best of its 96 results on a corpus were chosen. Chosen on test, as "
    "its Table 2 suggests, the best of so many is biased upwards.",
    "The paper does not say how ties were counted, though with one corpus unified and multi are the same network.",
)


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns what the paper prints in a cell (percent, or text), or None where it prints nothing.

    >>> printed("table3", "wa", "multi", "TDNN μσ²")
    25.0
    """
    return cell(_CELLS, table, metric, row, column)
