"""A work folder that tables and notebooks read."""

import shutil

import drawn_runs
import pytest

from ser.runs.location import Location
from ser.trials.job import job_of


@pytest.fixture(scope="session")
def work(plan, features, empty_ledger, tmp_path_factory):
    """A work folder of 24 trials: one failed, one was never begun."""
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copy(empty_ledger, folder / "mlflow.db")
    drawn_runs.fill(plan, job_of(plan, Location.of(folder, None), folder, str(features), "cpu", 1, "test", []))
    return folder
