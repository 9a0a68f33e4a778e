"""How well a card was filled, by hand-computed cases; and what a profile may say."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ser.cli import console
from ser.distributed.gpu_memory import Used, advice, used
from ser.distributed.ledger import Ledger, Summary
from ser.distributed.messages import Ended
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.training import train
from ser.trials import run as one

GB = 1024.0


def trials(number, peak_gb, card_gb=80, cut=False):
    """Peaks with CUDA's own half of a GB to come."""
    return [Used(peak_gb * GB - 500, card_gb * GB, cut)] * number


def test_trials_that_leave_most_of_a_card_empty_are_told_a_smaller_fraction():
    # 8 x 1.5 of 80 GB are 15 %; 90 % of it hold 48 of 1.5 GB.
    assert advice(trials(8, 1.5), 0.125, 8) == (
        "memory: 8 trials of up to 1.5 GB (0.5 of it CUDA's own) on a GPU of 80 GB: 15 %; "
        "gpus_per_trial = 0.0208 would fit 48"
    )


def test_trials_that_fill_more_than_nine_tenths_are_told_a_larger_one():
    # 8 x 9.5 = 76 of 80 GB are 95 %; 72 / 9.5 = 7.6.
    line = advice(trials(8, 9.5), 0.125, 8)
    assert "8 trials of up to 9.5 GB" in line
    assert line.endswith("on a GPU of 80 GB: 95 %; gpus_per_trial = 0.1428 would fit 7")


@pytest.mark.parametrize(("peak_gb", "percent"), [(5.0, 50), (7.0, 70), (9.0, 90)])
def test_a_card_that_is_half_full_and_not_full_is_let_be(peak_gb, percent):
    assert advice(trials(8, peak_gb), 0.125, 8).endswith(f"on a GPU of 80 GB: {percent} %")


def test_batches_in_parts_halve_the_number_as_what_was_needed_whole_is_unknown():
    seen = [*trials(30, 2.0), *trials(2, 2.0, cut=True)]
    assert advice(seen, 0.125, 8).endswith(
        "20 %; 2 had to pass their batches in parts; gpus_per_trial = 0.25 would fit 4"
    )


def test_what_does_not_fit_alone_is_told_so():
    assert "too little for one" in advice(trials(1, 79), 1, 1)
    assert "too little for one" in advice(trials(1, 10, cut=True), 1, 1)
    assert advice(trials(1, 60), 1, 1).endswith(
        "memory: 1 trial of up to 60.0 GB (0.5 of it CUDA's own) on a GPU of 80 GB: 75 %"
    )


def test_the_largest_that_may_meet_on_the_smallest_card_decide():
    seen = [*trials(6, 1), *trials(2, 10, card_gb=24)]
    # four at once: 10 + 10 + 1 + 1 of 24 GB; 21.6 / 10.
    assert advice(seen, 0.25, 4).endswith("on a GPU of 24 GB: 92 %; gpus_per_trial = 0.5 would fit 2")


def test_fewer_trials_than_places_are_counted_as_if_the_smallest_were_many():
    assert advice([*trials(1, 4), *trials(1, 2)], 0.125, 8).startswith("memory: 8 trials of up to 4.0 GB")
    assert "22 %" in advice([*trials(1, 4), *trials(1, 2)], 0.125, 8)  # 4 + 7 x 2 of 80 GB


def test_where_cpus_set_the_number_no_fraction_is_told():
    assert advice(trials(4, 2), 0.125, 4).endswith("80 GB: 10 %; CPUs or trials_at_once allow no more")


@pytest.mark.parametrize("number", range(1, 49))
def test_a_fraction_lets_just_its_number_on_a_card(number):
    peak_gb = 72 / number - 0.001
    line = advice(trials(1, peak_gb), 0.0001, 1000) if number > 1 else advice(trials(2, 71.9), 0.5, 2)
    fraction = float(line.split("gpus_per_trial = ")[1].split()[0])
    assert int(10_000 / round(fraction * 10_000)) == number
    assert line.endswith(f"would fit {number}")


@pytest.mark.parametrize("gpus_per_trial", [1, 2, 4.0])
def test_whole_cards_hold_one_trial(gpus_per_trial):
    assert advice(trials(2, 50), gpus_per_trial, 2).startswith("memory: 1 trial of up to 50.0 GB")


