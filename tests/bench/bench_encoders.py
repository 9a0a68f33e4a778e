"""What pretrained encoders cost: hidden states of speech, and fine-tuning, on this machine's CPU and GPU.

Both beside transformers by hand, measured in turns with ours: utterance by utterance for hidden states, as its examples
do, and for fine-tuning a training loop over batches of one length. Prints JSON. On a CPU one thread is used, and its
time counts, not the wall's; memory is the process's (MB of 2^20 bytes, beyond what it held before), on a GPU what torch
allocated at most. Random weights cost what trained ones do:

    python tests/bench/bench_encoders.py                                              # tiny, seconds: that it runs
    python tests/bench/bench_encoders.py --architecture wav2vec2 --size base          # 94 M weights, as published
    python tests/bench/bench_encoders.py --encoder ~/models/wavlm-large --seconds 4 --batch 16 --precision bfloat16
"""

import argparse
import ctypes
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ser.data import encoder_config, encoders
from ser.data.hidden_states import layers_of
from ser.demo import encoder as demo
from ser.frontends import pretrained
from ser.study import Training, part, settings_of
from ser.training.network import Network
from ser.training.start import parameter_groups, set_precision

RATE_HZ, ROW, CLASSES = encoder_config.RATE_HZ, 320, 4
METHODS = ("top", "lora", "all")


@dataclass(frozen=True)
class Sizes:
    """What is measured."""

    seconds: float
    utterances: int
    batches: tuple[int, ...]
    batch: int
    steps: int
    rounds: int
    precision: str


def waves(count: int, seconds: float) -> list[np.ndarray]:
    """Noise that swells: encoders take as long for it as for speech."""
    rng = np.random.default_rng(0)
    n = round(seconds * RATE_HZ)
    return [(0.1 * rng.standard_normal(n) * np.linspace(0.2, 1, n)).astype(np.float32) for _ in range(count)]


def base_folder(folder: Path, architecture: str) -> Path:
    """Random weights in transformers' own default sizes, which are those of the published base models."""
    from transformers import AutoConfig, AutoModel

    demo.make(folder, architecture)  # for the preprocessor
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.for_model(architecture))
    model.save_pretrained(folder)
    written = json.loads((folder / encoder_config.PREPROCESSOR).read_text())
    for name, value in {"feature_size": 80, "num_mel_bins": 80, "chunk_length": 30}.items():
        if name in written and written["feature_extractor_type"] != "Wav2Vec2FeatureExtractor":
            written[name] = value
    (folder / encoder_config.PREPROCESSOR).write_text(json.dumps(written))
    return folder


class Peak:
    """The most memory that is taken while it is watched, in MB."""

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cpu":
            with suppress(AttributeError):  # glibc keeps what is freed, and would not take more for what follows
                gc.collect()
                ctypes.CDLL(None).malloc_trim(0)
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # the kernel's own maximum begins anew
            self.before = self._status("VmRSS")
        else:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def mb(self) -> float:
        """Returns the maximum since."""
        if self.device != "cpu":
            return round(torch.cuda.max_memory_allocated() / 2**20, 1)
        return round(max(0.0, self._status("VmHWM") - self.before), 1)

    @staticmethod
    def _status(name: str) -> float:
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Time of ``work``: of the processor on a CPU, which others may use beside, and by the wall on a GPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return clock() - started


def in_turns(work: dict[str, Callable[[], object]], rounds: int, device: str) -> dict[str, float]:
    """Median seconds of each, after one round that does not count."""
    for each in work.values():
        each()
    times = [{name: seconds_of(each, device) for name, each in work.items()} for _ in range(rounds)]
    return {name: median(t[name] for t in times) for name in work}


