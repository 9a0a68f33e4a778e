"""The printed numbers of Pinto et al. as data, with what each can be compared with, and what does not fit in them.

Pinto, Balasubramani, Martis, "Exploring Emotional Signals: a Study on Audio-Based Emotion Classification", Table 1,
and what its text says of the same works. Numbers are percent.
"""

from dataclasses import dataclass
from itertools import product

from ser.report.printed import Printed, Tables, cell

FAMILIES = ("time", "frequency", "mfcc", "chroma", "rhythm", "wavelet")  # section 4, A to F
CLASSIFIERS = ("svm", "knn", "lda", "mlp", "cnn")
CONTROLS = ("none", "copying", "signal", "gan")  # what Chatziagapi et al. compare, the first without augmentation

# What is run here, by the names that runs bear: the works of Table 1 in its order, what only abstract and text name,
# and every family of features with every classifier.
SYSTEMS = (
    *("badshah", "zhao_2d", "zhao_1d"),
    *(f"chatziagapi_{control}" for control in CONTROLS),
    *("demircan_mlp", "demircan_svm", "demircan_knn", "qamhan", "yoon", "huang", "wu_lda", "wu_svm", "wang"),
    *("shegokar", "zhang", "zeng", "popova", "mustaqeem", "autoencoder", "lim", "trigeorgis"),
    *(f"{family}_{classifier}" for family, classifier in product(FAMILIES, CLASSIFIERS)),
)

COLUMNS = ("Dataset", "Model", "Accuracy")
TABLE_1: dict[str, tuple[str, str, str]] = {
    "Badshah et al. [5]": ("EMO-DB", "CNN with spectrograms", "52%"),
    "Zhao et al. [10]": (
        "EMO-DB",
        "CNN-LSTM with log-mel spectrograms",
        "95.33% (speaker-dependent), 95.89% (speaker-independent)",
    ),
    "Chatzagiapi et al. [11]": ("IEMOCAP", "GANs for data augmentation", "10% relative performance gain"),
    "Demircan & Kahramanli [13]": ("EMO-DB", "ANN, SVM, KNN with MFCCs", "90% (ANN), 92.86% (SVM), 92.86% (KNN)"),
    "Mustafa A. Qamhan et al. [12]": (
        "King Saud University Emotions' Arabic",
        "CRNN (CNN + LSTM)",
        "84.55% (file level), 77.51% (segment level)",
    ),
    "Yoon et al. [15]": ("IEMOCAP", "Multimodal (audio + text)", "71.8%"),
    "Huang et al. [16]": (
        "Not specified",
        "Semi-CNN + SVM",
        "88.3% (speaker-dependent), 85.2% (speaker-independent)",
    ),
    "Wu et al. [14]": ("EMO-DB", "LDA with MSFs and prosodic features", "85.8%"),
    "Wang et al. [17]": ("EMO-DB", "SVM with FP and MFCC", "73.3%"),
    "Shegokar et al. [18]": ("RAVDESS", "SVM with CWT", "60.1% (Quadratic SVM)"),
    "Zhang et al. [19]": ("RAVDESS", "GMTFS", "57.14%"),
    "Zeng et al. [20]": ("RAVDESS", "Multi-task GResNets", "65.97%"),
    "Popova et al. [21]": ("RAVDESS", "CNN (VGG-16)", "71%"),
    "Mustageem [28]": ("IEMOCAP, RAVDESS", "Deep Stride CNN", "81.75% (IEMOCAP), 79.5% (RAVDESS)"),
}


@dataclass(frozen=True)
class Claim:
    """One number of Table 1."""

    row: str  # of TABLE_1
    system: str  # of SYSTEMS
    corpus: str  # this project's name; that of the text where the table has none
    printed: str  # its part of the printed cell
    percent: float  # an accuracy, or a gain
    protocol: str  # "sd": speaker dependent | "si": independent | "?": told neither by the survey nor by its source
    classes: int | None  # None: unknown
    utterances: int | None
    comparable: bool  # with a run on equal terms under one of our protocols
    words: str  # with what, or why not, in a word or two
    why: str  # the same in a sentence
    of: str = ""  # what it counts, if not utterances: "file", "segment"; "relative" for a gain

    @property
    def authors(self) -> str:
        """As printed, without the reference."""
        return self.row.partition(" [")[0]

    @property
    def short(self) -> str:
        """``95.33 SD``, ``77.51 segment``, ``+10 % relative``."""
        if self.of == "relative":
            return f"+{self.percent:g} % relative"
        return " ".join(w for w in (f"{self.percent:g}", self.of, self.protocol.strip("?").upper()) if w)