def test_nothing_is_told_of_what_was_not_measured():
    assert advice([], 0.125, 8) == ""
    assert advice(trials(2, 3), 0.0, 8) == ""  # results of another machine's GPU, delivered by a CPU grid
    assert used({"seconds/training": 3.0}) == []


def test_results_tell_peak_card_and_whether_batches_were_cut():
    told = {"memory/gpu_peak_mb": 900.0, "memory/gpu_total_mb": 81920.0}
    assert used(told) == [Used(900.0, 81920.0, False)]
    assert used(told | {"batch_split": 2.0}) == [Used(900.0, 81920.0, True)]


@pytest.mark.parametrize("measured", [True, False])
def test_a_grid_ends_with_the_line_where_there_is_one(capsys, measured):
    summary = Summary(trained=8, slots=8, gpus_per_trial=0.125, used=trials(8, 1.5) if measured else [])
    console.outcome(summary, SimpleNamespace(trials=[1] * 8, references=(), study=SimpleNamespace(name="made")))
    assert ("gpus_per_trial = 0.0208 would fit 48" in capsys.readouterr().out) is measured


MEASURED = {"memory/gpu_peak_mb": 900.0, "memory/gpu_total_mb": 81920.0}


def test_what_a_trial_took_of_its_gpu_is_in_its_run_and_its_results(job, trial_of, monkeypatch):
    monkeypatch.setattr(train, "_peak_memory", lambda device: MEASURED)
    result = one.run(job, trial_of("R"))
    assert result.results.items() >= MEASURED.items()
    assert all(
        run.data.metrics.items() >= MEASURED.items() for run in Tracker(job.where, job.study).finished().values()
    )


def test_without_a_gpu_nothing_is_told_of_memory(job, trial_of):
    assert not [key for key in one.run(job, trial_of("R")).results if key.startswith("memory")]


def test_a_grid_keeps_what_its_trials_tell(job, trial_of, tmp_path):
    trial = trial_of("R")
    ledger = Ledger(job, [trial], read(tmp_path), Mock())
    ledger.record(Ended(trial.id, Finished({"seconds/training": 1.0, **MEASURED})))
    summary = ledger.summary
    assert (summary.used, summary.gpus_per_trial) == ([Used(900.0, 81920.0, False)], 0.125)


PROFILE = {
    "device": '"cuda"',
    "cpus_per_trial": "1",
    "gpus_per_trial": "0.125",
    "trials_at_once": "0",
    "minutes_without_progress": "30",
}


def read(folder, **changed):
    path = folder / "mine.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in (PROFILE | changed).items()))
    return Profile.read(str(path))


@pytest.mark.parametrize("name", ["local", "gpu"])
def test_the_profiles_that_come_with_the_project_may_be_said(name):
    assert Profile.read(name).cpus_per_trial == 1


@pytest.mark.parametrize("gpus", ["0.0001", "0.5", "1", "1.0", "2", "4.0"])
def test_a_gpu_is_shared_or_taken_whole(tmp_path, gpus):
    assert read(tmp_path, gpus_per_trial=gpus).gpus_per_trial == float(gpus)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("device", '"gpu"', "cpu or cuda"),
        ("device", "0", "cpu or cuda"),
        *(("cpus_per_trial", v, "1 or more") for v in ("0", "-1", "1.5", "true", '"2"')),
        *(("gpus_per_trial", v, "0 to 1") for v in ("-0.5", "1.5", "0.00001", "inf", "nan", "true", '"1"')),
        *(("trials_at_once", v, "0 for as many as fit") for v in ("-1", "2.5", "false")),
        *(("minutes_without_progress", v, "0 or more") for v in ("-1", "nan", "inf", '"never"')),
    ],
)
def test_a_number_that_nothing_could_be_placed_by_is_refused(tmp_path, name, value, allowed):
    with pytest.raises(BadInput, match=allowed) as error:
        read(tmp_path, **{name: value})
    assert error.value.place == f"{name} in {tmp_path / 'mine.toml'}"
    assert error.value.remedy == "fix the profile"


@pytest.mark.parametrize(("device", "gpus", "allowed"), [("cuda", "0", "more than 0"), ("cpu", "0.5", "0 for trials")])
def test_device_and_share_agree(tmp_path, device, gpus, allowed):
    with pytest.raises(BadInput, match=allowed) as error:
        read(tmp_path, device=f'"{device}"', gpus_per_trial=gpus)
    assert "gpus_per_trial" in error.value.place
