"""The networks of several trainings in two matrices, for ``ser.training.stacked_frames``: blocks, and heads."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ser.models import traits
from ser.models._stacked_frames import Layout, pooled
from ser.models._transfer import to_device
from ser.study import settings_of
from ser.training import stacked_graphs
from ser.training.batches import Batch, Items, sorted_batches
from ser.training.network import SHARED_HEAD
from ser.training.stacked_graphs import Graphs, Step, rounded
from ser.training.stacked_optimisers import Optimisers, places_of, views
from ser.training.start import Run

_EVALUATED = 1 << 17  # frames of all members that are evaluated at once


class Networks:
    """The networks of ``runs`` and their optimisers, which are of one shape and kind.

    What a step of every mini-batch changes, block and pooling, is a row of a member; each head is a row of its own, as
    only the head of the step's corpus is changed, and its moments with it.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        first = runs[0].network
        assert first.pooling is not None
        self.classes, self.variance = first.classes, first.pooling.variance
        self.heads = [list(run.network.heads) for run in runs]
        self.slots = max(map(len, self.heads))
        block, kind = runs[0].trial.block, traits(runs[0].trial.block.name).stacked
        assert kind is not None
        self.block = kind(settings_of("models", block))
        self.outputs: int = first.block.outputs
        self.mean, self.scale = (torch.stack([getattr(r.network, name) for r in runs]) for name in ("mean", "scale"))
        shapes = {name: p.shape for name, p in first.named_parameters() if not name.startswith("heads.")}
        self.body_places, size = places_of(shapes)
        head = next(iter(first.heads.values()))
        self.head_places, head_size = places_of({name: p.shape for name, p in head.named_parameters()})
        settings = [run.trial.training for run in runs]
        self.body = Optimisers(settings, self.mean.new_zeros(len(runs), size))
        by_slot = [s for s in settings for _ in range(self.slots)]
        self.head = Optimisers(by_slot, self.mean.new_zeros(len(by_slot), head_size))
        for i, run in enumerate(runs):
            for name, parameter in run.network.named_parameters():
                self._place(i, name).copy_(parameter.detach())
        self._begin()

    def _begin(self) -> None:
        """Makes what goes with the number of members."""
        self.change = torch.zeros_like(self.body.weights)
        self.update: Step = self.step
        self.has_graphs = stacked_graphs.IS_ON and self.mean.device.type == "cuda"
        if self.has_graphs:
            self.update = Graphs(self.step, [*self.body.state.values(), *self.head.state.values()])

    def padded(self, batches: Sequence[Batch]) -> tuple[Tensor, Layout]:
        """Returns the frames of each member's mini-batch, and their layout; for graphs of one of few sizes."""
        sizes = None
        if self.has_graphs:
            lengths = [b.lengths for b in batches]
            sizes = rounded(1 + max(int(n.sum()) for n in lengths)), rounded(1 + max(int(n.max()) for n in lengths))
        return padded(batches, self.mean.dtype, sizes)

    def _place(self, i: int, name: str) -> Tensor:
        """A weight of member i, by its name in ``ser.training.network.Network``: a view."""
        if not name.startswith("heads."):
            return views(self.body.weights, self.body_places)[name][i]
        _, head, key = name.split(".")
        return views(self.head.weights, self.head_places)[key][i * self.slots + self.heads[i].index(head)]

    def head_row(self, i: int, corpus: str) -> int:
        """The row of the head that answers for a corpus of member i."""
        head = SHARED_HEAD if SHARED_HEAD in self.heads[i] else corpus
        return i * self.slots + self.heads[i].index(head)

    def state(self, i: int) -> dict[str, Tensor]:
        """A copy of member i's network, as ``Network.state_dict`` has it."""
        names = [*self.body_places, *(f"heads.{h}.{key}" for h in self.heads[i] for key in self.head_places)]
        weights = {name: self._place(i, name).clone() for name in names}
        return weights | {"mean": self.mean[i].clone(), "scale": self.scale[i].clone()}

    def moving(self) -> dict[str, dict[str, Tensor]]:
        """All that steps change, for a checkpoint."""
        return {"body": self.body.state, "head": self.head.state}

    def restore(self, moving: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Goes on from ``moving`` of networks of the same members, in their order."""
        for name, optimiser in (("body", self.body), ("head", self.head)):
            for key, value in optimiser.state.items():
                value.copy_(moving[name][key])

    def reduce_to(self, members: list[int]) -> None:
        """Goes on with these members alone."""
        self.heads = [self.heads[i] for i in members]
        self.mean, self.scale = self.mean[members], self.scale[members]
        self.body.reduce_to(members)
        self.head.reduce_to([i * self.slots + k for i in members for k in range(self.slots)])
        self._begin()

    def logits(
        self,
        body: Mapping[str, Tensor],
        head: Mapping[str, Tensor],
        moments: tuple[Tensor, Tensor],
        frames: Tensor,
        layout: Layout,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Logits [members, batch, classes] of frames [members, frames, width] or, of all members the same, [1, …]."""
        mean, scale = moments
        normal = (frames - mean[:, None]) * scale[:, None]
        block = {name.removeprefix("block."): w for name, w in body.items() if name.startswith("block.")}
        hidden = self.block(block, normal, layout)
        hidden = hidden if mask is None else hidden * mask
        vectors = pooled(hidden, body["pooling.u"], layout, self.variance)
        return torch.baddbmm(head["bias"][:, None], vectors, head["weight"].mT)

    def step(
        self, frames: Tensor, layout: Layout, mask: Tensor | None, truth: Tensor, importance: Tensor, heads: Tensor
    ) -> Tensor:
        """Updates every member by its mini-batch: ``truth`` int64 [members, batch], rows of their ``heads`` [members].

        ``importance`` [members, batch] is what each item counts in the mean. Returns what tells whether all is finite,
        [members, 2 + weights]: loss, norm of the gradient, sums of the weights, as they were before.
        """
        sums = self.sums()
        body = {name: w.detach().requires_grad_() for name, w in views(self.body.weights, self.body_places).items()}
        row = self.head.weights.index_select(0, heads)
        head = {name: w.detach().requires_grad_() for name, w in views(row, self.head_places).items()}
        with torch.enable_grad():
            logits = self.logits(body, head, (self.mean, self.scale), frames, layout, mask)
            each = cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").view_as(truth)
            losses = (each * importance).sum(1) / importance.sum(1)
            gradients = torch.autograd.grad(losses.sum(), [*body.values(), *head.values()])
        change = torch.zeros_like(row)
        for place, gradient in zip(
            [*views(self.change, self.body_places).values(), *views(change, self.head_places).values()],
            gradients,
            strict=True,
        ):
            place.copy_(gradient)
        norm = (self.change.square().sum(1) + change.square().sum(1)).sqrt()
        self.body.step(self.change, norm=norm.clone())
        self.head.step_some(heads, change, norm)
        return torch.cat([torch.stack([losses.detach(), norm], dim=1), sums], dim=1)

    def sums(self) -> Tensor:
        """The sums of each weight of each member, in the order of ``named_parameters``, [members, weights]."""
        body = [w.flatten(1).sum(1) for w in views(self.body.weights, self.body_places).values()]
        head = [w.flatten(1).sum(1) for w in views(self.head.weights, self.head_places).values()]
        by_slot = torch.stack(head, dim=1).view(len(self.heads), -1)
        return torch.cat([torch.stack(body, dim=1), by_slot], dim=1)

    def columns(self, i: int) -> list[int]:
        """Columns of ``step``'s answer in the order of member i's ``named_parameters``, behind loss and norm."""
        body, keys = len(self.body_places), len(self.head_places)
        return [0, 1, *range(2, 2 + body + keys * len(self.heads[i]))]

    @torch.no_grad()
    def answers(self, members: Sequence[int], items: Items) -> Tensor:
        """Logits of all items by these members, without dropout, [members, items, classes]."""
        at = torch.tensor(members, device=self.mean.device)
        heads = torch.tensor([self.head_row(i, items.corpus) for i in members], device=at.device)
        whole = len(members) == len(self.heads)
        matrix = self.body.weights if whole else self.body.weights.index_select(0, at)
        body = views(matrix, self.body_places)
        head = views(self.head.weights.index_select(0, heads), self.head_places)
        moments = self.mean.index_select(0, at), self.scale.index_select(0, at)
        out = self.mean.new_empty(len(members), len(items), self.classes)
        for batch in sorted_batches(items, frames=min(8192, max(512, _EVALUATED // len(members)))):
            frames, layout = padded([batch] * len(members), self.mean.dtype)
            places = to_device(torch.tensor(batch.indices), out.device)
            out.index_copy_(1, places, self.logits(body, head, moments, frames, layout))
        return out


def padded(batches: Sequence[Batch], dtype: torch.dtype, sizes: tuple[int, int] | None = None) -> tuple[Tensor, Layout]:
    """Returns the frames of each member's mini-batch [members, frames, width], with zeros behind, and their layout."""
    device = batches[0].labels.device
    layout = Layout.of(np.stack([b.lengths.numpy() for b in batches]), device, sizes)
    frames = torch.zeros(len(batches), layout.frames, batches[0].frames.shape[1], dtype=dtype, device=device)
    for i, batch in enumerate(batches):
        frames[i, : len(batch.frames)] = batch.frames
    return frames, layout
