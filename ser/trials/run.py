"""One trial in one process: features from the store, training, everything into its run. Knows nothing of Ray."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ser.data import encoders
from ser.errors import Away, BadInput, is_out_of_memory
from ser.files import Damaged
from ser.host import environment, machine, processor
from ser.host.paths import without_secrets
from ser.host.version import library_versions
from ser.runs import attempts
from ser.runs.delivery import Delivery, NoDelivery
from ser.runs.folder import Head, RunFolder
from ser.runs.outcomes import Busy, Failed, Finished, StoreDamaged, TrialOutcome, Undelivered
from ser.runs.replica import Replica
from ser.runs.tracker import Tracker
from ser.study import Trial
from ser.training.fit import fit, is_fitted
from ser.training.start import CorpusData, Diverged
from ser.training.train import Outcome, train
from ser.trials.inputs import initial_state, load, open_store
from ser.trials.job import Job, head_of
from ser.trials.outputs import score, write
from ser.trials.usage import Usage

OnEpoch = Callable[[int, Mapping[str, float]], None]  # number of the epoch, its losses and accuracies


def run(
    job: Job, trial: Trial, on_epoch: OnEpoch | None = None, stop_epoch: int = 0, raise_errors: bool = False
) -> TrialOutcome:
    """Runs ``trial`` to its finished run in MLflow, from its last checkpoint if there is one; returns how it ended.

    Exceptions are worth another try. ``on_epoch`` is called with every epoch, those before an interruption included.
    ``stop_epoch``: the epoch after which a scheduler ended it, or 0. With ``raise_errors`` (for a debugger) an error
    that would end the trial as failed, or let it try smaller batches, is raised.
    """
    started, processor_started = time.perf_counter(), time.process_time()
    begin(job)
    with claim(job, trial) as owned:
        if not isinstance(owned, Claim):
            return owned
        if owned.run_folder.results:  # trained by an earlier process, which could not deliver it
            return owned.deliver(started)
        if owned.attempt.starts > attempts.STARTS:
            return owned.give_up(f" epoch {owned.attempt.epoch + 1}")

        def report(epoch: int, row: Mapping[str, float]) -> None:
            owned.note_epoch(epoch, row)
            if on_epoch:
                on_epoch(epoch, row)
            owned.delivery.send_epochs()

        while True:
            try:
                # Features of all corpora, with balanced classes.
                loading = time.perf_counter()
                data = {c.name: load(job, trial, c) for c in trial.corpora}
                balancing_s = time.perf_counter() - loading if trial.balance.name != "none" else 0.0
                # The training, which goes on from its checkpoint and reports every epoch.
                outcome = _train(job, trial, data, owned, report, stop_epoch)
                outcome.seconds += balancing_s
                break
            except Damaged as damage:
                return StoreDamaged(str(damage))
            except (Diverged, BadInput) as error:
                if raise_errors:
                    raise
                return owned.fail(without_secrets(f"{type(error).__name__}: {error}"))
            except Exception as error:
                message = without_secrets(f"{type(error).__name__}: {error}")
                attempts.note(owned.run_folder.path, message, handled=True)
                if raise_errors or not is_out_of_memory(error):
                    raise
                if owned.attempt.accumulation_steps >= trial.training.batch_size:
                    return owned.fail(f"out of memory with a single utterance at a time: {message}")
            owned.use_smaller_batches(job)  # outside of the handler, which holds the tensors of the failed try
        # Scores and files into the trial's folder, and from there to MLflow.
        extra = {"seconds/processor": time.process_time() - processor_started}  # of all threads, in this attempt
        extra |= {"stopped_epoch": float(stop_epoch)} if stop_epoch else {}
        if owned.attempt.accumulation_steps > 1:
            extra["batch_split"] = float(owned.attempt.accumulation_steps)
        owned.complete(job, trial, data, outcome, started, extra)
        return owned.deliver(started)


def begin(job: Job) -> None:
    """Sets this process up for training."""
    torch.set_num_threads(job.threads)
    encoders.remember({identity: Path(folder) for identity, folder in job.encoders.items()})
    if job.experiment:
        Tracker.experiment_ids.setdefault((job.where, job.study), job.experiment)
    if job.device != "cpu":
        torch.use_deterministic_algorithms(True)
    environment.keep_memory()
    torch.set_flush_denormal(True)  # gradients that decay below 1e-38 cost ten times more than zeros


def _train(
    job: Job, trial: Trial, data: Mapping[str, CorpusData], owned: "Claim", report: OnEpoch, stop_epoch: int
) -> Outcome:
    """Trains the trial's network, or fits its model."""
    if is_fitted(trial):
        return fit(trial, data, job.device)
    state, parts = initial_state(job, trial), owned.attempt.accumulation_steps
    path = owned.run_folder.path / "checkpoint.pt"
    return train(trial, data, path, job.device, report, parts, state, stop_epoch, job.weights)


