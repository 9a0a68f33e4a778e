"""The printed numbers of Khan et al. as data, and what does not fit in them.

Khan et al. on 80 mean MFCC of RAVDESS, speech and song, with a one-dimensional CNN and a simple RNN: Tables 3 to 6 and
the accuracies of text and abstract. Shares are percent.
"""

from ser.report.printed import Printed, Tables, cell

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")  # in the order of its tables

# Table 5: utterances by true (row) and predicted (column) class, of the CNN.
TABLE_5 = (
    (18, 4, 1, 1, 1, 0, 1, 0),
    (3, 50, 2, 2, 0, 1, 2, 1),
    (1, 7, 46, 1, 1, 2, 2, 2),
    (4, 6, 3, 42, 4, 8, 6, 3),
    (0, 2, 5, 1, 53, 1, 2, 0),
    (0, 1, 6, 1, 4, 37, 4, 2),
    (0, 0, 1, 1, 2, 1, 31, 1),
    (0, 0, 4, 0, 5, 3, 4, 16),
)
# The fractions that Table 6 must come from: right ones, and utterances of the class.
TABLE_6_FRACTIONS = ((19, 25), (53, 61), (47, 62), (51, 76), (53, 64), (41, 55), (18, 37), (25, 32))

_CELLS: Tables = {
    ("table3", "architecture"): (
        ("Output shape", "Parameters"),
        {"SimpleRNN": ("80 × 20", 560), "GlobalAveragePooling1D": ("16", 0), "Output": ("8", 136)},
    ),
    ("table4", "architecture"): (
        ("Output shape", "Parameters"),
        {
            "C1": ("78 × 20", 200),
            "S1": ("26 × 20", ""),
            "D1": ("", ""),
            "C2": ("24 × 10", 610),
            "S2": ("8 × 10", ""),
            "S3": ("10", ""),
            "Output": ("8", 88),
        },
    ),
    ("table5", "confusion"): (CLASSES, dict(zip(CLASSES, TABLE_5, strict=True))),
    ("table6", "recall"): (CLASSES, {"cnn1d": (76.00, 86.89, 75.81, 67.11, 82.82, 74.55, 48.65, 78.13)}),
    ("text", "accuracy"): (("Train", "Test"), {"cnn1d": (94.63, 74.57), "rnn": ("", 55.47)}),
}

INCONSISTENCIES = (
    "The confusion matrix of Table 5 does not have the printed test accuracy of 74.57 %: 293 of its 413 utterances are "
    "on the diagonal, 70.94 %.",
    "Table 6 is of another run than Table 5. Its shares are fractions with the row sums of Table 5 below the line "
    "(neutral 25 where Table 5 has 26), but other numbers above it for all classes but anger: disgust is found in "
    "48.65 % of its cases there and in 83.78 % here. Together they make 307 of 412, 74.51 %.",
    "No whole number of 412 test utterances rounds to 74.57 %: 307 give 74.51 %, 308 give 74.76 %. 308 of 413, cut off "
    "and not rounded, would.",
    "Table 6 prints 82.82 % for anger, where 53 of 64 are 82.81 %.",
    "Table 4 counts (9 + 1) · 20 = 200 weights in the first convolution. With one input channel there are 80; 200 need "
    "three channels.",
    "Table 3 gives 16 recurrent units an output of 80 × 20 and 560 weights. Sixteen units have an output of 80 × 16 "
    "and 288 weights.",
    "The text pools over 8, Table 4 over 3: 78 become 26. With 8, the second pooling would have nothing left to pool.",
    "The output is called one sigmoid; there are eight classes that exclude each other.",
    "What lies above the diagonal of a confusion matrix is called false positives, what lies below false negatives. "
    "They are the rest of a class's column and of its row.",
    "A network with 94.63 % on its training data and 74.57 % in the test is called not over-fitted.",
    "Which 1247 of RAVDESS's 2452 recordings were used is not said. Twelve actors make 1248, and the classes of the "
    "test set are distributed like those of speech and song together.",
    "7356 are the files of RAVDESS in all forms, most of them videos; independent recordings are 2452. Its first "
    "sentence is about talking children, not walking ones.",
    "Table 2 lists RAVDESS without calm, one of the eight classes of this paper.",
    "The split is random, so each actor is in training and in test. With 412 test utterances a 95 % interval of the "
    "accuracy is some 4 points wide on either side.",
)


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns what the paper prints in a cell (percent, count or text), or None where it prints nothing.

    >>> printed("table6", "recall", "cnn1d", "disgust")
    48.65
    """
    return cell(_CELLS, table, metric, row, column)