def extraction(identity: str, device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Hidden states of the last layer, by how many utterances are computed at once, and by hand one by one."""
    encoders.use_device(device)
    settings = settings_of("frontends", part("pretrained", encoder=identity))
    some = waves(sizes.utterances, sizes.seconds)
    hours = sizes.utterances * sizes.seconds / 3600
    model = encoders.load(identity, device)

    @torch.no_grad()
    def by_hand() -> None:
        for wave in some:
            inputs, _ = model.inputs([wave])
            model.module(inputs).last_hidden_state.cpu().numpy()

    for count in sizes.batches:
        pieces = [some[at : at + count] for at in range(0, len(some), count)]

        def ours(pieces: list[list[np.ndarray]] = pieces) -> None:
            for piece in pieces:
                pretrained.extract_batch(piece, settings)

        took = in_turns({"ours": ours, "by_hand": by_hand}, sizes.rounds, device)
        peak = Peak(device)
        ours()
        yield {
            "device": device,
            "at_once": count,
            "hours_of_audio_per_hour": round(3600 * hours / took["ours"], 1),
            "times_by_hand": round(took["by_hand"] / took["ours"], 2),
            "memory_mb": peak.mb(),
        }
    own = pretrained.batches([len(wave) for wave in some], settings)
    took = in_turns(
        {"ours": lambda: [pretrained.extract_batch([some[i] for i in b], settings) for b in own]}, 1, device
    )
    at_once = round(len(some) / len(own), 1)
    yield {"device": device, "at_once": f"the front-end's own: {at_once}",
           "hours_of_audio_per_hour": round(3600 * hours / took["ours"], 1)}  # fmt: skip


class ByHand(nn.Module):
    """An encoder of transformers with a linear layer, the mean over time and a head, as in its examples."""

    def __init__(self, model: Any, method: str, top: int) -> None:
        super().__init__()
        from copy import deepcopy

        self.encoder = deepcopy(model.module)
        layers = layers_of(self.encoder)
        if method == "lora":
            from peft import LoraConfig, inject_adapter_in_model

            names = {name.rpartition(".")[2] for name, _ in layers[0].named_modules()}
            targets = [n for n in ("q_proj", "v_proj", "linear_q", "linear_v") if n in names]
            inject_adapter_in_model(
                LoraConfig(r=8, lora_alpha=16, target_modules=targets, lora_dropout=0.1), self.encoder
            )
        else:
            for module in layers[-top:] if method == "top" else layers:
                module.requires_grad_(True).train()
        self.projection = nn.Linear(model.description.width, 256)
        self.head = nn.Linear(256, CLASSES)

    def train(self, mode: bool = True) -> "ByHand":
        """Leaves all as it is: SpecAugment and LayerDrop stay off."""
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Input as the model's authors prepare it -> logits."""
        logits: Tensor = self.head(self.projection(self.encoder(inputs).last_hidden_state).mean(1))
        return logits


def tuning(identity: str, device: str, sizes: Sizes, methods: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Updates per second of a batch of utterances of one length, by method, with and without checkpointing."""
    rows = max(2, round(sizes.seconds * RATE_HZ) // ROW)
    some = waves(sizes.batch, rows * ROW / RATE_HZ)
    frames = torch.from_numpy(np.stack(some)).reshape(-1, ROW).to(device)
    lengths = torch.full((sizes.batch,), rows, device=device)
    labels = torch.arange(sizes.batch, device=device) % CLASSES
    model = encoders.load(identity, "cpu")
    top = min(2, model.description.states - 1)

    def loop(network: nn.Module, logits: Callable[[], Tensor], groups: Any) -> Callable[[], None]:
        optimiser = torch.optim.Adam(groups, lr=1e-4, fused=True)

        def updates() -> None:
            network.train()
            for _ in range(sizes.steps):
                optimiser.zero_grad(set_to_none=True)
                cross_entropy(logits(), labels).backward()
                optimiser.step()

        return updates

    for method in methods:
        theirs = ByHand(model, method, top).to(device)

        def by_hand(theirs: ByHand = theirs) -> Tensor:
            inputs = model.inputs(some)[0].to(device)
            with torch.autocast(device, torch.bfloat16, enabled=sizes.precision == "bfloat16"):
                return theirs(inputs).float()

        theirs_updates = loop(theirs, by_hand, [p for p in theirs.parameters() if p.requires_grad])
        for checkpointing in (False, True):
            block = part("finetuned", encoder=identity, method=method, top=top, checkpointing=checkpointing)
            network = Network(ROW, block, "none", CLASSES, sizes.precision).to(device)
            groups = parameter_groups(_training(sizes), network)
            ours = loop(network, lambda network=network: network(frames, lengths, ""), groups)
            took = in_turns({"ours": ours, "by_hand": theirs_updates}, sizes.rounds, device)
            peak = Peak(device)
            ours()
            yield {
                "device": device,
                "method": method,
                "checkpointing": checkpointing,
                "updates_per_second": round(sizes.steps / took["ours"], 3),
                "times_by_hand": round(took["by_hand"] / took["ours"], 2),
                "memory_mb": peak.mb(),
                "weights_that_learn": sum(p.numel() for p in network.parameters() if p.requires_grad),
                "checkpoint_mb": round(sum(w.nbytes for w in network.state_dict().values()) / 2**20, 3),
            }


def _training(sizes: Sizes) -> Training:
    from ser.experiments.interaffection import study

    return study.training


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, help="folder of an encoder; without, one of random weights is made")
    parser.add_argument("--architecture", default="wav2vec2", choices=demo.ARCHITECTURES)
    parser.add_argument("--size", default="tiny", choices=("tiny", "base"), help="of random weights")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of an utterance")
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="utterances computed at once")
    parser.add_argument("--batch", type=int, default=4, help="utterances of an update")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--precision", default="float32", choices=("float32", "tf32", "bfloat16"))
    parser.add_argument("--devices", nargs="+", help="cpu, cuda; without, all that there are")
    args = parser.parse_args()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    devices = args.devices or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    sizes = Sizes(
        args.seconds, args.utterances, tuple(args.batches), args.batch, args.steps, args.rounds, args.precision
    )
    with TemporaryDirectory() as temporary:
        folder = args.encoder or Path(temporary) / args.architecture
        if args.encoder is None:
            (demo.make if args.size == "tiny" else base_folder)(folder, args.architecture)
        identity = str(encoders.examine(folder))
        encoders.remember({identity: folder})
        gpu = torch.cuda.get_device_name() if "cuda" in devices else ""
        result: dict[str, Any] = {"encoder": identity, "torch": torch.__version__, "gpu": gpu, **vars(sizes)}
        result |= {"extraction": [], "fine_tuning": []}
        for device in devices:
            set_precision("tf32" if args.precision == "tf32" and device != "cpu" else "float32", device)
            torch.use_deterministic_algorithms(device != "cpu")  # as trials run
            result["extraction"] += extraction(identity, device, sizes)
            result["fine_tuning"] += tuning(identity, device, sizes, tuple(args.methods))
        torch.use_deterministic_algorithms(False)
        encoders.use_device("cpu")
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
