"""A model as ONNX: a network of an item's frames, or a fitted model of vectors; scores and probabilities out.

torch traces the model with an item of common length (its older exporter: the newer one refuses what looks at lengths,
which was 19 of 21 networks). Then onnxruntime has to answer items of several lengths as the run's own model does.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ser.errors import BadInput
from ser.features.recipe import front_end_frames, front_end_width, segment_frames
from ser.models._plain import Plain
from ser.prediction.predictor import Predictor
from ser.prediction.steps import Vectors, steps
from ser.prediction.systems import FittedSystem, NetworkSystem
from ser.study import settings_of
from ser.training.network import Network

TOLERANCE = 1e-5  # of a probability
_OPSET = 18
_SECONDS = (0.4, 1.0, 1.7, 2.9, 4.3)  # of recordings whose numbers of frames are tried
_LARGEST = 2**31 - 2**20  # bytes of a file: protobuf's limit
_MEANING = {
    "frames": "of one item, as the front-end makes them",
    "vectors": "what the front-end, statistics and normalisation by speaker, where they are steps, make of them",
}
_REMEDY = "take a FILE.safetensors"


class _OfFrames(nn.Module):
    """Frames of one item [frames, width] -> logits and probabilities of each head, [rows, classes], and its ratings."""

    def __init__(self, network: Network, heads: tuple[str, ...], several_labels: bool) -> None:
        super().__init__()
        self.network, self.head_names, self.several_labels = network, heads, several_labels

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """All of the first head, then of the second."""
        lengths = torch.ones_like(frames[:, :1], dtype=torch.int64).sum(0)
        answers: list[Tensor] = []
        for head in self.head_names:
            whole = self.network(frames, lengths, head)
            logits, ratings = whole[:, : self.network.classes], whole[:, self.network.classes :]
            if self.network.classes:
                answers += [logits, logits.sigmoid() if self.several_labels else logits.softmax(1)]
            if ratings.shape[1]:
                answers.append(ratings)
        return tuple(answers)


class _OfVectors(nn.Module):
    """Vectors of items [items, width] -> scores and, where ``answer`` makes some of these, probabilities."""

    def __init__(self, vectors: Vectors, answer: Callable[[Tensor], Tensor] | None) -> None:
        super().__init__()
        self.vectors, self.answer = vectors, answer

    def forward(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Both, [items, classes]."""
        scores = self.vectors(vectors)
        return (scores, self.answer(scores)) if self.answer else (scores,)


@dataclass(frozen=True)
class _Graph:
    """What is traced: a module with one input, called ``name`` in errors, items for it, and names of its outputs."""

    module: nn.Module
    name: str
    input: str
    items: list[Tensor]
    outputs: list[str]
    expected: Callable[[Tensor], tuple[Tensor, ...]]  # the outputs for an item, as the run's own model gives them

    @property
    def shape(self) -> str:
        """Of the input, as a person reads it; fixed where all items have one."""
        first = self.items[0]
        return f"{self.input} [{self.input if len(self.items) > 1 else len(first)}, {first.shape[1]}]"


