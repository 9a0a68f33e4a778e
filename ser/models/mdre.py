"""The multimodal dual recurrent encoder of Yoon, Byun & Jung 2018 (Pinto et al., Table 1): speech and words.

One GRU reads cepstra, another the words; the state of the first, with the utterance's prosody behind it, and that of
the second each pass a linear layer of half their width (as in the authors' code), and are joined. With modality
"audio" or "text" it is the paper's ARE or TRE: one state as it is. Rows in are those of the front-end ``speech_text``,
as ``ser.frontends._speech_text_rows`` has them, and must not be normalised on the way: this network normalises cepstra
and prosody itself, by batch normalisation, and a mark is a mark.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad

from ser.frontends._speech_text_rows import PROSODY_VALUES, Kind, parted
from ser.models import _utterances
from ser.models._recurrent import vectors
from ser.models._transfer import to_device
from ser.study.settings import setting

VERSION = 1
GIVES = "utterance"


@dataclass(frozen=True)
class Settings:
    """Settings of the network (Yoon, Byun & Jung 2018); buckets are ours."""

    modality: str = setting("what an utterance is judged by", "both", choices=("both", "audio", "text"))
    audio_units: int = setting("units of the GRU over cepstra", 200, low=1)
    audio_dropout: float = setting("share that dropout takes of the inputs of that GRU", 0.3, low=0, below=1)
    text_units: int = setting("units of the GRU over words", 200, low=1)
    text_dropout: float = setting("share that dropout takes of the embedded words", 0.3, low=0, below=1)
    buckets: int = setting("numbers of words, as many as the front-end has or fewer", 32768, low=1, high=1 << 24)
    embedding: int = setting("width of the embedding of a word", 300, low=1)


class _Audio(nn.Module):
    """Rows -> the GRU's last state and the prosody [batch, units + 35]."""

    def __init__(self, values: int, settings: Settings) -> None:
        super().__init__()
        self.frame_norm, self.prosody_norm = nn.BatchNorm1d(values), nn.BatchNorm1d(PROSODY_VALUES)
        self.dropout = nn.Dropout(settings.audio_dropout)
        self.gru = nn.GRU(values, settings.audio_units)
        self.outputs: int = settings.audio_units + PROSODY_VALUES

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        frames, counts = parted(rows, lengths, Kind.FRAME)
        inputs = self.dropout(_normal(self.frame_norm, frames))
        state = vectors(self.gru, _utterances.split(inputs, counts), "last")
        prosody, counts = parted(rows, lengths, Kind.PROSODY)
        normal = _normal(self.prosody_norm, prosody[:, :PROSODY_VALUES])
        # The first of each utterance (it has one); of an utterance without one, the row of zeros put behind all.
        first = torch.where(counts > 0, counts.cumsum(0) - counts, len(normal))
        return torch.cat([state, pad(normal, (0, 0, 0, 1))[to_device(first, rows.device)]], dim=1)


class _Text(nn.Module):
    """Rows -> the GRU's last state [batch, units], zeros for an utterance without words."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.embedding = nn.Embedding(settings.buckets, settings.embedding)
        self.dropout = nn.Dropout(settings.text_dropout)
        self.gru = nn.GRU(settings.embedding, settings.text_units)
        self.outputs: int = settings.text_units

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        values, counts = parted(rows, lengths, Kind.WORD)
        words = values[:, 0].long() % self.embedding.num_embeddings
        return vectors(self.gru, _utterances.split(self.dropout(self.embedding(words)), counts), "last")


class MDRE(nn.Module):
    """Rows [sum(lengths), width] -> [batch, outputs]."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        modality = settings.modality
        encoders: list[_Audio | _Text] = []
        if modality != "text":
            encoders.append(_Audio(width - 1, settings))
        if modality != "audio":
            encoders.append(_Text(settings))
        self.encoders = nn.ModuleList(encoders)
        widths = [e.outputs for e in encoders]
        both = modality == "both"
        self.halves = nn.ModuleList(nn.Linear(n, n // 2) if both else nn.Identity() for n in widths)
        self.outputs = sum(n // 2 for n in widths) if both else widths[0]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Rows of utterances one after another [sum(lengths), width] -> [batch, outputs].

        A number of a word counts modulo ``buckets``, so with fewer than the front-end has more words share one.
        Raises BadInput for rows that are too narrow.
        """
        pairs = zip(self.encoders, self.halves, strict=True)
        return torch.cat([half(encoder(frames, lengths)) for encoder, half in pairs], dim=1)


def _normal(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Returns ``norm(x)``; a single row has no variance, and is normalised as after training."""
    if len(x) > 1:
        out: Tensor = norm(x)
        return out
    return batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def build(width: int, settings: Settings) -> MDRE:
    """Returns the network for rows of ``width`` values."""
    return MDRE(width, settings)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and rows per utterance."""
    return 37, Settings(audio_units=5, text_units=4, text_dropout=0.5, buckets=11, embedding=3), 30
