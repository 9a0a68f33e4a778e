"""The report of da Silva et al. from its runs: what is read, and whether words and counts are of what is shown."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ser.report.interaffection import content as report
from ser.report.interaffection.content import arranged, content, results_of
from ser.report.interaffection.scores import arranged_on_grid
from ser.report.interaffection.tables import best_results
from ser.report.interaffection.validation import best_by_validation
from ser.report.runs import Finished, Options, Reference
from tests.report.test_proportions import in_folds, make_grid, small

CLASSES = ("happy", "sad")
QUICK = Options(replicates=20)


def predictions(right, fold, target="a"):
    """So many right of ten utterances of a fold's speaker."""
    lines = ["corpus,uid,speaker,sex,session,sentence,label,predicted,p_happy,p_sad"]
    for i in range(10):
        label = CLASSES[i % 2]
        answer = label if i < right else CLASSES[1 - i % 2]
        chances = "0.9,0.1" if answer == "happy" else "0.1,0.9"
        lines.append(f"{target},{target}/{fold}/{i},{target}/{fold},F,,,{label},{answer},{chances}")
    return "\n".join(lines) + "\n"


def runs_of(grid, scores=lambda key: {}):
    """A run of every trial, as collecting gives them; those of one corpus and multi are twins."""
    texts = {}
    for number, (key, title) in enumerate(grid.titles.items()):
        corpora, block, pooling, task, fold, seed = key
        params = {"corpora": ",".join(corpora), "block": block, "pooling": pooling, "task": task, "seed": str(seed)}
        params |= {"corpus.a.split": "grouped", "corpus.a.split.fold": str(fold)} if fold else {}
        right = 5 + number % 5
        text = predictions(right, fold)
        accuracy = {f"{m}/a": right / 10 for m in ("wa", "ua")}
        if right % 2:  # ten of which half are of each class: UA is not WA where one more of a class is right
            accuracy["ua/a"] = ((right + 1) // 2 / 5 + right // 2 / 5) / 2
        same = "twin" if len(corpora) == 1 and task == "multi" else ""
        texts[f"run{number}"] = text
        yield Finished(f"trial{number}", f"run{number}", title, params, accuracy | scores(key), same, text)


def test_folds_come_from_the_statement_and_validation_from_the_run():
    grid = make_grid(folds=(1, 2), seeds=(0, 1))
    results = list(results_of(runs_of(grid, lambda key: {"objective/wa/a": 0.7, "objective/ua/a": 0.6}), grid))
    assert {r.key for r in results} == {key for _, keys in grid.trials() for key in keys}
    assert all(r.validation == {"wa": 0.7, "ua": 0.6} for r in results)
    assert results[0].test.speakers == ("a/1",) * 10
    assert results[0].test.uids is results[4].test.uids  # one tuple for all that were tested on them
    assert arranged_on_grid(results, grid, QUICK).notes == ()


def test_validation_of_older_runs_is_of_the_epoch_that_was_kept():
    grid, asked = make_grid(), []

    def curve(run_id, metric):
        asked.append(metric)
        return [0.1, 0.8, 0.3]

    logged = {"val/wa/a": 0.3, "val/ua/a": 0.3, "best_epoch": 2.0, "epochs": 3.0}
    first = next(results_of(runs_of(grid, lambda key: logged), grid, curve))
    assert (first.validation, asked) == ({"wa": 0.8, "ua": 0.8}, ["val/wa/a", "val/ua/a"])
    last = next(results_of(runs_of(grid, lambda key: logged | {"best_epoch": 3.0}), grid, curve))
    assert (last.validation["wa"], len(asked)) == (0.3, 2)  # no curve is needed
    unknown = next(results_of(runs_of(grid), grid, curve))
    assert np.isnan(unknown.validation["wa"])


@pytest.fixture(scope="module")
def whole():
    """A report of two folds and two seeds, and its evidence."""
    grid = make_grid(folds=(1, 2), seeds=(0, 1))
    logged = {"objective/wa/a": 0.7, "objective/ua/a": 0.6, "parameters": 100.0, "seconds/training": 2.0, "epochs": 4.0}
    runs = {run.run_id: run for run in runs_of(grid, lambda key: logged)}

    def file(run_id, path):
        proof = {"speakers": {"test": ["a/1"]}, "utterances": {"test": 10}, "per_class": {"test": {"happy": 5}}}
        return {"predictions.csv": runs[run_id].text, "split/a.json": json.dumps(proof)}.get(path)

    options = replace(QUICK, curve=lambda run_id, metric: [0.9, 0.7], file=file)
    results = list(results_of(runs.values(), grid))
    return content(iter(runs.values()), grid.expected, options), arranged_on_grid(results, grid, options)


def test_counts_in_captions_and_notes_are_of_what_is_shown(whole):
    shown, evidence = whole
    captions = {picture.name: picture.caption for picture in shown.pictures}
    curves = next(p for p in shown.pictures if p.name == "curves")
    assert captions["curves"].startswith(f"Validation loss of 1 of {evidence.done} trials")
    assert re.findall('class="marks mark" data-series="([^"]*)"', curves.svg) == ["TDNN"]
    assert "tested on a (20 utterances of 2 speakers)" in next(p.svg for p in shown.pictures if "by_comb" in p.name)
    assert "best in % of 2 of 2 cases" in next(p.svg for p in shown.pictures if p.name == "shares")
    notes = "\n".join(shown.notes)
    shared = sum(any(r.same_as for r in cell) for cell in evidence.scores[0].results.values())
    assert f"{shared} results are those of another trial" in notes
    assert "trained 4 times: 2 seeds × 2 folds" in notes
    assert "Another seed changes: weights." in notes
    assert "have no validation accuracy" not in notes
    assert (shown.done, shown.expected, shown.holes) == (32, 32, ())


def test_matrices_are_summed_over_seeds_and_folds(whole):
    shown, _ = whole
    assert [matrix.heading for matrix in shown.matrices] == ["a, best WA and UA"]  # one network is the best by both
    assert [matrix.counts.sum() for matrix in shown.matrices] == [40]
    assert [len(matrix.runs) for matrix in shown.matrices] == [4]
    assert not any("fold" in m.title or "seed" in m.title for m in shown.matrices)


def test_every_count_of_a_table_is_possible(whole):
    shown, _ = whole
    for table in shown.tables:
        for row in table.rows:
            assert 0 <= row.n <= row.of or not table.counted, (table.key, row.name)
            assert len(row.cells) == len(table.columns), (table.key, row.name)
    results = next(table for table in shown.tables if table.key == "results")
    assert {(row.n, row.of) for row in results.rows} == {(4, 4)}
    costs = next(table for table in shown.tables if table.key == "costs")
    assert [(row.n, row.of) for row in costs.rows] == [(8, 8), (4, 4), (8, 8), (4, 4)]  # multi on one corpus is a twin


def test_tables_come_in_the_order_of_reading(whole):
    keys = [table.key for table in whole[0].tables]
    order = ["table2", "table2_validation", "table3", "table4", "table5", "validation_agreement", "effects", "ranks"]
    assert [key for key in keys if key in order] == order
    assert len(set(keys)) == len(keys)
    long = [table for table in whole[0].tables if table.key in ("results", "best_results_all")]
    assert not any(table.brief for table in long)


def test_the_table_of_winners_says_what_they_were_chosen_by(whole):
    for table in whole[0].tables:
        if table.key.startswith(("table2", "table3", "table4", "table5")) and table.key != "table2_runs":
            text = f"{table.title} {table.explanation}".lower()
            assert ("validation" in text) == table.key.endswith("_validation"), table.key
            assert table.key.endswith("_validation") or "on test" in text, table.key


def test_fewer_folds_of_one_combination_are_told():
    grid = make_grid(folds=(1, 2))
    fewer = [t for t in grid.expected.trials if (t[1]["corpora"], t[1]["fold"]) != (("a", "t"), 2)]
    grid = make_grid(trials=tuple(fewer))
    notes = arranged(in_folds((9, 4)), grid, QUICK).notes
    assert any(note.startswith("On a A+T are trained in fewer folds") for note in notes)


def test_the_plain_reference_stands_beside_the_best():
    reference = Reference("A · reference svm", "svm", "a", "", 0, 0, run_id="plain")
    params = {"classes": ",".join(CLASSES)}
    run = Finished("plain", "plain", reference.title, params, {"wa/a": 0.9, "ua/a": 0.9}, "", predictions(9, 0))
    grid = make_grid(references=(reference,))
    evidence = arranged_on_grid(small(), grid, replace(QUICK, references=lambda: iter([run])))
    for table in (best_results(evidence), best_by_validation(evidence)):
        assert table.rows[0].cells[table.columns.index("Reference (SVM)")].value == pytest.approx(0.9)
    assert not any("eference" in c for c in best_results(arranged_on_grid(small(), make_grid(), QUICK)).columns)


def test_without_pictures_of_results_there_are_none():
    assert list(report._pictures(arranged_on_grid([], make_grid(), QUICK), (), None, ())) == []
