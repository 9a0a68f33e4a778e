"""One shard of a store entry on a node, in a process of Ray's. Knows nothing of Ray."""

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ser.data import encoders
from ser.distributed import node, transfer
from ser.distributed.messages import Rejected, ShardDone
from ser.distributed.transfer import Folder, Reference
from ser.errors import BadInput
from ser.features import shards
from ser.features.recipe import Recipe
from ser.features.shards import Shard
from ser.host import environment

MARK = ".seen"  # in an entry's folder: whoever sees it writes there


@dataclass(frozen=True)
class Work:
    """One shard to compute: ``recipe`` has its items alone, which are ``items`` of the entry.

    ``versions`` are those of libraries where the command is given; the rest is as in ``BuildShards``.
    """

    recipe: Recipe
    items: range
    target: str
    token: str
    folders: tuple[Folder, ...]
    versions: Mapping[str, str]
    device: str


@dataclass(frozen=True)
class Unseen:
    """What a node has to be sent before it can compute a shard: its recordings, and these folders."""

    recordings: bool
    folders: tuple[Folder, ...]


@dataclass(frozen=True)
class Sent:
    """References to pieces of what is sent: of recordings by their hash, of folders' files by their names."""

    recordings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    folders: Mapping[Folder, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


def compute(work: Work, sent: Sent, fetch: Callable[[Reference], bytes], node_id: str) -> ShardDone | Unseen | Rejected:
    """Computes a shard from what this node sees, or is sent; ``fetch`` returns the piece of a reference.

    Writes it into the entry's folder where this node sees that, else returns its bytes.
    """
    environment.settle()
    host, is_blind = socket.gethostname(), not transfer.sees(work.recipe.items)
    try:
        _check_versions(work, host)
        places = {folder: transfer.place_of(folder) for folder in work.folders}
        unseen = tuple(f for f, place in places.items() if place is None and f not in sent.folders)
        if unseen or (is_blind and not sent.recordings):
            return Unseen(is_blind, unseen)
        paths = {f: place or transfer.keep(f, sent.folders[f], fetch) for f, place in places.items()}
        encoders.use_device(work.device)
        encoders.remember({f.identity: path for f, path in paths.items() if f.is_encoder})
        recordings = next((path for f, path in paths.items() if not f.is_encoder), None)
        with ExitStack() as stack:
            recipe = work.recipe
            if is_blind:
                recipe = stack.enter_context(transfer.received(recipe, sent.recordings, fetch))
            result = shards.compute_shard(recipe, range(len(work.items)), recordings)
    except BadInput as error:
        # Gone or changed meanwhile: where the command is given it is read again, and sent or refused.
        is_lost = not is_blind and not transfer.sees(work.recipe.items)
        return Unseen(True, ()) if is_lost else Rejected(error)
    except OSError as error:
        reason, remedy = error.strerror or str(error), "free space there, or set its SER_CACHE"
        return Rejected(BadInput(reason, f"cache of node {host}", "room for what is sent", remedy))
    result = replace(result, stem=shards.stem(work.items))
    return ShardDone(work.items, None if _is_written(result, work) else result, node_id, host)


def _is_written(result: Shard, work: Work) -> bool:
    """Writes a shard where this node sees the entry's folder, and may."""
    target = Path(work.target)
    try:
        if not work.token or (target / MARK).read_text(encoding="utf-8") != work.token:
            return False
        shards.write_shard(result, target)
    except (OSError, BadInput):
        return False
    return True


def _check_versions(work: Work, host: str) -> None:
    """Raises BadInput for libraries that could give other numbers."""
    if problems := node.differences(work.versions):
        allowed, remedy = "the libraries that are where the command is given", "install them; ser doctor looks again"
        raise BadInput("; ".join(problems), f"node {host}", allowed, remedy)
