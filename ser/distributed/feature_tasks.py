"""Shards of a store entry as tasks of Ray, a bounded number at a time; runs where ``driver`` does.

A killed worker or node loses the shards that it has begun, and Ray hands these out again.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from ser.data import codecs
from ser.distributed import node, shard, transfer
from ser.distributed.messages import BuildShards, Rejected, ShardDone
from ser.distributed.shard import Sent, Unseen, Work
from ser.distributed.transfer import Folder
from ser.errors import BadInput

_RESTARTS = 5  # of one shard whose worker or node dies
_AHEAD = 2  # tasks for each that can run: a worker that ends one finds the next at its node
_SENT_BYTES = 1 << 28  # of recordings in Ray's object stores at a time, but for those of one shard
_LISTEN_S = 0.5
Result = ShardDone | Unseen | Rejected
Pieces = Sequence["ray.ObjectRef[bytes]"]


def build(request: BuildShards, slots: Callable[[], float], on_done: Callable[[ShardDone], None]) -> None:
    """Computes the shards of ``request`` on the cluster's nodes; ``slots`` says how many tasks can run at once now.

    Raises BadInput for what would be refused here, too, and for a shard that kills its workers.
    """
    shipment, options = _Shipment(request), _options(request)
    versions, device = node.versions(*_libraries(request)), "cuda" if request.gpus else "cpu"
    waiting, running = deque(request.shards), dict["ray.ObjectRef[Result]", range]()
    while waiting or running:
        while waiting and len(running) < max(2, _AHEAD * math.ceil(slots())) and (not running or shipment.has_room()):
            items = waiting.popleft()
            recipe = replace(request.recipe, items=tuple(request.recipe.items[i] for i in items))
            work = Work(recipe, items, request.target, request.token, request.folders, versions, device)
            running[_compute.options(**options).remote(work, shipment.load(work))] = items
        ready, _ = ray.wait(list(running), timeout=_LISTEN_S)
        for reference in ready:
            items = running.pop(reference)
            match _result(reference, request, items):
                case ShardDone() as done:
                    on_done(done)
                case Unseen() as unseen:
                    shipment.add(unseen)
                    waiting.appendleft(items)
                case Rejected(error):
                    raise error
            shipment.unload(items.start)


@ray.remote(num_cpus=1, max_retries=_RESTARTS)
def _compute(work: Work, sent: Sent) -> Result:
    """References come inside ``sent``, so that only a node that needs a piece fetches it."""
    return shard.compute(work, sent, _fetch, ray.get_runtime_context().get_node_id())


def _libraries(request: BuildShards) -> Iterator[str]:
    """Yields libraries that these features need, beside those that all do."""
    if any(folder.is_encoder for folder in request.folders):
        yield "transformers"
    if any(u.path.lower().endswith(codecs.EXTENSIONS) for u, _ in request.recipe.items):
        yield codecs.LIBRARY


def _options(request: BuildShards) -> dict[str, float]:
    """Returns what a task asks of Ray; no more memory than the largest node that fits has: it would never be there."""
    alive = (n["Resources"] for n in ray.nodes() if n["Alive"])
    largest = max((r.get("memory", 0) for r in alive if r.get("GPU", 0) >= request.gpus), default=0)
    return {"num_gpus": request.gpus} | ({"memory": min(request.memory, largest)} if request.memory else {})


def _fetch(reference: "ray.ObjectRef[bytes]") -> bytes:
    return ray.get(reference)


def _put(pieces: Iterable[bytes]) -> Pieces:
    return [ray.put(piece) for piece in pieces]


def _result(reference: "ray.ObjectRef[Result]", request: BuildShards, items: range) -> Result:
    names = request.recipe.names[items.start], request.recipe.names[items.stop - 1]
    place = f"{request.recipe.front_end.name} of {names[0]} … {names[1]}"
    try:
        return ray.get(reference)
    except RayTaskError as error:
        print(error, flush=True)  # into the log, where it came about
        reason = str(error).splitlines()[-1]
        return Rejected(BadInput(reason, place, "a front-end that takes every recording", "look at work/logs/ray.log"))
    except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
        reason = "the node was running low on memory" if isinstance(error, OutOfMemoryError) else "it was killed"
        value = f"{_RESTARTS + 1} workers died of it, the last as {reason}"
        return Rejected(BadInput(value, place, "recordings that fit into a node's memory", "look at the nodes' logs"))


class _Shipment:
    """Pieces in Ray's object store for nodes that do not see files: none before a node has said so.

    Recordings stay there while a task may need them, folders to the end, for nodes that come later.
    """

    def __init__(self, request: BuildShards) -> None:
        self._has_recordings = False
        self._folders: dict[Folder, dict[str, Pieces]] = {}
        self._recordings: dict[str, Pieces] = {}  # by hash
        self._bytes: Counter[str] = Counter()  # by hash
        self._uses: dict[int, set[str]] = {}  # hashes by the shard's start

    def add(self, unseen: Unseen) -> None:
        """Takes along from now on what a node does not see. Raises BadInput where it cannot be read here either."""
        self._has_recordings |= unseen.recordings
        for folder in unseen.folders:
            if folder not in self._folders:
                self._folders[folder] = {name: _put(pieces) for name, pieces in transfer.read_folder(folder)}

    def has_room(self) -> bool:
        """Returns whether the recordings of another shard may come beside those that are there."""
        return self._bytes.total() < _SENT_BYTES

    def load(self, work: Work) -> Sent:
        """Returns what goes with a task. Raises BadInput where a recording cannot be read any more."""
        if not self._has_recordings:
            return Sent({}, self._folders)
        by_hash = {u.sha: u for u, _ in work.recipe.items}
        self._uses[work.items.start] = set(by_hash)
        for sha, utterance in by_hash.items():
            if sha not in self._recordings:
                data = transfer.read(utterance)
                self._recordings[sha], self._bytes[sha] = _put(transfer.pieces(data)), len(data)
        return Sent({sha: self._recordings[sha] for sha in by_hash}, self._folders)

    def unload(self, start: int) -> None:
        """Gives up the recordings that no other task uses."""
        done = self._uses.pop(start, set())
        for sha in done.difference(*self._uses.values()):
            del self._recordings[sha], self._bytes[sha]
