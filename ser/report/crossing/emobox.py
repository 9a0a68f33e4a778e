"""The cross-corpus numbers of Ma et al. 2024 (EmoBox) beside ours, where those of their lists were tested.

Ma, Chen, Zhang, Zheng, Chen, Li, Ye, Chen, Hain, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit
and Benchmark", Interspeech 2024, arXiv 2406.07162: Table 5, in percent. The same numbers are on the public leaderboard
(emo-box.github.io/leaderboard2.html), which names each as training corpus → tested corpus; the paper's caption leaves
open which of rows and columns are which. The tested lists come with the toolkit (github.com/emo-box/EmoBox, folder
``data/track2``): of each corpus 240 utterances, 60 of each of four classes, speakers balanced; so WA and UA are equal.
A user brings them; they are known here by the names of their utterances.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from ser.data.encoders import Encoder
from ser.report.content import HOLE, Cell, Row, Table
from ser.report.crossing.arranged import Arrangement, Result
from ser.report.crossing.matrix import best_of
from ser.report.emobox_models import MODELS, Model
from ser.report.printed import Tables, cell

CLASSES = frozenset(("angry", "happy", "neutral", "sad"))
UTTERANCES = 240
# Corpus → how an utterance's name is found in ours, and what the sorted names of the list hash to.
LISTS: Mapping[str, tuple[str, str]] = {
    "iemocap": (r"Ses\d\d[FM]_\w+_[FM]\d{3}", "5c3545f54b6f8ce7"),
    "meld": (r"dia\d+_utt\d+", "b3dffbd53014ea5c"),
    "ravdess": (r"\d\d(?:-\d\d){6}", "d8a1bcac29c467eb"),
    "savee": (r"(DC|JE|JK|KL)\W?_?([a-z]{1,2}\d\d)", "94ea85d1cc5f6956"),
}
_LETTERS = {"I": "iemocap", "M": "meld", "R": "ravdess", "S": "savee"}
COLUMNS = tuple(f"{first}→{second}" for first in _LETTERS for second in _LETTERS if first != second)
_ROWS = {
    "wav2vec 2.0 base": (29.78, 18.25, 28.84, 22.50, 31.39, 35.24, 27.15, 23.20, 33.77, 31.34, 29.19, 21.36),
    "HuBERT base": (37.32, 22.63, 35.88, 38.31, 31.60, 32.67, 42.00, 33.43, 43.47, 39.39, 29.03, 38.41),
    "HuBERT large": (44.60, 15.03, 39.99, 44.69, 38.22, 43.74, 36.18, 25.02, 56.96, 42.81, 31.54, 31.92),
    "WavLM base": (38.25, 27.80, 39.40, 46.30, 21.38, 35.75, 30.78, 29.58, 43.24, 34.00, 27.40, 27.38),
    "WavLM large": (48.59, 34.16, 35.53, 39.06, 23.06, 25.74, 44.03, 33.90, 63.35, 43.69, 34.10, 36.69),
    "data2vec base": (43.86, 40.46, 32.53, 42.57, 24.16, 24.33, 22.28, 20.32, 27.02, 29.41, 31.96, 34.68),
    "data2vec large": (44.99, 39.03, 36.88, 40.62, 29.10, 31.57, 26.50, 26.73, 32.54, 26.82, 24.05, 16.96),
    "data2vec 2.0 base": (44.96, 30.52, 31.40, 42.35, 33.32, 30.42, 30.77, 26.80, 37.31, 29.12, 35.29, 19.24),
    "data2vec 2.0 large": (47.43, 17.80, 29.67, 41.75, 31.80, 29.66, 38.79, 34.21, 35.43, 36.39, 37.79, 23.58),
    "Whisper large v3": (46.14, 38.24, 46.12, 51.42, 47.00, 36.44, 48.12, 40.68, 66.91, 49.30, 42.18, 49.63),
}
_TABLES: Tables = {("table5", "wa"): (COLUMNS, _ROWS)}
KEY = "emobox_cross"
_ANY = "best of all here"


def printed(row: str, column: str) -> float | str | None:
    """Returns a printed accuracy in percent, None where nothing is printed.

    >>> printed("Whisper large v3", "R→S")
    66.91
    """
    return cell(_TABLES, "table5", "wa", row, column)


def list_of(result: Result, classes: Iterable[str]) -> str:
    """Returns of which corpus the tested utterances are the balanced list; "" where they are none.

    The study's classes are the four of the lists, and the names of all utterances are those of the list, each once.
    """
    if set(classes) != CLASSES or len(result.uids) != UTTERANCES:
        return ""
    if len(set((result.counts.sum(axis=1) // result.repeats).tolist())) > 1:  # 60 of each
        return ""
    for corpus, (pattern, digest) in LISTS.items():
        if digest_of(result.uids, pattern) == digest:
            return corpus
    return ""


def digest_of(names: Iterable[str], pattern: str) -> str:
    """Returns 16 digits that tell a list by the names of its utterances, in whatever order; "" where one has none."""
    matches = [re.search(pattern, name) for name in names]
    short = sorted("".join(match.groups()) or match[0] for match in matches if match)
    return sha256("\n".join(short).encode()).hexdigest()[:16] if len(short) == len(matches) else ""


def table(across: Arrangement) -> Table | None:
    """Returns their table with ours above each number; None where none of their lists was tested, or data are made."""
    ours = {} if across.expected.demo else _ours(across)
    if not ours:
        return None
    rows = [_row(_ANY, [result for results in ours.values() for result in results], ours, ())]
    for model in MODELS:
        names = [name for name, identity in across.expected.encoders.items() if _is_of(model, identity)]
        results = [r for each in ours.values() for r in each if _encoder(r) in names]
        paper = tuple(printed(model.name, column) for column in COLUMNS)
        rows.append(_row(model.name, results, ours, paper))
    return Table(
        KEY,
        "Table 5 of Ma et al. 2024 (EmoBox): trained on one corpus, tested on the balanced list of another, and ours",
        "I, M, R, S: IEMOCAP, MELD, RAVDESS, SAVEE; training corpus → tested list of 240 utterances. Ours: trained on "
        "that corpus alone, the best in the test of all layers, heads and other settings of an encoder of that shape, "
        "and rather too good for that; whether the weights are theirs no shape tells. Theirs: the last layer, a layer "
        "of 256 units, the mean over time, a linear layer. How many runs their numbers are means of is not told (most "
        "are no multiple of 1/240), nor what became of classes that a training corpus has beyond the four. The caption "
        "leaves open whether lines or columns are the training corpora; their leaderboard has it as here.",
        COLUMNS,
        tuple(rows),
        "pairs",
        grouped="",
        brief=True,
        quotes=True,
        paper_label="Ma et al. 2024",
        named="Pair",
    )


def _ours(across: Arrangement) -> dict[str, list[Result]]:
    """Our results by their columns: trained on one of their corpora alone, tested on one of their lists."""
    ours: dict[str, list[Result]] = {}
    letters = {corpus: letter for letter, corpus in _LETTERS.items()}
    for result in across.results.values():
        learned = _trained_on(across, result)
        tested = "" if result.seen or not learned else list_of(result, across.expected.classes)
        if tested and learned != tested:
            ours.setdefault(f"{letters[learned]}→{letters[tested]}", []).append(result)
    return ours


def _trained_on(across: Arrangement, result: Result) -> str:
    """Which of their four corpora, whole, a result was trained on alone; "" for another training set."""
    if len(result.learned) != 1:
        return ""
    name = result.learned[0]
    loader = result.runs[0].params.get(f"corpus.{name}.loader", name)
    release = across.expected.releases.get(name)
    return loader if loader in LISTS and release is not None and release.state == "whole" else ""


def _row(
    name: str, results: Iterable[Result], ours: Mapping[str, list[Result]], paper: tuple[float | str | None, ...]
) -> Row:
    among = {id(result) for result in results}
    best = [best_of([r for r in ours.get(column, []) if id(r) in among], "wa") for column in COLUMNS]
    cells = tuple(result.cell("wa") if result else Cell(float("nan")) for result in best)
    return Row("", name, cells, sum(result is not None for result in best), len(COLUMNS), paper)


def _is_of(model: Model, identity: str) -> bool:
    encoder = Encoder.parse(identity)
    return (encoder.architecture, encoder.width, encoder.states) == (model.architecture, model.width, model.states)


def _encoder(result: Result) -> str:
    """The name of the encoder of a result; a hole without one."""
    params = result.runs[0].params
    return next((value for name, value in params.items() if name.endswith(".encoder") and value), HOLE)


def note(across: Arrangement) -> str:
    """Says why their numbers are not shown, where one of their corpora was tested; "" where none was."""
    tested = [name for name in across.strangers if name in LISTS]
    if not tested:
        return ""
    why = (
        "the corpora are made"
        if across.expected.demo
        else (
            "they are of its balanced lists of 240 utterances, trained on one whole corpus with the classes "
            f"{', '.join(sorted(CLASSES))}; these tests are of others"
        )
    )
    return f"The cross-corpus numbers of Ma et al. 2024 (EmoBox) are not shown beside {', '.join(tested)}: {why}."
