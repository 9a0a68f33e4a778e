"""A predictor as MLflow's model asks it: tables in, tables out."""

import base64
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ser.data import encoders
from ser.prediction import predictor
from ser.prediction.predictor import Predictor
from ser.prediction.recordings import Recording
from ser.runs.model_files import INPUTS

ENCODERS = "SER_ENCODERS"  # folders of pretrained encoders that models may need, as PATH lists folders


def load(folder: str) -> Predictor:
    """Returns the predictor of a run's files. Encoders are looked for in the folders of ``SER_ENCODERS``.

    Raises BadInput.
    """
    folders = [Path(text) for text in os.environ.get(ENCODERS, "").split(os.pathsep) if text]
    encoders.remember({str(encoders.examine(place)): place for place in folders})
    return predictor.load(folder)


def answers(model: Predictor, question: pd.DataFrame, corpus: str = "") -> pd.DataFrame:
    """Returns a row for each recording: emotion, error, unit ("probability" or "score") and ``score_<class>``.

    With ratings also ``rating_<dimension>``, from -1 to 1.

    ``question`` has the columns path (a file on this machine) or audio (base64 of one), and may have speaker, sex (F,
    M) and text. Scores of a recording with an error, and of classes that training lacked, are None.
    """
    model = model.for_corpus(corpus) if corpus else model
    recordings = [_recording(number, row) for number, row in enumerate(question.to_dict("records"))]
    rows = []
    for prediction in model.predict(recordings):
        scores = {f"score_{name}": prediction.scores.get(name, np.nan) for name in model.classes}
        scores |= {f"rating_{name}": prediction.ratings.get(name, np.nan) for name in model.trial.dimensions}
        finite = {name: value if np.isfinite(value) else np.nan for name, value in scores.items()}
        rows.append({"emotion": prediction.emotion, "error": prediction.error, "unit": model.unit, **finite})
    table = pd.DataFrame(rows, index=question.index)
    for name in table.columns[table.isna().any()]:
        table[name] = table[name].astype(object).where(table[name].notna(), None)  # NaN is no JSON
    return table


def _recording(number: int, row: dict[str, object]) -> Recording:
    path, audio, speaker, sex, text = (_text(row.get(name)) for name in INPUTS)
    recording = Recording(path or str(number), speaker=speaker, sex=sex[:1].upper(), text=text)
    if isinstance(content := row.get("audio"), bytes):
        return replace(recording, content=content)
    if audio:
        try:
            return replace(recording, content=base64.b64decode(audio, validate=True))
        except ValueError as error:
            return replace(recording, problem=f"column audio is no base64: {error}")
    return replace(recording, path=Path(path)) if path else replace(recording, problem="neither path nor audio")


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
