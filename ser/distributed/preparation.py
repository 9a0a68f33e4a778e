"""From a plan to the job of its trials: features are built first, and again as a search adds trials."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser.data.manifest import Refusal
from ser.distributed import features
from ser.distributed.profile import Profile
from ser.features.store import Store
from ser.host.version import code_version, command
from ser.planning import request as requests
from ser.planning.plan import Plan
from ser.planning.request import Bar, Request
from ser.runs.location import Location
from ser.study import Trial
from ser.trials.job import Job, job_of


@dataclass
class Preparation:
    """A plan, which grows with its search, and all that its jobs need."""

    plan: Plan
    request: Request
    store: Store
    store_place: str  # path or URL, as workers open it
    where: Location
    profile: Profile
    address: str | None  # of the cluster whose machines compute features and train the trials
    bar: Bar
    on_refused: Callable[[Sequence[Refusal]], None]  # called with the recordings that have no features
    on_note: Callable[[str], None]  # called with lines for a person

    def job(self) -> Job:
        """Builds the features that are missing or damaged, and returns the job. Raises BadInput."""
        plan, profile, work = self.plan, self.profile, Path(self.request.work)
        with features.computing(profile, self.address, work, self.on_note) as compute:
            refused = requests.prepare(plan, self.store, self.request.recordings, self.bar, compute)
        self.on_refused(refused)
        device, threads, notes = profile.device, profile.cpus_per_trial, requests.describe(plan)
        job = job_of(plan, self.where, work, self.store_place, device, threads, code_version(), notes)
        job = replace(job, weights=str(self.request.weights) if self.request.weights else "")
        job = replace(job, tags={**job.tags, "command": command()})
        return job.spread() if self.address is not None else job

    def grow(self, losses: Mapping[str, float]) -> tuple[Job, Sequence[Trial]] | None:
        """Returns the job and all trials once the search knows these losses, by trial id; None where it adds none."""
        grown = self.plan.grown(losses)
        if len(grown.trials) == len(self.plan.trials):
            return None
        self.plan = grown
        return self.job(), grown.to_run
