"""What is handed out to workers: plain words that the process that decides shares with the one that talks to Ray."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """What a worker is given at a time: one trial, or several that are trained together, by their ids."""

    trials: tuple[str, ...]
    judged: bool = False  # by the scheduler, if there is one
    last: int = 0  # the epoch after which a scheduler ended the trial
    replay: tuple[float, ...] = ()  # losses of a finished one, told to the scheduler again, which judges others by them


@dataclass(frozen=True)
class Halving:
    """Tune's asynchronous successive halving (Li et al. 2020): after ``grace``, ``grace`` x ``reduction`` … epochs only
    the best 1/``reduction`` go on. Trials of less than ``grace`` epochs, or of one, it leaves alone.
    """

    grace: int
    reduction: int
    most: int  # epochs
