"""The multimodal dual recurrent encoder of Yoon, Byun & Jung 2018 (paper 004, Table 1): speech and its transcription.

One GRU reads cepstra, another the words; the state of the first, with the utterance's prosody behind it, and that of
the second each pass a linear layer of half their width (as in the authors' code), and are joined. With modality
"audio" or "text" it is the paper's ARE or TRE: one state as it is. Rows in are those of the front-end ``speech_text``,
as ``ser.frontends._speech_text_rows`` has them, and must not be normalised on the way: this network normalises cepstra
and prosody itself, by batch normalisation, and a mark is a mark.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad

from ser.errors import BadInput
from ser.frontends._speech_text_rows import MOST_WORDS, PROSODY_VALUES, Kind, parted
from ser.models._recurrent import vectors

GIVES = "utterance"
_MODALITIES = ("both", "audio", "text")


class _Audio(nn.Module):
    """Rows -> the GRU's last state and the prosody [batch, units + 35]."""

    def __init__(self, values: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.frame_norm, self.prosody_norm = nn.BatchNorm1d(values), nn.BatchNorm1d(PROSODY_VALUES)
        self.dropout = nn.Dropout(settings["audio_dropout"])
        self.gru = nn.GRU(values, settings["audio_units"])
        self.outputs: int = settings["audio_units"] + PROSODY_VALUES

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        frames, counts = parted(rows, lengths, Kind.FRAME)
        inputs = self.dropout(_normal(self.frame_norm, frames))
        state = vectors(self.gru, inputs.split(counts.tolist()), "last")
        prosody, counts = parted(rows, lengths, Kind.PROSODY)
        normal = _normal(self.prosody_norm, prosody[:, :PROSODY_VALUES])
        # The first of each utterance (it has one); of an utterance without one, the row of zeros put behind all.
        first = torch.where(counts > 0, counts.cumsum(0) - counts, len(normal))
        return torch.cat([state, pad(normal, (0, 0, 0, 1))[first]], dim=1)


class _Text(nn.Module):
    """Rows -> the GRU's last state [batch, units], zeros for an utterance without words."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(settings["buckets"], settings["embedding"])
        self.dropout = nn.Dropout(settings["text_dropout"])
        self.gru = nn.GRU(settings["embedding"], settings["text_units"])
        self.outputs: int = settings["text_units"]

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        values, counts = parted(rows, lengths, Kind.WORD)
        words = values[:, 0].long() % self.embedding.num_embeddings
        return vectors(self.gru, self.dropout(self.embedding(words)).split(counts.tolist()), "last")


class MDRE(nn.Module):
    """Rows [sum(lengths), width] -> [batch, outputs]."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        modality = settings["modality"]
        if modality not in _MODALITIES:
            raise BadInput(repr(modality), "mdre.modality", ", ".join(_MODALITIES), "choose one of them")
        if not 1 <= settings["buckets"] <= MOST_WORDS:
            remedy = "take as many as the front-end has, or fewer"
            raise BadInput(str(settings["buckets"]), "mdre.buckets", f"1 to {MOST_WORDS}", remedy)
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
    """``norm(x)``; a single row has no variance, and is normalised as after training."""
    if len(x) > 1:
        out: Tensor = norm(x)
        return out
    return batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def build(width: int, settings: Mapping[str, Any]) -> MDRE:
    """Settings: modality ("both", "audio", "text"), audio_units, audio_dropout (of the inputs of that GRU), text_units,
    text_dropout (of the embedded words), buckets (numbers of words), embedding (its width).
    """
    return MDRE(width, settings)


def example() -> tuple[int, dict[str, Any], int]:
    """Width, small settings, and rows per utterance."""
    audio, text = {"audio_units": 5, "audio_dropout": 0.3}, {"text_units": 4, "text_dropout": 0.5}
    return 37, {"modality": "both", "buckets": 11, "embedding": 3} | audio | text, 30
