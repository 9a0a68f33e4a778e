"""The section on strangers from runs: trained on miniatures, tested on a corpus of another language, and collected."""

from types import SimpleNamespace

import numpy as np
import pytest

from ser import registry
from ser.data.scan import scan
from ser.features.store import Store
from ser.planning.plan import resolve
from ser.prediction import unseen
from ser.report import collect, tidy
from ser.report.content import Content
from ser.report.crossing import section
from ser.report.runs import Options
from ser.runs.tracker import Tracker
from ser.study import Corpus, override, part
from ser.trials import run as one
from ser.trials.job import job_of


@pytest.fixture
def job(study, manifests, features, where, tmp_path):
    """Trials on two corpora, to be tested on the one that they did not learn from, and on EMO-DB."""
    module = registry.find("corpora", "emodb")
    module.miniature(tmp_path / "emodb")
    emodb = scan("emodb", "emodb", tmp_path / "emodb", {}, tmp_path / "scans")
    tested = override(override(study, "test_on", ("members", "emodb")), "test_side", "all")
    members = {name: manifests[name] for name in ("tess", "ravdess")}
    plan = resolve(
        tested, members, brought={"emodb": (Corpus("emodb", "E", part("emodb"), study.other_corpora), emodb)}
    )
    store = Store(features)
    for source in plan.unseen.sources.values():
        for recipe in source.entries:
            store.build(recipe)
    return job_of(plan, where, tmp_path, str(features), "cpu", 1, "this version", [])


def test_the_section_is_of_what_the_runs_left(job, trial_of, study, monkeypatch, tmp_path, accessible):
    trials = [trial_of("R"), trial_of("T+R", task="multi")]
    for trial in trials:
        one.run(job, trial)
        unseen.run(job, trial)
    write, written = collect.write.write, []
    monkeypatch.setattr(section, "_pictures", lambda *_: ())
    monkeypatch.setattr(collect.write, "write", lambda content, folder, files: written.append(content))
    own = SimpleNamespace(content=lambda runs, expected, options: Content.of(expected, (), tables=(), notes=()))
    monkeypatch.setattr(collect, "report_of", lambda study: own)
    collect.report(Tracker(job.where, job.study), study, tmp_path / "report", Options(replicates=0))
    write(written[0], tmp_path / "page")
    accessible(tmp_path / "page" / "report.html")
    tables = {table.key: table for table in written[0].tables}

    matrix = tables["across"]
    assert matrix.columns == ("tess", "ravdess", "emodb")
    rows = {(row.metric, row.name): row for row in matrix.rows}
    assert {"T+R", "R"} <= {name for _, name in rows}
    every = {(row.metric, row.name): row for row in tables["across_results"].rows if row.n}
    runs = Tracker(job.where, job.study).finished(trials[1].id)
    logged = runs[trials[1].id].data.metrics
    line = every["emodb", "T+R"]
    numbers = dict(zip(tables["across_results"].columns, line.cells, strict=True))
    assert numbers["UA"].value == pytest.approx(logged["cross/ua/emodb"])
    assert numbers["Trained on"] == "no"
    heads = {row.cells[0]: row for row in tables["across_heads"].rows if (row.metric, row.name) == ("wa", "emodb")}
    assert heads["tess"].cells[1].value == pytest.approx(logged["cross/head/wa/emodb/tess"])
    assert set(heads) == {"tess", "ravdess"}

    spoken = {row.name: row.cells[4] for row in tables["strangers"].rows}
    assert spoken == {"emodb": "de", "tess": "en"}
    assert [row.cells[0] for row in tables["languages"].rows] == ["en", "de"] * 2
    assert all(np.isnan(cell.value) for cell in rows["ua", "R"].cells)  # the other settings are to come
    assert any("results across corpora are missing" in note for note in written[0].notes)

    table = tidy.rows_of(Tracker(job.where, job.study), study, None, Options(replicates=20)).columns
    places = {key: i for i, key in enumerate(zip(table["run_id"], table["target"], strict=True))}
    tested = places[runs[trials[1].id].info.run_id, "emodb"]
    assert (table["ua"][tested], table["unseen"][tested]) == (pytest.approx(logged["cross/ua/emodb"]), True)
    assert table["n"][tested] > 0
    assert table["unseen"][places[runs[trials[1].id].info.run_id, "ravdess"]] is False