_FUZZY = "Ninety and 92.86 % of one test side are 63 and 65 of 70 items, where one makes 1.4 points."
_IMPLAUSIBLE = "New speakers are printed as easier than known ones, so that whole speakers were hardly left out."
_UNSPECIFIED = "The table has no corpus; the text says EMO-DB with 800 entries, of which 535 are released."

# Protocols and classes are those of the survey, or of the works themselves as far as they are known.
CLAIMS = (
    Claim("Badshah et al. [5]", "badshah", "emodb", "52%", 52.0, "?", 7, None, False, "no protocol",
          "Neither protocol nor test size is given, and the number is cited to two other papers."),
    Claim("Zhao et al. [10]", "zhao_2d", "emodb", "95.33% (speaker-dependent)", 95.33, "sd", 7, None, False,
          "SI above SD", _IMPLAUSIBLE),
    Claim("Zhao et al. [10]", "zhao_2d", "emodb", "95.89% (speaker-independent)", 95.89, "si", 7, None, False,
          "SI above SD", _IMPLAUSIBLE),
    Claim("Chatzagiapi et al. [11]", "chatziagapi_gan", "iemocap", "10% relative performance gain", 10.0, "si", 4,
          None, False, "relative",
          "A gain in UA relative to no augmentation, by sessions; the table of augmentations has ours.", "relative"),
    Claim("Demircan & Kahramanli [13]", "demircan_mlp", "emodb", "90% (ANN)", 90.0, "?", None, 520, False,
          "70 test items", _FUZZY),
    Claim("Demircan & Kahramanli [13]", "demircan_svm", "emodb", "92.86% (SVM)", 92.86, "?", None, 520, False,
          "70 test items", _FUZZY),
    Claim("Demircan & Kahramanli [13]", "demircan_knn", "emodb", "92.86% (KNN)", 92.86, "?", None, 520, False,
          "70 test items", _FUZZY),
    Claim("Mustafa A. Qamhan et al. [12]", "qamhan", "ksuemotions", "84.55% (file level)", 84.55, "?", 5, None, False,
          "paid corpus", "The corpus has to be bought, and the protocol is not told.", "file"),
    Claim("Mustafa A. Qamhan et al. [12]", "qamhan", "ksuemotions", "77.51% (segment level)", 77.51, "?", 5, None,
          False, "paid corpus", "It counts segments, where ours counts utterances; and the corpus has to be bought.",
          "segment"),
    Claim("Yoon et al. [15]", "yoon", "iemocap", "71.8%", 71.8, "sd", 4, None, False, "text too",
          "It reads the words as well, and was tested on a draw of 15 % of the utterances, not on all."),
    Claim("Huang et al. [16]", "huang", "emodb", "88.3% (speaker-dependent)", 88.3, "sd", None, 800, False,
          "no corpus", _UNSPECIFIED),
    Claim("Huang et al. [16]", "huang", "emodb", "85.2% (speaker-independent)", 85.2, "si", None, 800, False,
          "no corpus", _UNSPECIFIED),
    Claim("Wu et al. [14]", "wu_lda", "emodb", "85.8%", 85.8, "si", 7, 800, True, "with SI",
          "Seven classes and new speakers, as ours; that there were 800 recordings cannot be, 535 are released."),
    Claim("Wang et al. [17]", "wang", "emodb", "73.3%", 73.3, "si", 6, None, False, "6 classes",
          "Six classes, without disgust, are easier than seven."),
    Claim("Shegokar et al. [18]", "shegokar", "ravdess", "60.1% (Quadratic SVM)", 60.1, "?", 8, 720, False,
          "male only", "The twelve male actors alone, in five folds of which it is not told who is in them."),
    Claim("Zhang et al. [19]", "zhang", "ravdess", "57.14%", 57.14, "si", 4, 1316, False, "4 classes",
          "Four of the eight classes, in speech and song together."),
    Claim("Zeng et al. [20]", "zeng", "ravdess", "65.97%", 65.97, "?", 8, None, False, "with song",
          "Speech and song together, and the protocol is not told."),
    Claim("Popova et al. [21]", "popova", "ravdess", "71%", 71.0, "?", 8, None, False, "no protocol",
          "Neither protocol nor test size is given, and the network was fine-tuned, not trained from random weights."),
    Claim("Mustageem [28]", "mustaqeem", "iemocap", "81.75% (IEMOCAP)", 81.75, "sd", 4, None, True, "with SD",
          "Five folds drawn by chance, speakers in training and test, as in ours."),
    Claim("Mustageem [28]", "mustaqeem", "ravdess", "79.5% (RAVDESS)", 79.5, "sd", 8, None, True, "with SD",
          "Five folds drawn by chance, speakers in training and test, as in ours."),
)  # fmt: skip

