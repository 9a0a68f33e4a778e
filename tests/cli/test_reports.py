"""``ser report`` without a study: the reports of all studies that have runs, and their index; each with its foot."""

import json
import re

import pytest

from ser.cli.main import main
from ser.runs.mlflow_client import Client
from ser.trials import run as one

COMMAND = ["report", "--replicates", "2"]


@pytest.fixture
def work(job, trial_of, tmp_path):
    """A work folder with one finished trial, and an experiment of a study from somebody's own file."""
    one.run(job, trial_of("R"))
    client = Client(job.where)
    client.create_experiment("my_study", tags={"ser.study": "my_study"})
    client.delete_experiment(client.get_experiment_by_name("unused").experiment_id)
    return tmp_path


def test_all_studies_get_their_reports_and_the_index_has_them(work, capsys):
    assert main([*COMMAND, "--work", str(work)]) == 0
    lines = capsys.readouterr().out
    assert f"interaffection: written to {work / 'reports' / 'interaffection'}" in lines
    assert "my_study: its study is a file of yours: ser report ./FILE.py" in lines
    assert str(work / "reports" / "index.html") in lines
    index = (work / "reports" / "index.html").read_text()
    assert re.findall(r'href="([^"#]+html)"', index) == ["interaffection/report.html"]
    assert "2 of 24 trials" in index
    assert "ser report my_study" in index


def test_the_foot_is_of_what_the_runs_recorded(work, capsys):
    assert main([*COMMAND, "interaffection", "--work", str(work)]) == 0
    recorded = json.loads((work / "reports" / "interaffection" / "summary.json").read_text())["recorded"]
    facts = dict(line.split(": ", 1) for line in recorded)
    assert (facts["Finished runs"], facts["ser"], facts["Seeds"]) == ("2", "test", "0")
    assert facts.keys() >= {"Machine", "Processor", "Libraries", "Precision", "Data, ravdess"}
    page = (work / "reports" / "interaffection" / "report.html").read_text()
    assert "Where the numbers come from" in page
    assert facts["Machine"] in page
    assert "This report was written by ser" in page


def test_a_variant_belongs_to_a_study(tmp_path, capsys):
    assert main([*COMMAND, "--work", str(tmp_path), "--variant", "abc"]) == 2
    assert "--variant" in capsys.readouterr().err
