"""Ratings and shares of votes in reports: measures of replicates, folds pooled, ties without a label."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ser.metrics import distribution, regression
from ser.report import ratings, ratings_section, write
from ser.report.content import Content
from ser.report.predictions import single_label
from ser.report.runs import Expected, Finished, Options, UsedCorpus

HEAD = "corpus,uid,speaker,sex,session,sentence"
EXPECTED = Expected("s", "S", "", (), (UsedCorpus("a", "A", True),), "", (), 2, (0,), False)


def finished(text: str, fold: int = 1, **params: str) -> Finished:
    params = {"seed": "0", "corpus.a.split.fold": str(fold), **params}
    return Finished(f"t{fold}", f"r{fold}", f"A · lstm · fold {fold}", params, {}, "", text)


def rated(rows: list[tuple[str, str, float | str, float]], fold: int = 1) -> Finished:
    lines = [f"a,{uid},{speaker},F,,,{true},{guess}" for uid, speaker, true, guess in rows]
    return finished("\n".join([f"{HEAD},true_valence,predicted_valence", *lines]) + "\n", fold)


def test_measures_of_weighted_utterances_are_those_of_repeated_ones() -> None:
    rng = np.random.default_rng(3)
    truth, guess = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    truth[4, 1] = np.nan
    answers = ratings.Answers(tuple("abcdefghi"), (), truth, guess)
    weights = rng.integers(0, 4, (5, 9)).astype(np.float32)
    found = ratings.agreement(answers)(weights)
    for row, counts in zip(found, weights.astype(int), strict=True):
        again = np.repeat(np.arange(9), counts)
        for column in (0, 1):
            scores = regression.scores(truth[again, column], guess[again, column])
            assert row[[column, 2 + column, 4 + column]] == pytest.approx([scores[m] for m in ratings.MEASURES])
        assert row[6] == pytest.approx(row[:2].mean())


def test_a_constant_has_no_correlation_and_nothing_is_made_of_it() -> None:
    answers = ratings.Answers(("x", "y"), (), np.array([[0.5], [0.5]]), np.array([[0.5], [0.5]]))
    ccc, pearson, rmse, mean = ratings.agreement(answers)(np.ones((1, 2), np.float32))[0]
    assert np.isnan([ccc, pearson, mean]).all()
    assert rmse == 0


def test_divergences_are_those_of_the_metrics_and_what_is_infinite_is_a_hole() -> None:
    shares, chances = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.25, 0.75], [0.5, 0.5]])
    kl, js = ratings.divergence(ratings.Answers(("x", "y"), (), shares, chances))(np.ones((1, 2), np.float32))[0]
    assert (kl, js) == pytest.approx((distribution.kl(shares, chances), distribution.js(shares, chances)))
    certain = ratings.Answers(("x",), (), np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    kl, js = ratings.divergence(certain)(np.ones((1, 1), np.float32))[0]
    assert np.isnan(kl)
    assert js == pytest.approx(distribution.js([[0.5, 0.5]], [[1.0, 0.0]]))


def test_segments_of_an_utterance_count_as_their_mean() -> None:
    run = rated([("u", "s", 0.5, 0.2), ("u", "s", 0.5, 0.6), ("v", "t", "", 0.1)])
    answers = ratings.ratings_of(run)["a"]
    assert (answers.uids, answers.speakers) == (("u", "v"), ("s", "t"))
    assert answers.predicted[:, 0] == pytest.approx([0.4, 0.1])
    assert np.isnan(answers.truth[1, 0])


def test_folds_are_pooled_and_the_section_has_tables_figure_and_intervals(
    tmp_path: Path, accessible: Callable[[Path], None]
) -> None:
    rng = np.random.default_rng(0)
    parts = []
    for fold in (1, 2):
        true = rng.uniform(-1, 1, 24)
        rows = [(f"u{fold}_{i}", f"s{fold}_{i % 3}", t, 0.8 * t + 0.05 * rng.normal()) for i, t in enumerate(true)]
        parts.append(rated([(u, s, float(t), float(g)) for u, s, t, g in rows], fold))
    section = ratings_section.section_of(parts, EXPECTED, Options(replicates=200))
    assert [table.key for table in section.tables] == ["ratings", "ratings_further"]
    (row,) = section.tables[0].rows
    every = [ratings.ratings_of(part)["a"] for part in parts]
    truth, guess = (np.concatenate([getattr(e, name)[:, 0] for e in every]) for name in ("truth", "predicted"))
    assert (row.metric, row.name) == ("a", "A · lstm")
    assert row.cells[0].value == row.cells[1].value == pytest.approx(regression.ccc(truth, guess))
    assert row.cells[0].low < row.cells[0].value < row.cells[0].high <= 1
    assert [picture.name for picture in section.pictures] == ["ratings"]
    assert "6 speakers" in section.notes[0]
    content = Content.of(EXPECTED, (), tables=section.tables, pictures=section.pictures, notes=section.notes)
    write.write(content, tmp_path)
    accessible(tmp_path / "report.html")


def test_tied_votes_have_no_label_and_are_in_no_accuracy() -> None:
    head = f"{HEAD},label,predicted,p_happy,p_sad,votes_happy,votes_sad"
    lines = ["a,u,s,F,,,happy,happy,0.6,0.4,1,0", "a,v,t,F,,,,sad,0.4,0.6,0.5,0.5"]
    run = finished("\n".join([head, *lines]) + "\n")
    assert single_label(run, ("happy", "sad"))["a"].uids == ("u",)
    (table,) = ratings_section.section_of([run], EXPECTED, Options(replicates=0)).tables
    assert table.key == "votes"
    shares, chances = [[1, 0], [0.5, 0.5]], [[0.6, 0.4], [0.4, 0.6]]
    expected = distribution.kl(shares, chances), distribution.js(shares, chances)
    assert [cell.value for cell in table.rows[0].cells] == pytest.approx(expected)


def test_runs_of_labels_alone_have_no_section() -> None:
    run = finished(f"{HEAD},label,predicted\na,u,s,F,,,happy,sad\n")
    section = ratings_section.section_of([run], EXPECTED, Options())
    assert (section.tables, section.pictures, section.notes) == ((), (), ())