@dataclass
class Claim:
    """A trial that this process owns: its folder, what carries that on, and its latest attempt."""

    run_folder: RunFolder
    replica: Replica
    delivery: Delivery
    attempt: attempts.Attempt
    usage: Usage = field(default_factory=Usage)

    def note_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Writes an epoch's values into the folder, and counts it."""
        self.add_epoch(epoch, row)
        self.reached(epoch)

    def add_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Writes an epoch's values into the folder, with what the machine is used for, where that is due."""
        self.run_folder.add_epoch(epoch, {**row, **self.usage.due()})

    def reached(self, epoch: int) -> None:
        """Counts an epoch from whose end the trial can go on; a further one gives all attempts back."""
        if epoch > self.attempt.epoch:
            self.attempt = attempts.progressed(self.run_folder.path, self.attempt, epoch)
        self.replica.push(soon=True)

    def use_smaller_batches(self, job: Job) -> None:
        """Has the next try pass every mini-batch through the network in twice as many parts."""
        self.attempt = attempts.smaller(self.run_folder.path, self.attempt)
        if job.device != "cpu":
            torch.cuda.empty_cache()

    def complete(
        self,
        job: Job,
        trial: Trial,
        data: Mapping[str, CorpusData],
        outcome: Outcome,
        started: float,
        extra: Mapping[str, float],
    ) -> None:
        """Leaves scores and files of a trained trial in its folder. ``extra``: further metrics."""
        results = score(trial, outcome)
        files, state = self.run_folder.files, job.saves_states
        write(trial, outcome, data, job.proofs, job.facts, files, state, job.scales)
        results |= {"seconds/training": outcome.seconds, "seconds/total": time.perf_counter() - started}
        if outcome.evaluation_seconds:
            results["seconds/evaluation"] = outcome.evaluation_seconds
        self.run_folder.complete({**results, **extra, **self.usage.at_end()})

    def give_up(self, place: str = "") -> Failed:
        """Records that all attempts are used up; ``place`` is where they ended."""
        last = attempts.last_error(self.run_folder.path) or "its worker died"
        return self.fail(f"{attempts.STARTS} attempts did not finish{place}; the last: {last}")

    def fail(self, error: str) -> Failed:
        """Records why the trial cannot be trained."""
        self.run_folder.fail(error)
        self.delivery.deliver()
        self.replica.push()
        return Failed(error)

    def deliver(self, started: float) -> Finished | Undelivered:
        """Brings a trained trial to MLflow, if that answers."""
        _, results = self.run_folder.results or (0, {})
        if self.delivery.deliver():
            self.replica.drop()
            return Finished({**results, "seconds/total": time.perf_counter() - started})
        self.replica.push()  # for whoever delivers it; until now a lost node costs what an epoch costs
        results = {**results, "seconds/total": time.perf_counter() - started}
        return Undelivered(results, self.delivery.reason, self.delivery.refused)


@contextmanager
def claim(job: Job, trial: Trial) -> Iterator[Claim | Busy | Finished]:
    """Owns ``trial`` for a while; Busy where another process does, Finished where it need not be trained."""
    run_folder = RunFolder(job.work, trial.id)
    with run_folder.lock() as is_owned, open_store(job.store, job.work).claim(trial.id) as is_claimed:
        if not (is_owned and is_claimed):
            yield Busy()
            return
        replica = Replica(job.replica, run_folder)
        replica.fetch()
        attempt = attempts.begin(run_folder.path)
        replica.push()
        delivery = (Delivery if job.is_tracked else NoDelivery)(job.where, run_folder)
        if not run_folder.results:
            head = _with_place(head_of(job, trial), job)
            if not delivery.open(head):
                run_folder.mark_delivered(job.where.printable)
                replica.drop()
                yield Finished()
                return
            run_folder.begin(head)
        yield Claim(run_folder, replica, delivery, attempt, Usage(job.device))


def _with_place(head: Head, job: Job) -> Head:
    """Adds what here, and not in any statement, moves the last digits of a run and decides how long it takes."""
    used, threads = torch.backends.cpu.get_cpu_capability(), job.threads
    tags = {
        "processor": f"{processor.processor().name}, {used}, {threads} thread{'s' * (threads > 1)}",
        "machine": machine.description(),
        "versions": library_versions(),
    }
    if job.device != "cpu" and torch.cuda.is_available():
        tags["gpu"] = torch.cuda.get_device_name()
    twins = tuple(_with_place(twin, job) for twin in head.twins)
    return replace(head, tags={**head.tags, **tags}, twins=twins)


def reset(job: Job, trial: Trial) -> None:
    """Gives all attempts back, as a person asks again; what stayed untracked is trained anew."""
    run_folder = RunFolder(job.work, trial.id)
    with run_folder.lock() as is_owned:
        if is_owned:
            attempts.reset(run_folder.path)
            if run_folder.results and not job.is_tracked:
                shutil.rmtree(run_folder.path)


def interrupted(job: Job, trial: Trial, error: BaseException) -> None:
    """Closes the open run of a trial whose training ended by ``error``; the next call opens it again."""
    if job.is_tracked:
        message = "" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        with suppress(Away, BadInput):
            Tracker.of(job.where, job.study).close_runs({trial.id: without_secrets(message)})


def is_free(job: Job, trial: Trial) -> bool:
    """Whether no living process works on ``trial``."""
    run_folder = RunFolder(job.work, trial.id)
    with open_store(job.store, job.work).claim(trial.id) as is_claimable:
        if not run_folder.path.exists():
            return is_claimable
        with run_folder.lock() as is_ownable:
            return is_ownable and is_claimable
