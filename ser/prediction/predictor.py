"""A trial's model read back from the files of its run, and what it says of recordings.

Recordings go the way of the trial's own: decoded, resampled, through its front-end and its normalisation. An answer is
the test subset's in ``predictions.csv`` for a file of that. What cannot be read has an error in its place.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ser import registry
from ser.data import audio, encoders
from ser.errors import BadInput
from ser.features.recipe import (
    features_of_wave,
    front_end_width,
    one_blas_thread,
    one_thread,
    reads_text,
    segment_frames,
)
from ser.files import Damaged
from ser.host import machine
from ser.metrics import multilabel
from ser.prediction.groups import FEWEST, GroupSums, too_few
from ser.prediction.recordings import Recording
from ser.prediction.systems import FittedSystem, NetworkSystem, System
from ser.runs.model_files import STATEMENT
from ser.study import Part, Trial, check_versions, settings_of, stored_trial
from ser.training.normalise import frames_by

Frames = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float32]
Groups = Mapping[Part, GroupSums]  # by front-end
_CHUNK = 64  # recordings whose features are held at once
_TEXT = "give a table with the columns path, text"


@dataclass(frozen=True)
class Prediction:
    """What a model says of one recording, or, where ``error`` says so, why it says nothing.

    ``scores`` are by class: probabilities, or decision values where the model has no probabilities (see
    ``Predictor.unit``). ``emotion`` is the likeliest class; where an utterance may have several labels, all that are
    likelier than not, with ``|`` between them, "" where none is. ``heads``: the scores of each corpus's head, of which
    ``scores`` are the mean. ``segments``: those of each segment, in order. ``ratings`` are by dimension, -1 and 1 the
    ends of the raters' scale, the mean of all heads. ``logits`` [segments or 1, classes] are as the model gives them,
    of the only head or the first.
    """

    name: str
    emotion: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    heads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    segments: tuple[Mapping[str, float], ...] = ()
    error: str = ""
    ratings: Mapping[str, float] = field(default_factory=dict)
    logits: Logits | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Predictor:
    """A trial's model. ``corpus``: the corpus of the trial that recordings are taken for, "" for none of them."""

    trial: Trial
    system: System
    corpus: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions, in the order of all scores."""
        return self.trial.classes

    @property
    def unit(self) -> str:
        """What scores are: "probability", or "score" for decision values, of which the largest is the answer."""
        return "probability" if self.system.gives_probabilities else "score"

    @property
    def is_by_speaker(self) -> bool:
        """Whether features are normalised over all recordings of each speaker, who then has to be known."""
        return self.trial.normalise == "speaker"

    @property
    def is_by_corpus(self) -> bool:
        """Whether features are normalised over all recordings that are given, which are taken for one corpus."""
        return self.trial.normalise == "corpus"

    @property
    def heads(self) -> tuple[str, ...]:
        """The corpora whose heads answer; ("",) where one head answers for all."""
        if self.trial.task != "multi":
            return ("",)
        return (self.corpus,) if self.corpus else tuple(c.name for c in self.trial.training_corpora)

    @property
    def several_labels(self) -> bool:
        """Whether an utterance may have several emotions."""
        return self.trial.labels == "tied"

    def for_corpus(self, name: str) -> "Predictor":
        """Returns the predictor for recordings like a corpus's: with its front-end and its head. Raises BadInput."""
        names = tuple(c.name for c in self.trial.training_corpora)
        if name not in names:
            raise BadInput(repr(name), "--corpus", ", ".join(names), "choose one of them, or leave it out")
        return Predictor(self.trial, self.system, name)

    def front_end(self, head: str = "") -> Part:
        """Returns the front-end of a head's corpus, or that of all. Raises BadInput where corpora have several."""
        name = head or self.corpus
        by_corpus = {c.name: c.front_end_for(self.trial.front_end) for c in self.trial.training_corpora}
        if name:
            return by_corpus[name]
        if len(set(by_corpus.values())) > 1:
            value = f"{len(set(by_corpus.values()))} front-ends of {len(by_corpus)} corpora"
            raise BadInput(value, self.trial.title, "one for all recordings", "choose a corpus's: --corpus NAME")
        return next(iter(by_corpus.values()))

    def predict(self, recordings: Iterable[Recording | str | os.PathLike[str]]) -> Iterator[Prediction]:
        """Yields a prediction for each recording, in their order.

        A few are held in memory at once; where vectors are normalised by speaker, one of each. Where frames are, by
        speaker or corpus, all are read twice. Raises BadInput for what no recording could be predicted with.
        """
        for head in self.heads:
            self.front_end(head)
        each = (r if isinstance(r, Recording) else Recording(os.fspath(r), Path(r)) for r in recordings)
        with ThreadPoolExecutor(machine.cores(), initializer=one_thread) as pool:
            if by := frames_by(self.trial):
                yield from self._predict_by_group(list(each), by, pool)
                return
            if self.is_by_speaker:
                yield from self._predict_by_speaker(list(each), pool)
                return
            while chunk := list(islice(each, _CHUNK)):
                yield from self._predict_chunk(chunk, pool)

    def _predict_chunk(
        self, chunk: Sequence[Recording], pool: ThreadPoolExecutor, groups: Groups | None = None
    ) -> Iterator[Prediction]:
        by_head: dict[str, list[Logits | str]] = {}
        features: dict[Part, list[Frames | str]] = {}
        for head in self.heads:
            front_end = self.front_end(head)
            if front_end not in features:
                read = self._read(pool, front_end, chunk)
                features[front_end] = list(map(groups[front_end].normalised, chunk, read) if groups else read)
            by_head[head] = self._logits(features[front_end], chunk, head)
        for number, recording in enumerate(chunk):
            yield self._prediction(recording, {head: answers[number] for head, answers in by_head.items()})

    def _predict_by_group(self, whole: Sequence[Recording], by: str, pool: ThreadPoolExecutor) -> Iterator[Prediction]:
        """Two passes: the sums of all frames by group, then predictions of normalised features."""
        groups = {}
        for front_end in {self.front_end(head) for head in self.heads}:
            groups[front_end] = GroupSums(by)
            for start in range(0, len(whole), _CHUNK):
                chunk = whole[start : start + _CHUNK]
                for recording, frames in zip(chunk, self._read(pool, front_end, chunk), strict=True):
                    groups[front_end].add(recording, frames)
        for start in range(0, len(whole), _CHUNK):
            yield from self._predict_chunk(whole[start : start + _CHUNK], pool, groups)

    def _predict_by_speaker(self, whole: Sequence[Recording], pool: ThreadPoolExecutor) -> Iterator[Prediction]:
        """Two passes: the vectors of all recordings, then those of each speaker, normalised, to the model."""
        front_end, system = self.front_end(), self.system
        errors, vectors = dict[int, str](), dict[int, npt.NDArray[np.float64]]()
        for start in range(0, len(whole), _CHUNK):
            chunk = whole[start : start + _CHUNK]
            for number, frames in enumerate(self._read(pool, front_end, chunk), start):
                try:
                    if isinstance(frames, str):
                        errors[number] = frames
                    else:
                        vectors[number] = system.vector(self.trial, frames)
                except BadInput as error:
                    errors[number] = str(error)
        speakers = dict[str, list[int]]()
        for number in vectors:
            speakers.setdefault(whole[number].speaker, []).append(number)
        answers = dict[int, Logits]()
        for speaker, rows in speakers.items():
            if not speaker or len(rows) < FEWEST:
                errors |= dict.fromkeys(rows, too_few(len(rows), "speaker", speaker))
                continue
            tasks = self._tasks([whole[n] for n in rows])
            logits = system.of_speaker(self.trial, np.array([vectors[n] for n in rows]), tasks)
            answers |= {n: logits[i : i + 1] for i, n in enumerate(rows)}
        for number, recording in enumerate(whole):
            yield self._prediction(recording, {"": errors[number] if number in errors else answers[number]})

    def _read(self, pool: ThreadPoolExecutor, front_end: Part, chunk: Sequence[Recording]) -> list[Frames | str]:
        with one_blas_thread():
            return list(pool.map(partial(self._features, front_end=front_end), chunk))

    def _features(self, recording: Recording, front_end: Part) -> Frames | str:
        """Returns the features of a recording, float32 [frames, width], or why there are none."""
        try:
            if reads_text(front_end) and not recording.text:
                return f"{front_end.name} reads what is said, too; {_TEXT}"
            one_thread()
            return _extracted(recording, front_end)
        except (audio.UnusableAudio, BadInput, Damaged) as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error)
        except MemoryError:
            return "not enough memory"
        except Exception as error:  # of a front-end, for samples that nobody thought of: the others are still answered
            return f"{front_end.name}: {type(error).__name__}: {error}"

    def _logits(self, features: Sequence[Frames | str], chunk: Sequence[Recording], head: str) -> list[Logits | str]:
        """Returns the logits of each recording [segments or 1, classes], or its error."""
        answers: list[Logits | str] = [f if isinstance(f, str) else "" for f in features]
        rows = [i for i, f in enumerate(features) if not isinstance(f, str)]
        frames = [f for f in features if not isinstance(f, str)]
        if not rows:
            return answers
        try:
            results: list[Logits | str] = list(self._answers(frames, [chunk[i] for i in rows], head))
        except (ValueError, RuntimeError, ArithmeticError, LookupError):  # one spoils all: each by itself
            results = [self._answer(f, chunk[i], head) for i, f in zip(rows, frames, strict=True)]
        for i, result in zip(rows, results, strict=True):
            finite = isinstance(result, str) or not np.isnan(result).any()
            answers[i] = result if finite else "the model's answer is not finite"
        return answers

    def _answer(self, frames: Frames, recording: Recording, head: str) -> Logits | str:
        try:
            return self._answers([frames], [recording], head)[0]
        except (ValueError, RuntimeError, ArithmeticError, LookupError) as error:
            return f"{self.trial.block.name}: {error}"

    def _answers(self, frames: Sequence[Frames], recordings: Sequence[Recording], head: str) -> list[Logits]:
        """Returns the answers to each recording, [segments or 1, classes + dimensions]."""
        patch = segment_frames(self.front_end(head))
        items = [f[k : k + patch] for f in frames for k in range(0, len(f), patch)] if patch else list(frames)
        counts = [len(f) // patch if patch else 1 for f in frames]
        owners = [r for r, n in zip(recordings, counts, strict=True) for _ in range(n)]
        logits = self.system.answers(
            self.trial, items, head or self.trial.training_corpora[0].name, self._tasks(owners)
        )
        return np.split(logits, np.cumsum(counts)[:-1])

    def _tasks(self, recordings: Sequence[Recording]) -> npt.NDArray[np.int64]:
        """Returns the number of each recording's corpus and sex, as ``ser.training.fit`` has it; -1 of no corpus."""
        names = [c.name for c in self.trial.training_corpora]
        corpus = names.index(self.corpus) if self.corpus else 0 if len(names) == 1 else None
        sexes = {"F": 1, "M": 2}
        numbers = [-1 if corpus is None else 3 * corpus + sexes.get(r.sex, 0) for r in recordings]
        return np.array(numbers, np.int64)

    def _prediction(self, recording: Recording, answers: Mapping[str, Logits | str]) -> Prediction:
        """Scores of one recording by the ``answers`` of all heads."""
        if error := next((a for a in answers.values() if isinstance(a, str)), ""):
            return Prediction(recording.name, error=error)
        number = len(self.classes)
        whole_answers = {head: a for head, a in answers.items() if not isinstance(a, str)}
        logits = {head: a[:, :number] for head, a in whole_answers.items()}
        ratings = np.mean([a[:, number:].mean(0, dtype=np.float64) for a in whole_answers.values()], axis=0)
        in_segments = segment_frames(self.front_end(next(iter(logits)))) > 0
        whole = {head: self._of_clip(a, in_segments) for head, a in logits.items()}
        mean = np.mean(list(whole.values()), axis=0)
        parts = np.mean([self._scores(a) for a in logits.values()], axis=0) if in_segments else ()
        if self.several_labels:
            emotion = "|".join(n for n, p in zip(self.classes, mean, strict=True) if p > multilabel.THRESHOLD)
        else:
            emotion = self.classes[int(mean.argmax())] if self.classes else ""
        return Prediction(
            recording.name,
            emotion,
            self._named(mean),
            {head: self._named(scores) for head, scores in whole.items()} if len(whole) > 1 else {},
            tuple(map(self._named, parts)),
            ratings=dict(zip(self.trial.dimensions, ratings.tolist(), strict=True)),
            logits=next(iter(logits.values())),
        )

    def _of_clip(self, logits: Logits, in_segments: bool) -> npt.NDArray[np.float64]:
        """Returns the scores of an utterance [classes]: where it is several segments, by the mean of their logits."""
        whole = logits.astype(np.float64).mean(0, keepdims=True) if in_segments else logits
        scores: npt.NDArray[np.float64] = self._scores(whole)[0]
        return scores

    def _scores(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return self.system.scores(np.asarray(logits, np.float64), self.several_labels)

    def _named(self, scores: npt.NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.classes, scores.tolist(), strict=True))


def _extracted(recording: Recording, front_end: Part) -> Frames:
    """As for an utterance of a corpus. Raises UnusableAudio and others."""
    rate_hz = settings_of("frontends", front_end).rate_hz
    wave, native_hz = audio.decode(recording.read())
    if reason := audio.what_lacks(wave, native_hz):
        raise audio.UnusableAudio(reason)
    frames = features_of_wave(front_end, audio.resample(wave, native_hz, rate_hz), recording.text)
    if not len(frames):
        raise audio.UnusableAudio(f"too short for {front_end.name}: {len(wave) / native_hz:.3f} s")
    return frames.astype(np.float32)


def load(folder: str | os.PathLike[str], corpus: str = "") -> Predictor:
    """Returns the predictor of a run from a folder with its files: ``statement.json``, ``best.pt`` or ``model.skops``.

    ``corpus``: the corpus of the trial that recordings are taken for. Raises BadInput where a file lacks or is damaged,
    and where the front-end or the model has other numbers than when the run was made.
    """
    place = Path(folder)
    try:
        text = (place / STATEMENT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"statement.json: {reason}", str(place), "the files of a finished run", "name its folder"
        ) from None
    trial = stored_trial(text, str(place / STATEMENT))
    check_versions(trial, trial.title)
    front_end = trial.training_corpora[0].front_end_for(trial.front_end)
    for one in (front_end, trial.block):
        if identity := one.values().get("encoder"):
            encoders.folder_of(identity)  # which says what lacks
    is_fitted = registry.is_fitted(trial.block.name)
    system = (
        FittedSystem.read(place, trial) if is_fitted else NetworkSystem.read(place, trial, front_end_width(front_end))
    )
    predictor = Predictor(trial, system)
    return predictor.for_corpus(corpus) if corpus else predictor