# The rows whose accuracies Figures 1 and 2 show, by our name for the corpus.
FIGURES = {
    "emodb": tuple(c for c in CLAIMS if TABLE_1[c.row][0] == "EMO-DB"),
    "ravdess": tuple(c for c in CLAIMS if c.corpus == "ravdess"),
}

INCONSISTENCIES = (
    "Zhao et al. are printed with 95.33 % for known speakers and 95.89 % for new ones. New speakers do not make it "
    "easier: whatever was left out there can hardly have been whole speakers.",
    "The rows of Table 1 stand side by side and cannot be compared: four to eight classes, 520, 535 or 800 recordings, "
    "male actors only, song as well as speech, and for most of them no protocol.",
    "EMO-DB has 535 recordings in section 3 and 800 entries in the text on Huang and on Wu. Some 800 were recorded, "
    "535 were released.",
    "Huang et al. used EMO-DB by the text and a corpus “not specified” by Table 1; section 3 does not name them among "
    "the works on EMO-DB.",
    "Wu et al. appear with a linear discriminant analysis only; their main classifier is a support vector machine.",
    "Table 1 lists GANs as a model with an accuracy. They augment the training data of another network, and the 10 % "
    "are a gain relative to its recall without them.",
    "The 52 % of Badshah et al. are cited to a review and to another group's work ([2] and [9]), not to their paper.",
    "References 4 and 6 are one paper; so are 9 and 27, and 24 and 33.",
    "Eight emotions of RAVDESS are announced; the sentence breaks off after seven, without disgust.",
    "The abstract promises audio synthesis and auto-encoders, and no surveyed work is about either.",
    "Section 5 says that models were investigated and compared on two corpora. It describes none of its own: its "
    "figures can only repeat Table 1.",
    "MFCC are said to turn pitch, power in decibels and phase into 12 features. They know nothing but the power "
    "spectrum, and 12 is one choice of many; that LSBOUND shows them better than LPC is cited to nobody.",
    "The deep stride network is said to be 34.5 MB smaller than AlexNet, VGG16 and ResNet50 alike, whose sizes differ "
    "by hundreds of megabytes.",
    "Trigeorgis et al. and Lim et al. are surveyed in the text, without a number, and are not in Table 1.",
    "Table 1 spells Chatziagapi and Mustaqeem as Chatzagiapi and Mustageem.",
)

_CELLS: Tables = {("table1", "survey"): (COLUMNS, TABLE_1)}


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns what the paper prints in a cell (a text, or percent), or None where it prints nothing.

    >>> printed("table1", "survey", "Wu et al. [14]", "Model")
    'LDA with MSFs and prosodic features'
    """
    return cell(_CELLS, table, metric, row, column)


def claims(system: str, corpus: str) -> tuple[Claim, ...]:
    """The survey's numbers of a system on a corpus.

    >>> [claim.short for claim in claims("zhao_2d", "emodb")]
    ['95.33 SD', '95.89 SI']
    """
    return tuple(c for c in CLAIMS if (c.system, c.corpus) == (system, corpus))
