"""A recurrent autoencoder learned without labels, and a linear machine over its vector of an utterance.

auDeep: Amiriparian, Freitag, Cummins & Schuller 2017; Freitag et al. 2017. A GRU reads the frames of an utterance; its
last states (of all layers) go through a dense tanh layer, and from there a second GRU writes the same frames from the
last to the first, reading at each step the one that it should just have written (zeros at first). The dense layer's
values are the utterance's vector [layers · units] for a linear support vector machine. Frames [frames, width] of each
utterance -> scores [utterances, classes].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ser.models import svm
from ser.models._estimators import Estimator, Labels, Vectors, classes_of
from ser.models._scaling import Bands, Utterances
from ser.study.settings import setting

VERSION = 1
GIVES = "classes"
TAKES = "frames"


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training; sizes and effort are ours, smaller than auDeep's."""

    scaling: str = setting("scaling of every band on the training subset", "standard", choices=("none", "standard"))
    units: int = setting("units of each GRU", 128, low=1)
    layers: int = setting("GRUs on top of each other, in the encoder and in the decoder", 2, low=1)
    dropout: float = setting("share that dropout takes between layers", 0.2, low=0, below=1)
    epochs: int = setting("epochs", 30, low=1)
    batch_size: int = setting("utterances of a mini-batch", 64, low=1)
    learning_rate: float = setting("learning rate of Adam", 1e-3, above=0)
    clip: float = setting("the gradient's norm at most", 2.0, above=0)
    c: float = setting("C of the linear machine", 0.1, above=0)


class Autoencoder(nn.Module):
    """Utterances are padded at their ends, which a GRU reads last: what lies before is the same as without.

    (torch's packed sequences need no padding, and four times as long for a step of training on a CPU.)
    """

    def __init__(self, width: int, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.encoder = _stack(width, units, layers)
        self.middle = nn.Linear(layers * units, layers * units)
        self.decoder = _stack(width, units, layers)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(units, width)

    def encode(self, utterances: list[Tensor]) -> Tensor:
        """Frames [frames_i, width] of each -> [utterances, layers · units] between -1 and 1."""
        x, lasts = pad_sequence(utterances), torch.tensor([len(u) - 1 for u in utterances])
        states = []
        for layer in self.encoder:
            x, _ = layer(x)
            states.append(x[lasts, torch.arange(len(lasts))])
            x = self.dropout(x)
        hidden: Tensor = self.middle(torch.cat(states, 1)).tanh()
        return hidden

    def forward(self, utterances: list[Tensor]) -> Tensor:
        """Returns the root of the mean square by which the frames written differ from those read: a loss."""
        right = pad_sequence([u.flip(0) for u in utterances])
        x = torch.cat([torch.zeros_like(right[:1]), right[:-1]])
        states = self.dropout(self.encode(utterances)).chunk(len(self.decoder), 1)
        for layer, state in zip(self.decoder, states, strict=True):
            x = self.dropout(layer(x, state[None].contiguous())[0])
        inside = pad_sequence([torch.ones_like(u) for u in utterances])
        loss: Tensor = ((self.out(x) - right).square() * inside).sum().div(inside.sum()).sqrt()
        return loss


def _stack(width: int, units: int, layers: int) -> nn.ModuleList:
    """Returns layers one by one: the state of each after an utterance's last frame is needed."""
    return nn.ModuleList(nn.GRU(n, units) for n in (width, *[units] * (layers - 1)))


class RecurrentAutoencoder(Estimator):
    """``losses_`` has the mean loss of each epoch: whether it still falls, a person can see."""

    def __init__(self, settings: Settings, seed: int, device: str) -> None:
        self.settings, self.seed, self.device = settings, seed, device

    def fit(self, x: Utterances, y: Labels) -> "RecurrentAutoencoder":
        """Learns to write the utterances x, [frames_i, width] each, then to tell y [utterances]. Raises BadInput."""
        self.classes_ = classes_of(y)
        self.bands_ = Bands(self.settings.scaling).fit(x)
        utterances = self.bands_.scaled(x, self.device)
        gpus = [torch.device(self.device)] if torch.device(self.device).type == "cuda" else []
        with torch.random.fork_rng(devices=gpus), torch.enable_grad():
            torch.manual_seed(self.seed)
            self._train(utterances)
        self.machine_ = svm.linear(self.settings.c, self.seed).fit(self._vectors(utterances), y)
        return self

    def __getstate__(self) -> dict[str, object]:
        """With arrays in place of the network, which comes back on the CPU."""
        state = {**vars(self), "device": "cpu"}
        if "network_" in state:
            state["network_"] = {k: v.detach().cpu().numpy() for k, v in self.network_.state_dict().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if "network_" in state:
            self.network_ = self._autoencoder(self.bands_.width_)
            self.network_.load_state_dict({k: torch.from_numpy(v) for k, v in state["network_"].items()})

    def decision_function(self, x: Utterances) -> Vectors:
        """Utterances, [frames_i, width] each -> [utterances, classes]."""
        scores: Vectors = self.machine_.decision_function(self._vectors(self.bands_.scaled(x, self.device)))
        return scores

    def _train(self, utterances: list[Tensor]) -> None:
        settings = self.settings
        self.network_ = self._autoencoder(utterances[0].shape[1])
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=settings.learning_rate)
        self.losses_: list[float] = []
        for _ in range(settings.epochs):
            losses = []
            for rows in torch.randperm(len(utterances)).split(settings.batch_size):
                loss = self.network_([utterances[i] for i in rows.tolist()])
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network_.parameters(), settings.clip)
                optimiser.step()
                losses.append(loss.detach() * len(rows))
            self.losses_.append(float(torch.stack(losses).sum()) / len(utterances))

    def _autoencoder(self, width: int) -> Autoencoder:
        settings = self.settings
        return Autoencoder(width, settings.units, settings.layers, settings.dropout).to(self.device)

    def _vectors(self, utterances: list[Tensor]) -> Vectors:
        """[utterances, layers · units], those of like length together."""
        self.network_.eval()
        order = np.argsort([len(u) for u in utterances], kind="stable")
        vectors = np.zeros((len(utterances), self.network_.middle.out_features))
        with torch.no_grad():
            for first in range(0, len(order), self.settings.batch_size):
                rows = order[first : first + self.settings.batch_size]
                vectors[rows] = self.network_.encode([utterances[i] for i in rows]).cpu().numpy()
        return vectors


def build(settings: Settings, seed: int, device: str) -> RecurrentAutoencoder:
    """Returns the model, which learns on ``device``."""
    return RecurrentAutoencoder(settings, seed, device)


def example() -> tuple[int, Settings, int]:
    """Returns width, small settings, and frames per utterance."""
    return 5, Settings(units=8, layers=2, dropout=0.2, epochs=4, batch_size=16, learning_rate=1e-2, c=1.0), 9
