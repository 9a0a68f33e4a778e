"""The printed numbers of Pho et al. 2020 as data, the counts behind its Figure 1, and what does not fit in them.

Pho, Truong, Yanushkevich, "Multi-Label Speech Emotion Recognition Using 2D Convolutional Neural Networks", SAC 2020,
and the program of its authors (github.com/Brian-Pho/RVST598_Speech-Emotion-Recognition), from which stem the rates of
Figure 4 and the two numbers of ``("program", "test")``. Shares are percent.
"""

from ser.report.printed import Printed, Tables, cell

CLASSES = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
TABLE_1_COLUMNS = (*CLASSES, "calm", "excited", "frustrated", "amused", "sleepy", "boredom")
TABLE_4_COLUMNS = ("Method", "Emotions", "Databases", "Label type", "Accuracy")

_HAS = {
    "iemocap": {*CLASSES, "excited", "frustrated"},
    "crema_d": set(CLASSES[:6]),
    "tess": set(CLASSES),
    "ravdess": {*CLASSES, "calm"},
    "msp_improv": set(CLASSES),
    "savee": set(CLASSES),
    "emodb": {*CLASSES[:6], "boredom"},
    "emov_db": {"neutral", "angry", "disgust", "amused", "sleepy"},
}

_CELLS: Tables = {
    ("table1", "emotions"): (
        TABLE_1_COLUMNS,
        {corpus: tuple("x" if emotion in has else "" for emotion in TABLE_1_COLUMNS) for corpus, has in _HAS.items()},
    ),
    ("table2", "setting"): (
        ("Value",),
        {
            "Input Dimensions": ("278w x 200h x 1d",),
            "Optimization Algorithm": ("Adam",),
            "Learning Rate": (0.001,),
            "Beta 1": (0.9,),
            "Beta 2": (0.999,),
            "Epsilon": (1e-8,),
            "Loss Measure": ("Binary Cross-entropy",),
            "Accuracy Metric": ("Categorical Cross-entropy",),
            "Hidden Layer Activation Function": ("ReLU",),
            "Output Layer Activation Function": ("Sigmoid",),
        },
    ),
    ("table3", "setting"): (
        ("Value",),
        {
            "Epochs": (20,),
            "Batch Size": (32,),
            "Training Set": (17341,),
            "Validation Set": (2167,),
            "Testing Set": (2167,),
        },
    ),
    ("figure4", "rate"): (
        ("TNR", "TPR"),
        {
            "neutral": (100, 6),
            "angry": (100, 3),
            "disgust": (100, 13),
            "fear": (100, 21),
            "happy": (100, 3),
            "sad": (100, 14),
            "surprise": (100, 47),
        },
    ),
    ("text", "test"): (("Accuracy",), {"cnn2d": (57.64,)}),
    ("program", "test"): (("Loss", "Categorical accuracy"), {"cnn2d": (0.32, 52.57)}),
    ("table4", "accuracy"): (
        TABLE_4_COLUMNS,
        {
            "Zhao et al.": ("CNN + LSTM", 6, "IEMOCAP", "Single", 52.1),
            "Our Work": ("CNN", 7, "IEMOCAP, TESS, RAVDESS, CREMA-D", "Multi", 57.6),
            "Etienne et al.": ("CNN + LSTM", 4, "IEMOCAP", "Single", 61.7),
            "Zhang et al.": ("CNN", 4, "IEMOCAP", "Single", 63.9),
            "Fayek et al.": ("CNN", 4, "IEMOCAP", "Single", 64.8),
            "Yenigalla et al.": ("CNN", 4, "IEMOCAP", "Single", 73.9),
            "Badshah et al.": ("CNN", 7, "Emo-DB, Korean dataset", "Single", 80.8),
        },
    ),
}

# Figure 1 shows shares without numbers. These counts follow from the corpora's own label files and the authors' rule:
# clips of 1 to 3 emotions, by corpus; positives as CLASSES, then clips of one, two and three emotions.
FIGURE_1: dict[str, tuple[tuple[int, ...], tuple[int, int, int]]] = {
    "iemocap": ((2533, 4406, 41, 137, 2904, 1597, 284), (8840, 481, 700)),
    "crema_d": ((2733, 1179, 1301, 1122, 1236, 817, 0), (6804, 246, 364)),
    "tess": ((400, 400, 400, 400, 400, 400, 400), (2800, 0, 0)),
    "ravdess": ((288, 192, 192, 192, 192, 192, 192), (1440, 0, 0)),
}
REMOVED = {"iemocap": 18, "crema_d": 28}  # clips of four or five emotions

INCONSISTENCIES = (
    "The printed 57.64 % is not what equation 4 says. It is the mean over emotions of the average of the two rates in "
    "Figure 4, a balanced accuracy (57.643 %). Equation 4 with the same rates gives about 85.3 %, where finding no "
    "emotion in any clip gives 83.8 %.",
    "In Figure 4 hardly any emotion is ever found where it is absent, because the authors' program cuts the sigmoids "
    "down to whole numbers: an emotion counts as found only where the network is certain to the last digit.",
    "Table 2 calls categorical cross-entropy the accuracy metric. That is a loss; the program's metric is categorical "
    "accuracy, which compares the single highest output with the first emotion of the clip.",
    "The text calls surprise the exception to emotions being predicted absent. Its rate is the highest, but with 47 % "
    "it too is missed more often than found.",
    "Few mel bins are said to cost resolution in time, and many resolution in frequency. It is the other way round: "
    "bins divide frequency, and time is divided by the frames alone.",
    "Table 1 gives MSP-IMPROV seven emotions. Its release has four: angry, happy, sad and neutral.",
    "Equation 3 scales by the extremes of the whole spectrogram. The program scales every time frame by its own, so "
    "that padded frames, which are constant, all become -1.",
    "Noise is reduced after padding, with the first half second of each clip as the noise: where speech begins at "
    "once, it is speech that is taken away.",
    "From each recording of RAVDESS the program cuts the first and the last second. The paper does not say so.",
    "Multi-label is the exception in these data: 8 % of the clips have more than one emotion.",
    "CREMA-D's label sets count the winners among those who saw the face, without sound or with it, like those who "
    "only listened; the network only listens.",
    "Every clip was drawn for training, validation or test by chance, so speakers and sentences are in all subsets. "
    "TESS alone has the same 200 words in seven emotions by two speakers.",
    "Optimiser and length differ between paper and program: Adam's epsilon is 1e-8 in Table 2 and Keras's 1e-7 there, "
    "epochs are 20 in Table 3 and 10 there.",
    "The program predicts 2167 test clips in 68 batches of 32. Those hold 2176, so nine predictions are of nothing.",
)


def printed(table: str, metric: str, row: str, column: str) -> Printed | None:
    """Returns what the paper prints in a cell (percent, count or text), or None where it prints nothing.

    >>> printed("figure4", "rate", "surprise", "TPR")
    47.0
    >>> printed("table1", "emotions", "crema_d", "surprise")
    """
    return cell(_CELLS, table, metric, row, column)
