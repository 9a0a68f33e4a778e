"""Messages between the process that decides (``launch``, ``features``), the one that knows Ray (``driver``), and its
workers (``tune``, ``feature_tasks``).

All are frozen dataclasses of plain values, and whoever receives them matches on their class.
"""

from dataclasses import dataclass

from ser.distributed.node import Finding, Places
from ser.distributed.profile import Profile
from ser.distributed.transfer import Folder
from ser.errors import BadInput
from ser.features.recipe import Recipe
from ser.features.shards import Shard
from ser.runs.outcomes import TrialOutcome

# What a driver is started with, and asked for


@dataclass(frozen=True)
class DriverOptions:
    """All that ``driver`` needs before its first trial."""

    profile: Profile
    work: str
    address: str | None = None  # of a running cluster; None for a Ray of this machine
    places: Places | None = None  # of a cluster: what its nodes have to reach
    replica: str = ""
    packed_job: bytes = b""  # pickled (job, trials by id), which only workers open; b"" without trials


@dataclass(frozen=True)
class WorkItem:
    """Work for one worker at a time: one trial, or several that are trained together, by their ids."""

    trials: tuple[str, ...]
    may_stop: bool = False  # the scheduler, if there is one, may end it early
    stop_epoch: int = 0  # the epoch after which a scheduler ended the trial before; 0 if none did
    past_losses: tuple[
        float, ...
    ] = ()  # of a finished trial, reported to the scheduler again, which compares with them
    is_test: bool = False  # a finished trial, which is only tested on corpora that it has not learned from


@dataclass(frozen=True)
class Halving:
    """Tune's asynchronous successive halving (Li et al. 2020): after ``grace``, ``grace`` x ``reduction`` … epochs only
    the best 1/``reduction`` go on. Trials of less than ``grace`` epochs, or of one, it leaves alone.
    """

    grace: int
    reduction: int
    max_epochs: int


@dataclass(frozen=True)
class RunItems:
    """A request to run work items; ``packed_job`` replaces the job of before, as searches add trials."""

    items: tuple[WorkItem, ...]
    halving: Halving | None = None
    packed_job: bytes = b""


@dataclass(frozen=True)
class BuildShards:
    """A request to compute shards of a store entry. ``token`` is the text of a mark in the entry's folder ``target``:
    a node that sees it writes its shards there, others return them; "" where all return them.
    """

    recipe: Recipe
    shards: tuple[range, ...]
    target: str
    token: str
    folders: tuple[Folder, ...] = ()  # that the components read
    gpus: float = 0.0  # for each shard
    memory: int = 0  # bytes for each shard, beyond what any needs


@dataclass(frozen=True)
class Close:
    """A request to end."""


# What becomes of trials


@dataclass(frozen=True)
class EpochDone:
    """A trial goes on: it has reached the end of ``epoch``; 0 as its worker takes it up."""

    trial: str
    epoch: int
    node: str
    pid: int


@dataclass(frozen=True)
class Ended:
    """A trial's worker returned."""

    trial: str
    outcome: TrialOutcome


@dataclass(frozen=True)
class Stopped:
    """The scheduler ended a trial after ``epoch``."""

    trial: str
    epoch: int


@dataclass(frozen=True)
class Died:
    """A trial's worker died or raised, and the trial is tried again."""

    trial: str
    error: str


@dataclass(frozen=True)
class Broke:
    """A trial's worker died or raised, and the trial is not tried again in this run of Tune."""

    trial: str
    error: str


TrialEvent = EpochDone | Ended | Stopped | Died | Broke


# What becomes of shards


@dataclass(frozen=True)
class ShardDone:
    """The shard of ``items`` is computed; ``shard`` is None where its node has written it."""

    items: range
    shard: Shard | None
    node: str
    host: str


@dataclass(frozen=True)
class ShardsDone:
    """All shards of a request are computed."""


# What becomes of Ray


@dataclass(frozen=True)
class Ready:
    """Ray and its nodes are there, and can train ``slots`` trials at once."""

    slots: float


@dataclass(frozen=True)
class Note:
    """A line that a person should read."""

    line: str


@dataclass(frozen=True)
class Alive:
    """Ray has a living node."""


@dataclass(frozen=True)
class Lost:
    """Ray is of no use any more."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """The driver cannot go on before a person changes something."""

    error: BadInput


@dataclass(frozen=True)
class ItemsDone:
    """Tune has no work item left."""


@dataclass(frozen=True)
class Examined:
    """The state of every living node of a cluster."""

    findings: tuple[Finding, ...]


Message = TrialEvent | ShardDone | Ready | Note | Alive | Lost | Rejected | ItemsDone | ShardsDone | Examined
