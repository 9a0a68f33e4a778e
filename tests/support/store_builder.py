"""Builds one entry in many processes and kills them at random times. Run as a program: what forks must have no threads.

Takes a JSON object of the fields of ``Attack``; writes one JSON line per round: what was injected, what came of it.
"""

import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ser.features import shards
from ser.features.entry import Features
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.files import Damaged

SHARD = 4  # items per shard
_SHARD_S = 0.02  # longer than it takes to kill, on the fastest machine


@dataclass(frozen=True)
class Attack:
    """``far``: every builder is a node of its own, with a cache, and the store is remote."""

    recipe: str
    expected: str  # digest of the entry as an undisturbed build leaves it
    folder: str
    seed: int
    rounds: int
    builders: int
    far: bool = False


@dataclass
class Round:
    """What one entry went through."""

    kills: int = 0  # of builders, before the entry was complete
    cut: int = 0  # shards that were being computed by a victim
    opened: int = 0  # while it was built, by a process of its own
    not_yet: int = 0  # the same, when there was nothing to open
    damaged: int = 0
    wrong: int = 0
    failed: int = 0  # builders that ended otherwise than by our hand
    shards: int = 0  # written, counted at every node
    twice: int = 0  # of these, more often than once at one node
    left: list[str] = field(default_factory=list)  # temporaries
    as_expected: bool = False


def digest(folder: Path) -> str:
    """Of names and bytes of all files of an entry."""
    files = sorted((p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in folder.iterdir())
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def frames(features: Features) -> dict[str, bytes]:
    """The content of an entry."""
    return {name: features.frames(name).tobytes() for name in features.names()}


def _child(work) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


class Siege:
    """One round: builders, an observer, and the one who kills."""

    def __init__(self, attack: Attack, number: int, right: dict[str, bytes]) -> None:
        self.attack, self.right = attack, right
        self.recipe: Recipe = pickle.loads(Path(attack.recipe).read_bytes())
        self.mark = Path(attack.folder) / str(number) / "store" / self.recipe.key / "entry.json"
        self.dice = random.Random(f"{attack.seed} {number}")
        self.place = Path(attack.folder) / str(number)
        self.place.mkdir(parents=True)
        self.log = self.place / "log"
        self.log.touch()

    def at(self, node: int) -> Store:
        """The store as a builder sees it."""
        place = self.place / "store"
        return Store(f"local://{place}", self.place / f"node{node}", 1) if self.attack.far else Store(place, jobs=1)

    def build(self, node: int) -> None:
        while not (self.place / "go").exists():  # a fast machine would be through before the last is forked
            time.sleep(0.001)
        genuine = shards.write_shard

        def told(*words):
            with self.log.open("a") as log:
                print(*words, file=log)

        def logged(shard, target):
            told("begun", target, shard.stem)
            time.sleep(_SHARD_S)
            genuine(shard, target)
            told("done", target, shard.stem)

        shards.write_shard = logged
        self.at(node).build(self.recipe)

    def observe(self) -> None:
        """Open the entry again and again."""
        seen: Counter[str] = Counter()
        parent, turn, over = os.getppid(), 0, False
        while os.getppid() == parent and not over:  # once more when all builders are through
            turn, over = turn + 1, (self.place / "over").exists()
            try:
                found = self.at(1000 + turn).open(self.recipe.key)  # a node without a cache, if the store is far
                seen["opened" if frames(found) == self.right else "wrong"] += 1
            except FileNotFoundError:
                seen["not_yet"] += 1
            except Damaged:
                seen["damaged"] += 1
            shutil.rmtree(self.place / f"node{1000 + turn}", ignore_errors=True)
            time.sleep(0.01)  # on a small machine it would starve those it observes
        with self.log.open("a") as log:
            log.writelines(f"seen {what} {times}\n" for what, times in seen.items())

    def run(self) -> Round:
        told = Round()
        observer = _child(self.observe)
        nodes = range(self.attack.builders)
        living = {_child(lambda node=node: self.build(node)): node for node in nodes}
        (self.place / "go").touch()
        longest_s = 0.02
        while living:
            longest_s *= 1.1  # however slow the machine, in the end somebody lives long enough
            time.sleep(self.dice.uniform(0, longest_s))
            victims = [pid for pid in living if self.dice.random() < 0.6] if not self.mark.exists() else []
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                node = living.pop(pid)
                living[_child(lambda node=node: self.build(node))] = node
                told.kills += 1
            for pid in list(living):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del living[pid]
                    told.failed += status != 0
        (self.place / "over").touch()
        os.waitpid(observer, 0)
        self._judge(told)
        return told

    def _judge(self, told: Round) -> None:
        lines = [line.split() for line in self.log.read_text().splitlines()]
        written = Counter(tuple(line[1:]) for line in lines if line[0] == "done")
        told.cut = sum(line[0] == "begun" for line in lines) - sum(written.values())
        told.shards, told.twice = sum(written.values()), sum(n - 1 for n in written.values())
        for line in lines:
            if line[0] == "seen":
                setattr(told, line[1], int(line[2]))
        entries = list(self.place.glob(f"*/{self.recipe.key}"))
        temporary = [p for entry in entries for p in entry.glob(".*")] + list(self.place.glob("*/.arriving/*"))
        told.left = [str(p.relative_to(self.place)) for p in temporary]
        told.as_expected = bool(entries) and all(digest(entry) == self.attack.expected for entry in entries)


def main() -> None:
    shards._ITEMS = SHARD
    attack = Attack(**json.loads(sys.argv[1]))
    recipe = pickle.loads(Path(attack.recipe).read_bytes())
    Store(Path(attack.folder) / "first").build(recipe)  # what is imported now is not imported by every builder anew
    right = pickle.loads(Path(attack.recipe).with_suffix(".right").read_bytes())
    for number in range(attack.rounds):
        print(json.dumps(asdict(Siege(attack, number, right).run())), flush=True)


if __name__ == "__main__":
    main()
