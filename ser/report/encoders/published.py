"""The numbers of Ma et al. 2024 (EmoBox) on the corpora that this project reads, and on which folds they are.

Ma, Chen, Zhang, Zheng, Chen, Li, Ye, Chen, Hain, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit
and Benchmark", Interspeech 2024, arXiv 2406.07162: Table 4, intra-corpus results, in percent. The folds are those of
the lists of utterances that come with the toolkit (github.com/emo-box/EmoBox, folder ``data``).

Their models read the frames of an encoder's last layer: a linear layer of 256 units and ReLU, the mean over time, a
linear layer. Where the lists have no validation subset, a fifth of the training utterances is drawn for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ser.report.emobox_models import MODELS
from ser.report.printed import Printed, Tables, cell


@dataclass(frozen=True)
class Protocol:
    """How the lists split a corpus, and which split rule here tests the same utterances in the same folds."""

    words: str  # what the lists hold
    rule: str = ""  # of ``ser.data.splits``; "" = none: the folds are only theirs
    by: str = ""  # its setting
    tested: tuple[int, ...] = ()  # utterances of the folds, in the order of the rule
    classes: frozenset[str] = frozenset()
    # Where the rule is "given": what the sorted names of the tested recordings of each fold hash to.
    lists: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether a split rule here gives these folds."""
        return bool(self.rule)


_SEVEN = frozenset(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"))
PROTOCOLS = {
    "iemocap": Protocol(
        "five folds, each tests a session",
        *("leave_one_out", "session", (1085, 1023, 1151, 1031, 1241)),
        frozenset(("angry", "happy", "neutral", "sad")),
    ),
    "savee": Protocol("four folds, each tests a speaker", "leave_one_out", "speaker", (120, 120, 120, 120), _SEVEN),
    "emodb": Protocol(
        "five lists of 107 utterances, all ten speakers in training and test",
        *("given", "", (107,) * 5),
        _SEVEN - {"surprise"} | {"boredom"},
        ("432d00d7bb1f0c27", "a3779739545b8e3b", "ccba7e7c94de3b9a", "c86ed5e900cc8a4d", "bdf1c3602390cca2"),
    ),
    "ravdess": Protocol("six lists of four actors"),
    "crema_d": Protocol(
        "one list of 1,856 utterances, all 91 speakers in training and test",
        *("given", "", (1856,)),
        _SEVEN - {"surprise"},
        ("0bd8af9e7c0e22a3",),
    ),
    "tess": Protocol(
        "one list of 700 utterances, both speakers in training and test",
        *("given", "", (700,)),
        _SEVEN,
        ("5f8ec1bf0300b513",),
    ),
}

COLUMNS = ("UA", "WA", "F1")
_CORPORA: Mapping[str, tuple[tuple[float, float, float], ...]] = {  # rows in the order of MODELS
    "crema_d": ((61.95, 61.90, 61.75), (71.13, 70.98, 71.00), (73.83, 73.64, 73.73), (69.64, 69.49, 69.54),
                (74.50, 74.32, 74.39), (58.03, 57.78, 57.73), (63.80, 63.51, 63.48), (65.74, 65.48, 65.47),
                (69.55, 69.27, 69.25), (76.75, 76.48, 76.60)),
    "emodb": ((82.06, 83.14, 82.21), (87.73, 87.73, 87.82), (89.81, 90.26, 89.86), (87.03, 87.12, 86.76),
              (92.58, 92.67, 92.57), (58.12, 60.01, 58.32), (60.96, 61.95, 61.26), (75.07, 75.86, 75.49),
              (79.36, 80.41, 79.96), (91.26, 92.43, 91.84)),
    "iemocap": ((58.27, 57.73, 57.83), (63.87, 63.10, 63.45), (67.42, 66.69, 67.24), (62.92, 63.94, 63.40),
                (69.47, 69.07, 69.29), (54.19, 53.20, 53.76), (52.56, 51.11, 51.71), (54.40, 53.19, 53.71),
                (57.30, 56.23, 56.70), (73.54, 72.86, 73.11)),
    "ravdess": ((54.33, 55.40, 53.99), (65.43, 66.21, 65.31), (70.00, 70.29, 69.54), (61.56, 62.10, 61.18),
                (72.00, 72.22, 71.42), (51.92, 52.22, 51.10), (59.30, 59.50, 58.74), (64.66, 64.84, 64.18),
                (71.15, 71.63, 70.94), (75.32, 75.87, 75.19)),
    "savee": ((44.89, 49.83, 42.07), (58.90, 59.85, 64.05), (71.91, 75.05, 71.83), (63.57, 67.05, 62.83),
              (66.74, 70.80, 66.37), (75.65, 78.25, 78.38), (68.01, 71.45, 71.08), (72.65, 75.50, 75.59),
              (75.75, 78.59, 78.24), (74.07, 77.24, 75.31)),
    "tess": ((97.92, 97.92, 97.92), (99.62, 99.62, 99.62), (99.86, 99.86, 99.86), (99.10, 99.10, 99.10),
             (99.78, 99.78, 99.78), (94.67, 94.67, 94.65), (96.89, 96.89, 96.89), (98.55, 98.55, 98.55),
             (99.54, 99.54, 99.54), (99.96, 99.96, 99.96)),
}  # fmt: skip

_TABLES: Tables = {
    ("table4", corpus): (COLUMNS, {model.name: values for model, values in zip(MODELS, rows, strict=True)})
    for corpus, rows in _CORPORA.items()
}


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns a printed number in percent, None where nothing is printed; ``metric`` is the corpus.

    >>> printed("table4", "iemocap", "Whisper large v3", "UA")
    73.54
    """
    return cell(_TABLES, table, metric, row, column)


INCONSISTENCIES = (
    "On SAVEE the macro F1 of HuBERT base (64.05) is four points above its WA (59.85), and five above its UA (58.90); "
    "of no other model there is it more than 0.2 above both.",
    "The public leaderboard lists data2vec base twice on SAVEE; the second line has the numbers that it prints for "
    "RAVDESS, and data2vec 2.0 base is missing. Here are the numbers of Table 4.",
    "Lists of EMO-DB, CREMA-D and TESS have the same speakers in training and test: their accuracies are those of "
    "known speakers, and stand in one table with those of new ones (IEMOCAP, RAVDESS, SAVEE).",
)