def converted(predictor: Predictor, metadata: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """Returns the ONNX file of a model, and lines on its inputs, outputs and how near it is to torch.

    A network takes the frames of an item, a fitted model the vectors that its steps before make of some. ``metadata``
    becomes the file's. Raises BadInput for a model that cannot be traced or that onnxruntime answers otherwise than
    torch, and where a package is missing.
    """
    _check_packages()
    system = predictor.system
    graph = _of_network(predictor, system.network) if isinstance(system, NetworkSystem) else _of_fitted(predictor)
    content = _traced(graph)
    difference = _difference(graph, content)
    per_row = "classes or dimensions" if predictor.trial.dimensions else "classes"
    sizes, outputs = ", ".join(str(len(item)) for item in graph.items), ", ".join(graph.outputs)
    lines = [
        f"input {graph.shape}, float32: {_MEANING[graph.input]}; outputs {outputs}: [rows, {per_row}]",
        f"onnxruntime and torch differ by {difference:.1e} at most, for {sizes} {graph.input}",
    ]
    if isinstance(system, NetworkSystem) and system.network.reduced:
        lines.append("in float32: the run's own answers, of a block in bfloat16, differ by its rounding")
    notes = {"input": f"{graph.shape}: {_MEANING[graph.input]}", "outputs": outputs}
    return _with_metadata(content, {**metadata, **notes}), lines


def _of_network(predictor: Predictor, network: Network) -> _Graph:
    if 4 * sum(p.numel() for p in network.parameters()) > _LARGEST:
        raise BadInput("a network of 2 GB or more", ".onnx", "less, for one file", _REMEDY)
    copy = deepcopy(network)
    copy.reduced = False  # in float32 in any case
    whole = _OfFrames(copy, predictor.heads, predictor.several_labels).eval()
    signs = [f"_{head}" if head else "" for head in predictor.heads]
    kinds = ["logits", "probabilities"] if predictor.classes else []
    kinds += ["ratings"] if predictor.trial.dimensions else []
    outputs = [f"{kind}{sign}" for sign in signs for kind in kinds]
    return _Graph(whole, predictor.trial.block.name, "frames", _items(whole, predictor), outputs, whole)


def _of_fitted(predictor: Predictor) -> _Graph:
    """Items are vectors spread as those that were learned from, where a step says how these were."""
    system, trial = predictor.system, predictor.trial
    assert isinstance(system, FittedSystem)
    if system.fitted.model is None or trial.dimensions:
        raise BadInput(f"ratings of {trial.block.name}", ".onnx", "classes of a fitted model alone", _REMEDY)
    plain = steps(system.fitted, predictor, system.fitted.model)
    vectors = Vectors(plain, system.fitted.model.classes_.tolist(), len(trial.classes))
    answer: Callable[[Tensor], Tensor] | None = None
    if system.has_logits:
        answer = torch.sigmoid if predictor.several_labels else partial(torch.softmax, dim=1)
    elif system.gives_probabilities:
        answer = torch.exp
    whole = _OfVectors(vectors, answer).eval()

    def expected(item: Tensor) -> tuple[Tensor, ...]:
        scores = torch.from_numpy(system.fitted.logits(trial, item.double().numpy(), None))
        return (scores, answer(scores)) if answer else (scores,)

    outputs = ["scores", "probabilities"] if answer else ["scores"]
    return _Graph(whole, trial.block.name, "vectors", _vectors(plain, predictor), outputs, expected)


def _vectors(plain: Sequence[Plain], predictor: Predictor) -> list[Tensor]:
    """Returns one vector, and several, spread as those that were learned from, where a step says how these were."""
    draw = torch.Generator().manual_seed(0)
    for step in plain:
        if step.kind == "standard":
            mean, factor = (torch.as_tensor(step.arrays[name]) for name in ("mean", "factor"))
            deviation = torch.where(factor > 0, 1 / factor, torch.zeros_like(factor))
            noise = (torch.randn(n, len(mean), generator=draw, dtype=torch.float64) for n in (1, 5))
            return [(x * deviation + mean).float() for x in noise]
    statistics = getattr(settings_of("models", predictor.trial.block), "statistics", ())
    width = front_end_width(predictor.front_end()) * max(1, len(statistics))
    return [torch.randn(n, width, generator=draw) for n in (1, 5)]


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise BadInput(f"no package {error.name}", ".onnx", "onnx, onnxscript, onnxruntime",
                       "pip install 'ser[onnx]'") from None  # fmt: skip


@torch.no_grad()
def _items(whole: _OfFrames, predictor: Predictor) -> list[Tensor]:
    """Returns items of all lengths that recordings lead to and the network takes, as its training items are spread."""
    front_end = predictor.front_end(predictor.heads[0])
    patch = segment_frames(front_end)
    lengths = {patch} if patch else {front_end_frames(front_end, seconds) for seconds in _SECONDS} - {0}
    draw, network = torch.Generator().manual_seed(0), whole.network
    items, error = [], ""
    for length in sorted(lengths):
        item = torch.randn(length, len(network.mean), generator=draw) / network.scale + network.mean
        try:
            whole(item)
            items.append(item)
        except (BadInput, RuntimeError, ValueError, IndexError) as refused:
            error = str(refused)
    if not items:
        raise BadInput(error, ".onnx", "a network that takes its front-end's frames alone", _REMEDY)
    return items


@torch.no_grad()
def _traced(graph: _Graph) -> bytes:
    file: Any = io.BytesIO()  # torch takes it, and its signature only paths
    axes = {graph.input: {0: graph.input}} if len(graph.items) > 1 else {}
    try:
        # It prints the whole graph where it fails, and warns of each shape that it takes for fixed.
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph.module, (graph.items[len(graph.items) // 2],), file, dynamo=False, opset_version=_OPSET,
                input_names=[graph.input], output_names=graph.outputs, dynamic_axes=axes,
            )  # fmt: skip
    except Exception as error:  # of any layer, ours or a plugin's
        reason = next(iter(str(error).splitlines()), "")
        raise BadInput(f"{type(error).__name__}: {reason}", f"{graph.name} as ONNX",
                       "layers that ONNX has", _REMEDY) from None  # fmt: skip
    content: bytes = file.getvalue()
    return content


@torch.no_grad()
def _difference(graph: _Graph, content: bytes) -> float:
    """Returns by how much probabilities, or else scores, differ at most. Raises BadInput above ``TOLERANCE``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    largest, place = 0.0, f"{graph.name} as ONNX"
    exact = ("probabilities", "ratings")
    checked = [i for i, name in enumerate(graph.outputs) if name.startswith(exact)] or [0]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for item in graph.items:
            answers, expected = session.run(None, {graph.input: item.numpy()}), graph.expected(item)
            largest = max([largest, *(_apart(answers[i], expected[i].numpy(), place) for i in checked)])
    except BadInput:
        raise
    except Exception as error:  # onnxruntime has a class for each of its errors, and no common one
        reason = next(iter(str(error).splitlines()), "")
        raise BadInput(reason, place, "a graph that onnxruntime computes, of any length", _REMEDY) from None
    if not largest <= TOLERANCE:
        raise BadInput(f"a difference of {largest:.1e}", place, f"answers within {TOLERANCE:g}", _REMEDY)
    return largest


def _apart(answer: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], place: str) -> float:
    """The largest difference, of scores beyond 1 as a share of the largest score; equal infinite ones do not differ."""
    if answer.shape != expected.shape:
        raise BadInput(f"{len(answer)} rows", place, f"{len(expected)}", _REMEDY)
    finite = np.isfinite(expected)
    if not np.array_equal(answer[~finite], expected[~finite]):
        return float("inf")
    scale = max(1.0, float(np.abs(expected[finite]).max(initial=0)))
    return float(np.abs(answer[finite] - expected[finite]).max(initial=0)) / scale


def _with_metadata(content: bytes, texts: Mapping[str, str]) -> bytes:
    import onnx

    model = onnx.load_model_from_string(content)
    model.producer_name = "ser"
    onnx.helper.set_model_props(model, dict(texts))
    whole: bytes = model.SerializeToString()
    return whole
