"""Shards of store entries, computed on a cluster: which are left, and what to do when nodes or Ray go away.

This is the process that decides: it holds the entry's lock, and writes what nodes return that do not see the store.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ser import files
from ser.data import encoders
from ser.distributed.messages import BuildShards, Message, Note, ShardDone
from ser.distributed.pool import RayLost, WorkerPool
from ser.distributed.profile import Profile
from ser.distributed.shard import MARK
from ser.distributed.transfer import Folder
from ser.errors import BadInput
from ser.features.recipe import Recipe, is_batched
from ser.features.shards import Compute, Count, stem, write_shard
from ser.study import settings_of

_LOSSES = 10  # of Ray without a shard between them: a cluster's head may take minutes to return
_ARRIVES_S = 30.0  # what a node wrote on a shared drive is seen here after seconds
_MODEL = 3  # bytes of memory for each on disk: weights of 16 bits as 32, and what they compute
_HOSTS = 8  # that are named


@contextmanager
def computing(
    profile: Profile, address: str | None, work: Path, on_note: Callable[[str], None]
) -> Iterator[Compute | None]:
    """Gives what computes missing shards on the cluster at ``address``, None where there is none; ends it afterwards.

    Nobody connects to the cluster before a shard is missing. ``on_note`` gets lines for a person. Without a cluster the
    encoders of this process compute on the profile's device.
    """
    if address is None:
        with encoders.on_device(profile.device):
            yield None
        return
    nodes = _Nodes(profile, address, work, on_note)
    try:
        yield nodes.compute
    finally:
        nodes.close()
    nodes.summarise()


class _Nodes:
    """The nodes of a cluster, as what computes shards."""

    def __init__(self, profile: Profile, address: str, work: Path, on_note: Callable[[str], None]) -> None:
        self._profile, self._address, self._work, self._on_note = profile, address, work, on_note
        self._pool: WorkerPool | None = None
        self._losses = 0  # of Ray since the last shard
        self._shards: Counter[str] = Counter()  # by host
        self._ids: set[str] = set()  # of the nodes that computed them

    def compute(
        self, recipe: Recipe, missing: Sequence[range], recordings: Path | None, target: Path, count: Count
    ) -> None:
        """As ``ser.features.shards.Compute``. Raises BadInput also where there is no such cluster, or it is lost."""
        folders = _folders(recipe, recordings)
        gpus = self._profile.gpus_per_trial if is_batched(recipe.front_end) else 0.0
        memory = sum(_MODEL * f.bytes() for f in folders if f.is_encoder)
        request = BuildShards(recipe, tuple(missing), str(target), _marked(target), folders, gpus, memory)
        remaining = {items.start: items for items in missing}

        def on_event(message: Message) -> None:
            match message:
                case Note(line):
                    self._on_note(line)
                case ShardDone(items, shard, node, host):
                    if shard is not None:
                        write_shard(shard, target)
                    elif not _has_arrived(target, items):
                        return
                    self._losses = 0
                    self._ids.add(node)
                    self._shards[host] += 1
                    del remaining[items.start]
                    count(len(items))

        try:
            while remaining:
                try:
                    self._connected().build(replace(request, shards=tuple(remaining.values())), on_event)
                    request = replace(request, token="")  # what is left was written where it is not seen
                except RayLost as error:
                    self.close()
                    self._wait(str(error))
        finally:
            _remove_strays(target, missing)

    def _connected(self) -> WorkerPool:
        """Raises BadInput where there is no cluster, and RayLost; where there was one, it may still be starting."""
        if self._pool is None:
            try:
                self._pool = WorkerPool.of_features(self._profile, self._work, self._address)
            except BadInput as error:
                if self._losses:
                    raise RayLost(str(error)) from None
                raise
        return self._pool

    def _wait(self, reason: str) -> None:
        self._losses += 1
        if self._losses >= _LOSSES:
            value = f"lost {self._losses} times without progress ({reason})"
            remedy = "look at its logs; the same command goes on"
            raise BadInput(value, "Ray", "a cluster that keeps running", remedy)
        pause_s = min(5.0 * 2 ** (self._losses - 1), 60.0)
        self._on_note(f"Ray was lost ({reason}); the missing shards are computed in {pause_s:.0f} s")
        time.sleep(pause_s)

    def close(self) -> None:
        """Leaves the cluster."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def summarise(self) -> None:
        """Says how many shards were computed where."""
        if self._shards:
            each = [f"{host} {number}" for host, number in self._shards.most_common(_HOSTS)]
            more = f" and {len(self._shards) - _HOSTS} more" if len(self._shards) > _HOSTS else ""
            total, nodes = self._shards.total(), len(self._ids)
            amount = f"{total} shards" if total > 1 else "1 shard"
            places = f"{nodes} nodes" if nodes > 1 else "1 node"
            self._on_note(f"features: {amount} on {places} ({', '.join(each)}{more})")


def _folders(recipe: Recipe, recordings: Path | None) -> tuple[Folder, ...]:
    """Returns the folders that the components of an entry read. Raises BadInput where one is not there."""
    encoder = getattr(settings_of("frontends", recipe.front_end), "encoder", "")
    folders = [Folder.of_encoder(encoder)] if encoder else []
    return (*folders, *([Folder.of_recordings(recordings)] if recordings else []))


def _marked(target: Path) -> str:
    """Leaves a mark in the entry's folder, by which nodes see it, and returns its text."""
    token = os.urandom(8).hex()
    with suppress(OSError):  # a full disk says so with the first shard
        (target / MARK).write_text(token, encoding="utf-8")
    return token


def _has_arrived(target: Path, items: range) -> bool:
    """Returns whether what a node wrote is seen here: a shared drive shows it a little later."""
    deadline = time.monotonic() + _ARRIVES_S
    while True:
        with suppress(OSError, files.Damaged):
            meta = files.read(target / f"{stem(items)}.json")
            if (target / f"{stem(items)}.npy").stat().st_size == meta["bytes"]:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def _remove_strays(target: Path, computed: Sequence[range]) -> None:
    """Removes the mark, and what killed workers left of the shards they were writing."""
    stems = tuple(f".{stem(items)}" for items in computed)
    with suppress(OSError):
        for path in target.iterdir():
            if path.name == MARK or path.name.startswith(stems):
                path.unlink()
