"""The printed numbers of Sahoo et al. 2019 as data, and what does not fit in them.

Sahoo, Kumar, Raman, Roy, "A Segment Level Approach to Speech Emotion Recognition using Transfer Learning", ACPR 2019,
Tables 1 to 5 and the percentages that its text quotes from Figure 3. The paper prints accuracies as fractions; here
they are percent.
"""

from ser.report.printed import Printed, Tables, cell

CLASSES = ("angry", "happy", "sad", "neutral")  # happy includes excited
SEGMENTATIONS = ("none", "nonoverlap", "overlap")
METRICS = ("sa", "aca", "sca", "alca", "bca")

# Table 1 in segments, which it prints as shares: per segmentation as CLASSES.
TABLE_1_COUNTS = {
    "none": (1103, 1636, 1084, 1708),
    "nonoverlap": (5530, 8393, 6495, 7517),
    "overlap": (10106, 15384, 12160, 13530),
}

_MEAN = ("mean", "std")
_CELLS: Tables = {
    ("table1", "count"): (SEGMENTATIONS, {"total": (10039, 49795, 91017), "relevant": (5531, 27935, 51180)}),
    ("table1", "share"): (
        SEGMENTATIONS,
        {
            "relevant": (55.10, 56.10, 56.23),
            "angry": (19.94, 19.80, 19.75),
            "happy": (29.58, 30.04, 30.06),
            "sad": (19.60, 23.25, 23.76),
            "neutral": (30.88, 26.91, 26.44),
        },
    ),
    ("table2", "architecture"): (
        ("Activation size",),
        {
            "input": ("1 × 96 × 64",),
            "conv1": ("64 × 96 × 64",),
            "pool1": ("64 × 48 × 32",),
            "conv2": ("128 × 48 × 32",),
            "pool2": ("128 × 24 × 16",),
            "conv3_1": ("256 × 24 × 16",),
            "conv3_2": ("256 × 24 × 16",),
            "pool3": ("256 × 12 × 8",),
            "conv4_1": ("512 × 12 × 8",),
            "conv4_2": ("512 × 12 × 8",),
            "pool4": ("512 × 6 × 4",),
            "flatten": ("1 × 12288",),
            "fc1_1": ("1 × 4096",),
            "fc1_2": ("1 × 4096",),
            "fc2": ("1 × 128",),
        },
    ),
    # Rows: segmentation; mean and standard deviation over six runs.
    ("table3", "sa"): (_MEAN, {"nonoverlap": (56.4, 0.6), "overlap": (56.1, 1.1)}),
    ("table3", "aca"): (_MEAN, {"nonoverlap": (19.6, 1.0), "overlap": (12.5, 1.0)}),
    ("table3", "sca"): (_MEAN, {"nonoverlap": (55.9, 0.9), "overlap": (62.1, 1.9)}),
    ("table3", "alca"): (_MEAN, {"nonoverlap": (66.8, 1.4), "overlap": (68.7, 1.9)}),
    ("table3", "bca"): (_MEAN, {"nonoverlap": (70.7, 1.1), "overlap": (70.3, 1.7)}),
    # Rows: units of the last hidden layer, on overlapping segments.
    ("table4", "sa"): (_MEAN, {"100": (56.0, 1.2), "200": (56.1, 1.1), "400": (55.9, 1.7)}),
    ("table4", "aca"): (_MEAN, {"100": (13.2, 1.2), "200": (12.5, 1.0), "400": (13.1, 1.0)}),
    ("table4", "sca"): (_MEAN, {"100": (61.6, 1.7), "200": (62.1, 1.9), "400": (61.7, 2.2)}),
    ("table4", "alca"): (_MEAN, {"100": (68.4, 2.0), "200": (68.7, 1.9), "400": (67.4, 1.8)}),
    ("table4", "bca"): (_MEAN, {"100": (70.3, 1.3), "200": (70.3, 1.7), "400": (69.9, 2.0)}),
    ("table5", "accuracy"): (
        ("Modality", *_MEAN),
        {
            "Baseline": ("A", 51.1, ""),
            "ARE": ("A", 54.6, ""),
            "ACNN": ("A", 56.1, ""),
            "Ensemble (audio)": ("A", 56.2, ""),
            "audio-BRE": ("A", 64.6, ""),
            "Ensemble (text)": ("T", 63.1, ""),
            "TRE": ("T", 63.5, ""),
            "Proposed (Non-overlap)": ("A", 66.8, 1.4),
            "Proposed (Overlap)": ("A", 68.7, 1.9),
        },
    ),
    # Figure 3: true class (row) by predicted class (column), as far as the text quotes it.
    ("figure3", "nonoverlap"): (CLASSES, {"angry": (56.9, 26.72, "", ""), "neutral": ("", "", "", 60.84)}),
    ("figure3", "overlap"): (CLASSES, {"angry": (66.39, "", "", ""), "neutral": ("", "", "", 71.25)}),
}
# Fractions with these percentages and a number of clips that a tenth of the corpus can have.
FIGURE_3_FRACTIONS = {
    ("nonoverlap", "angry", "angry"): (66, 116),
    ("nonoverlap", "angry", "happy"): (31, 116),
    ("nonoverlap", "neutral", "neutral"): (101, 166),
    ("overlap", "angry", "angry"): (79, 119),
    ("overlap", "neutral", "neutral"): (114, 160),
}

INCONSISTENCIES = (
    "Overlapping segments are described as windows of one second every half second, the last one padded. The printed "
    "51180 and 91017 are not theirs, which would be 47504 of the four classes. They are what the authors' program "
    "makes: it strings the windows together, computes one log-mel spectrogram of that, and cuts it every 0.96 s, so "
    "that segments drift against the windows and straddle them.",
    "Utterances were drawn for training and test by chance, so speakers and dialogues are in both. Table 5 "
    "compares that with results of other splits.",
    "The two matrices of Figure 3 are not of one test set. 56.9 and 26.72 % are 66 and 31 of 116 angry clips, 66.39 % "
    "are 79 of 119 or 81 of 122; 60.84 % are 101 of 166 neutral clips, 71.25 % are 114 of 160.",
    "Most angry clips are said to be taken for happy without overlap. Those are 26.72 %; 56.9 % are found.",
    "200 units are called better than 100 and 400. In the accuracy used for comparison they are 0.3 points ahead of "
    "100, with a standard deviation of 1.9 over six runs; with 100, all segments of a clip are right more often.",
    "The loss is not said; the authors' program has a sigmoid per class. Nor is whether the six runs differ in split, "
    "which Figure 3 shows: its two matrices are of other test clips.",
    "Early stopping with a patience of 50 is all that is said of the epoch that is tested. The authors' program looks "
    "after every tenth epoch, keeps the best validation accuracy if the loss is below the least plus 0.01, and stops "
    "after five looks without one.",
    "Batches are of 32 in the paper and of 16 in the program.",
    "Which of the five accuracies the baseline's 51.1 % are, is not said.",
    "The ten classes of IEMOCAP's 10039 utterances leave out the quarter that has no majority (2507).",
    "Segments of a clip are numbered from 0 to n in the text, one more than there are.",
)


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns what the paper prints in a cell (percent, count or text), or None where it prints nothing.

    >>> printed("table3", "alca", "overlap", "mean")
    68.7
    """
    return cell(_CELLS, table, metric, row, column)
