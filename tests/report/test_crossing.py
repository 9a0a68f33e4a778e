"""Tests on strangers: matrix, shares and differences counted by hand, holes that stay holes, printed numbers."""

import json
import os
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ser.report import cell_text, collect, latex, long_csv, markdown, overview
from ser.report.content import Cell, Content, Table
from ser.report.crossing import added, emobox, facts, matrix, others
from ser.report.crossing.arranged import arranged
from ser.report.crossing.section import section_of
from ser.report.crossing.tested import CrossRun, learned_from, unseen_of
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.report.section import with_section
from ser.study import grid
from ser.study.release import Release

CLASSES = ("happy", "sad")
CORPORA = ("a", "b", "c")
SETS = [c for n in (1, 2, 3) for c in combinations(CORPORA, n)]
NEVER = Options(replicates=0)
DRAWN = Options(replicates=200)
SPEAKERS = 6
# Right utterances of 24 on each corpus by training set; block "tdnn" has one more everywhere.
RIGHT = {
    "a": {"a": 20, "b": 12, "c": 10, "a+b": 21, "a+c": 20, "b+c": 14, "a+b+c": 21},
    "b": {"a": 11, "b": 22, "c": 11, "a+b": 21, "a+c": 11, "b+c": 20, "a+b+c": 20},
    "c": {"a": 9, "b": 9, "c": 19, "a+b": 13, "a+c": 18, "b+c": 18, "a+b+c": 18},
    "d": {"a": 8, "b": 10, "c": 12, "a+b": 12, "a+c": 13, "b+c": 11, "a+b+c": 14},
}


def rows_of(corpus, right, first=0, heads=()):
    """24 utterances of six speakers, of which so many are right: those of the first speakers."""
    lines = []
    for i in range(24):
        label, other = CLASSES[i % 2], CLASSES[1 - i % 2]
        answer = label if i < right else other
        sure = ["0.9", "0.1"] if answer == CLASSES[0] else ["0.1", "0.9"]
        more = [v for head in heads for v in (("0.8", "0.2") if (label == "happy") == (i < head) else ("0.2", "0.8"))]
        who = [f"{corpus}/{i // 4}", "F" if i // 4 % 2 else "M", "", ""]
        lines.append(",".join([corpus, f"{corpus}/{i + first:03}", label, answer, *who, *sure, *more]))
    return lines


def table_of(parts, heads=()):
    names = [f"p_{c}@{head}" for head in heads for c in CLASSES]
    start = ["corpus", "uid", "label", "predicted", "speaker", "sex", "session", "sentence", "p_happy", "p_sad", *names]
    return "\n".join([",".join(start), *(line for part in parts for line in part)]) + "\n"


def facts_text(corpus, **more):
    told = {"corpus": corpus, "loader": corpus, "side": "all", "utterances": 24, "speakers": 6, "languages": ["en"]}
    return json.dumps(told | {"absent": [], "unused": {}, "merge": {}, "fingerprint": "f" * 8} | more)


def run_of(learned, block="lstm", seed=0, tested=("a", "b", "c", "d"), languages=None, heads=None, **params):
    """A finished run of the made study, with its tests on the corpora that it did not learn from."""
    name = "+".join(learned)
    title = f"{name} · {block}" + (f" · seed {seed}" if seed else "")
    statement = {"corpora": ",".join(learned), "block": block, "seed": str(seed), "classes": ",".join(CLASSES)}
    more = block == "tdnn"
    own = [rows_of(c, RIGHT[c][name] + more) for c in learned]
    files = {}
    for corpus in (c for c in tested if c not in learned):
        told = {"languages": (languages or {}).get(corpus, ["en"])}
        answers = dict.fromkeys(learned, 0) if heads is None else heads
        asked = answers if len(learned) > 1 and heads is not None else {}
        rows = rows_of(corpus, RIGHT[corpus][name] + more, heads=tuple(asked.values()))
        files[corpus] = table_of([rows], tuple(asked)), facts_text(corpus, **told)
    run = Finished(title, f"run {title}", title, statement | params, {}, "", table_of(own))
    return CrossRun(run, files)


def expected(blocks=("lstm", "tdnn"), sets=SETS, seeds=(0,)):
    points = grid(corpora=sets, block=list(blocks))
    trials = tuple((f"{p} {s}", {**p, "seed": s}) for s in seeds for p in points)
    corpora = tuple(UsedCorpus(c, c.upper(), True) for c in CORPORA)
    return Expected("mine", "My study", "crossing", CLASSES, corpora, "", trials, len(trials), seeds, False,
                    crossed=("a", "b", "c", "d"))  # fmt: skip


def all_runs(**how):
    return [run_of(learned, block, **how) for block in ("lstm", "tdnn") for learned in SETS]


def across(runs=None, options=NEVER, **how):
    return arranged(all_runs() if runs is None else runs, expected(**how), options)


def lines(table):
    return {(row.metric, row.name): row for row in table.rows}


# --- matrix ---


def test_matrix_has_means_over_settings_and_marks_corpora_that_were_trained_on():
    table = matrix.matrix(across())
    assert table.columns == ("a", "b", "c", "d")
    row = lines(table)["ua", "A+B"]
    values = [cell.value for cell in row.cells]
    assert values == pytest.approx([21.5 / 24, 21.5 / 24, 13.5 / 24, 12.5 / 24], abs=0.02)
    assert [cell.mark for cell in row.cells] == ["°", "°", "", ""]
    assert cell_text.number(row.cells[0], table) == f"{100 * values[0]:.1f}°"
    assert lines(table)["wa", "A+B"].cells[2].value == pytest.approx(13.5 / 24)
    assert [row.name for row in table.rows[:7]] == ["A", "B", "C", "A+B", "A+C", "B+C", "A+B+C"]


def test_means_are_over_settings_that_every_training_set_has():
    """Heads for each corpus are no setting of a single corpus: they would compare unlike things."""
    runs = [run_of(("a",)), run_of(("b",)), run_of(("a", "b")), run_of(("a", "b"), "tdnn")]
    found = across(runs, blocks=("lstm",), sets=[("a",), ("b",), ("a", "b")])
    assert (len(found.values), len(found.common)) == (2, 1)
    table = matrix.matrix(found)
    assert lines(table)["wa", "A+B"].cells[table.columns.index("d")].value == pytest.approx(12 / 24)
    assert "the 1 of 2 settings that every training set has" in table.explanation


def test_a_missing_result_is_a_hole_and_the_counts_say_so(monkeypatch):
    runs = [r for r in all_runs() if r.run.title != "b · tdnn"]
    runs[0] = CrossRun(runs[0].run, {k: v for k, v in runs[0].files.items() if k != "d"})  # a · lstm is not tested on d
    table = matrix.matrix(across(runs))
    by_name = lines(table)
    assert all(np.isnan(cell.value) for cell in by_name["ua", "B"].cells)
    assert (by_name["ua", "B"].n, by_name["ua", "B"].of) == (0, 4)
    assert [np.isnan(cell.value) for cell in by_name["ua", "A"].cells] == [False, False, False, True]
    every = matrix.every_result(across(runs))
    holes = [row for row in every.rows if row.n == 0]
    assert len(holes) == 1 + 4
    monkeypatch.setattr("ser.report.crossing.section._pictures", lambda *_: ())
    section = section_of(runs, expected(), NEVER)
    assert any(note.startswith("4 results across corpora are missing") for note in section.notes)  # b tested on b: none


def test_best_training_set_of_a_stranger_is_not_one_that_holds_it():
    table = matrix.best_trainings(across(options=DRAWN))
    row = lines(table)["wa", "a"]
    assert row.cells[:2] == ("B+C", "tdnn")
    assert row.cells[2].value == pytest.approx(15 / 24)
    assert (row.n, row.of) == (6, 6)
    assert row.cells[6].value == pytest.approx(22 / 24)  # trained on it
    assert row.cells[7].value == pytest.approx(0.5)  # chance
    assert row.cells[8] == "24 utterances, 6 speakers"


def test_folds_on_the_same_utterances_are_repeats_and_on_others_one_test_side():
    one = {"corpus.a.split": "folds"}
    runs = []
    for fold in (1, 2):
        run = run_of(("a",), **one, **{"corpus.a.split.fold": str(fold)})
        own = table_of([rows_of("a", 20 - fold, first=100 * fold)])
        runs.append(CrossRun(replace(run.run, text=own, trial_id=str(fold), run_id=str(fold)), run.files))
    found = across(runs, blocks=("lstm",), sets=[("a",)])
    by_corpus = {corpus: result for (corpus, _), result in found.results.items()}
    assert by_corpus["a"].repeats == 1
    assert by_corpus["a"].counts.sum() == 48
    assert by_corpus["a"].point["wa"] == pytest.approx((19 + 18) / 48)
    assert by_corpus["d"].repeats == 2
    assert by_corpus["d"].point["wa"] == pytest.approx(8 / 24)
    assert by_corpus["d"].sample.utterances == 24


def test_a_corpus_whose_split_is_unseen_was_not_trained_on():
    """Leave one corpus out: the corpora are the same in all folds, and what is learned from is not."""
    params = {"corpora": "a,b", "corpus.a.split": "unseen", "corpus.b.split": "folds"}
    assert (unseen_of(params), learned_from(params)) == (("a",), ("b",))
    run = run_of(("a", "b"), **params)
    run = CrossRun(replace(run.run, text=table_of([rows_of("a", 15), rows_of("b", 20)])), {})
    found = across([run])
    assert {(corpus, learned, result.seen) for (corpus, (learned, _)), result in found.results.items()} == {
        ("a", ("b",), False),
        ("b", ("b",), True),
    }
    assert found.strangers == ("a",)


# --- which corpus helps ---


def test_shares_of_pairs_that_a_corpus_raised_by_hand():
    """On d: adding a to b, to c and to b+c gives 10 → 12, 12 → 13, 11 → 14; c to a, b, a+b 8 → 13, 10 → 11, 12 → 14."""
    table = added.helps(across())
    row = lines(table)["wa", "d"]
    assert [cell.value for cell in row.cells] == [1.0, pytest.approx(4 / 6), 1.0]  # b: 8 → 12, 12 → 11, 13 → 14
    on_b = lines(table)["wa", "b"]
    # c added to a gives a tie (11, 11), a added to c as well; b itself is no stranger of anything.
    assert [cell and cell.value for cell in on_b.cells] == [0.5, None, 0.5]
    assert lines(added.helps(across(), "first"))["wa", "b"].cells[0].value == 0.0
    assert (row.n, row.of) == (18, 18)
    change = lines(added.changes(across()))["wa", "d"]
    assert [cell.value for cell in change.cells] == pytest.approx([6 / 72, 4 / 72, 8 / 72])


def test_luck_stands_beside_the_shares_and_marks_what_is_beyond_it():
    table = added.helps(across(options=DRAWN))
    equal = lines(table)["ua", "d if equal"]
    assert all(0.2 < cell.value < 0.8 for cell in equal.cells)
    assert all(cell.low <= cell.value <= cell.high for cell in equal.cells)
    assert ("ua", "All") in lines(table)
    assert "line marks" in table.explanation


def test_pairs_that_lack_a_result_do_not_count():
    runs = [r for r in all_runs() if r.run.title != "b+c · tdnn"]
    row = lines(added.helps(across(runs)))["wa", "d"]
    assert (row.n, row.of) == (18 - 3, 18)  # b to c, c to b, a to b+c


def test_share_of_settings_whose_best_training_set_holds_a_corpus():
    row = lines(added.holds(across()))["wa", "d"]
    assert [cell.value for cell in row.cells] == [1.0, 1.0, 1.0]  # a+b+c is the best of both blocks
    on_a = lines(added.holds(across()))["wa", "a"]
    assert [cell and cell.value for cell in on_a.cells] == [None, 1.0, 1.0]
    assert (on_a.n, on_a.of) == (2, 2)
    gone = lines(added.holds(across([r for r in all_runs() if r.run.title != "b · lstm"])))["wa", "a"]
    assert (gone.n, gone.of) == (1, 2)


def test_one_training_set_says_nothing_of_what_is_added():
    alone = across([run_of(("a",))], blocks=("lstm",), sets=[("a",)])
    assert (added.helps(alone), added.changes(alone), added.holds(alone)) == (None, None, None)
    assert others.effects(alone) is None


# --- settings, heads, languages, classes ---


def test_effects_of_other_settings_on_strangers_beside_corpora_trained_on():
    table = others.effects(across(options=DRAWN))
    found = {row.cells[:2]: row for row in table.rows}
    row = found["strangers", "WA"]
    assert (row.metric, row.name) == ("Block", "tdnn − lstm")
    assert row.cells[2].value == pytest.approx(1 / 24)
    assert (row.n, row.cells[3]) == (16, "16 of 16")  # 3 × 3 of a, b and c, and 7 of d
    assert found["trained on", "WA"].n == 12


def test_single_heads_against_the_mean_of_all():
    runs = [run_of(("a", "b"), heads={"a": 20, "b": 10})]
    table = others.heads(across(runs, blocks=("lstm",), sets=[("a", "b")]))
    on_d = {row.cells[0]: row for row in table.rows if (row.metric, row.name) == ("wa", "d")}
    assert on_d["a"].cells[1].value == pytest.approx(20 / 24)
    assert on_d["a"].cells[2].value == pytest.approx(12 / 24)
    assert on_d["a"].cells[3].value == pytest.approx(8 / 24)
    assert on_d["b"].cells[3:] == (Cell(pytest.approx(-2 / 24), pytest.approx(np.nan, nan_ok=True),
                                        pytest.approx(np.nan, nan_ok=True)), "0 of 1")  # fmt: skip
    assert others.heads(across()) is None


def test_languages_of_the_training_set_beside_that_of_the_stranger():
    spoken = {"a": ["de"], "b": ["en"], "c": ["en"], "d": ["en"]}
    runs = [run_of(learned, languages=spoken) for learned in SETS]
    table = others.by_language(across(runs, blocks=("lstm",)))
    row = lines(table)["wa", "d"]
    assert row.cells[0] == "en"
    same, other, both = row.cells[1:4]
    assert same.value == pytest.approx((10 + 12 + 11) / 72)
    assert other.value == pytest.approx(8 / 24)
    assert both.value == pytest.approx((12 + 13 + 14) / 72)
    assert row.cells[4].value == pytest.approx((2 + 4) / 48)  # b and c alone, less a alone
    assert row.cells[5] == "3, 1, 3"
    assert others.by_language(across()) is None  # one language


def test_languages_of_corpora_that_are_never_strangers_are_those_that_loaders_state():
    params = {f"corpus.{name}.loader": loader for name, loader in (("a", "emodb"), ("b", "savee"), ("c", "gone"))}
    runs = [run_of((name,), tested=("d",), **params) for name in ("a", "b")]
    found = across(runs, blocks=("lstm",), sets=[("a",), ("b",)])
    assert others.languages_of(found) == {"a": {"de"}, "b": {"en"}, "d": {"en"}}
    row = lines(others.by_language(found))["wa", "d"]
    assert row.cells[4].value == pytest.approx((10 - 8) / 24)
    chosen = {"corpus.a.loader": "esd", "corpus.a.loader.languages": "zh"}
    assert others.languages_of(across([run_of(("a",), **chosen)]))["a"] == {"zh"}


def test_heads_of_corpora_that_trained_nothing_are_as_logged():
    params = {"corpora": "a,b,c", "corpus.c.split": "unseen", "corpus.a.split": "x", "corpus.b.split": "x"}
    run = run_of(("a", "b"), **params)
    scores = {"head/wa/c/a": 0.5, "head/wa/c/b": 0.75, "head/ua/c/a": 0.5, "head/ua/c/b": 0.75}
    run = CrossRun(replace(run.run, text=table_of([rows_of("c", 15)]), scores=scores), {})
    rows = {(row.metric, row.cells[0]): row for row in others.heads(across([run])).rows}
    assert [cell.value for cell in rows["wa", "b"].cells[1:4]] == pytest.approx([0.75, 15 / 24, 3 / 24])
    assert rows["wa", "b"].cells[4] == "1 of 1"
    assert rows["ua", "a"].cells[4] == "0 of 1"


def test_a_class_that_a_corpus_lacks_is_a_hole():
    run = run_of(("a",))
    text, _ = run.files["d"]
    kept = [line for line in text.splitlines() if line.split(",")[2] != "sad"]
    lacking = facts_text("d", absent=["sad"], unused={"calm": 3})
    found = across([CrossRun(run.run, run.files | {"d": ("\n".join(kept) + "\n", lacking)})], blocks=("lstm",),
                   sets=[("a",)])  # fmt: skip
    row = lines(others.recalls(found))["d", "recall"]
    assert row.cells[0].value == pytest.approx(4 / 12)
    assert row.cells[1] == "–"
    told = lines(facts.table(found))["", "d"]
    assert told.cells[2:7] == ("24", "6", "en", "sad", "calm 3")
    assert lines(matrix.best_trainings(found))["ua", "d"].cells[6].value == 1.0  # chance of one class


def test_facts_of_folds_are_one_line_from_the_least_to_the_most():
    runs = []
    for fold, count in ((1, 20), (2, 24)):
        run = run_of(("a",), seed=fold)
        text, _ = run.files["d"]
        more = {"side": "test", "split": "folds", "fold": fold, "seed": fold, "utterances": count}
        runs.append(CrossRun(run.run, {"d": (text, facts_text("d", **more, release={"state": "whole"}))}))
    (row,) = facts.table(across(runs, blocks=("lstm",), sets=[("a",)], seeds=(1, 2))).rows
    assert row.cells[1:4] == ("test (folds, 2 folds)", "20 … 24", "6")
    assert row.cells[8] == "whole release"


# --- printed numbers ---


def test_numbers_of_the_printed_table():
    assert emobox.printed("Whisper large v3", "M→I") == 51.42
    assert emobox.printed("HuBERT large", "I→R") == 15.03
    assert emobox.printed("WavLM large", "R→S") == 63.35
    assert emobox.printed("data2vec 2.0 large", "S→M") == 37.79
    assert all(len(row) == len(emobox.COLUMNS) == 12 for row in emobox._ROWS.values())
    best = {max(column) for column in zip(*emobox._ROWS.values(), strict=True)}  # bold in the paper
    assert best == {48.59, 40.46, 46.12, 51.42, 47.00, 43.74, 48.12, 40.68, 66.91, 49.30, 42.18, 49.63}


def test_a_list_is_known_by_the_names_of_its_utterances():
    pattern, _ = emobox.LISTS["savee"]
    digest = emobox.digest_of(["savee/DC_a01", "savee/JK_su15"], pattern)
    assert digest == emobox.digest_of(["x/JK/su15.wav", "x/DC/a01.wav"], pattern)
    assert digest != emobox.digest_of(["savee/DC_a01", "savee/JK_su14"], pattern)
    assert emobox.digest_of(["savee/DC_a01", "other"], pattern) == ""


@pytest.mark.skipif("SER_EMOBOX_METADATA" not in os.environ, reason="needs EmoBox's metadata, unpacked")
@pytest.mark.parametrize("corpus", emobox.LISTS)
def test_the_lists_themselves_are_known(corpus):
    (path,) = Path(os.environ["SER_EMOBOX_METADATA"], "track2").glob(f"{corpus.upper()}_*.jsonl")
    names = [json.loads(line)["wav_filename"] for line in path.read_text().splitlines()]
    assert len(names) == emobox.UTTERANCES
    assert emobox.digest_of(names, emobox.LISTS[corpus][0]) == emobox.LISTS[corpus][1]


def test_printed_numbers_stand_only_beside_their_lists(monkeypatch):
    """A made list of 240 utterances, of which the test knows the digest; then with one that is not in it."""
    four = ("angry", "happy", "neutral", "sad")
    names = [f"savee/DC_a{i:02}" for i in range(60)] + [f"savee/{who}_n{i:02}" for who in ("JE", "JK", "KL")
                                                        for i in range(60)]  # fmt: skip
    pattern, _ = emobox.LISTS["savee"]
    monkeypatch.setitem(emobox.LISTS, "savee", (pattern, emobox.digest_of(names, pattern)))
    rows = [f"savee,{name},{four[i % 4]},{four[i % 4 if i < 120 else 0]}" for i, name in enumerate(names)]
    text = "\n".join(["corpus,uid,label,predicted", *rows]) + "\n"
    params = {"corpora": "ravdess", "block": "svm", "seed": "0", "classes": ",".join(four),
              "corpus.ravdess.loader": "ravdess"}  # fmt: skip
    run = CrossRun(Finished("t", "r", "R · svm", params, {}, "", ""), {"savee": (text, facts_text("savee"))})
    theirs = Expected("crossing", "", "crossing", four, (UsedCorpus("ravdess", "R", True),), "", (), 1, (0,), False,
                      releases={"ravdess": Release("whole", "")})  # fmt: skip
    table = emobox.table(arranged([run], theirs, NEVER))
    assert table.rows[0].cells[emobox.COLUMNS.index("R→S")].value == pytest.approx((120 + 30) / 240)
    assert [row.paper[emobox.COLUMNS.index("R→S")] for row in table.rows[1:2]] == [33.77]
    assert all(np.isnan(cell.value) for row in table.rows[1:] for cell in row.cells)  # no encoder is theirs
    part = replace(theirs, releases={"ravdess": Release("part", "")})
    other = {"savee": (text.replace("DC_a59", "DC_a61"), facts_text("savee"))}
    for changed in (part, replace(theirs, demo=True)):
        assert emobox.table(arranged([run], changed, NEVER)) is None
    assert emobox.table(arranged([CrossRun(run.run, other)], theirs, NEVER)) is None
    assert "not shown beside savee" in emobox.note(arranged([CrossRun(run.run, other)], theirs, NEVER))


# --- the section ---


def test_the_section_stands_behind_a_report_or_before_it_in_every_format():
    runs = all_runs()
    own = Table("own", "Its own", "", ("x",), ())
    content = Content.of(expected(), (), tables=[own], notes=["a note"])
    section = section_of(runs, expected(), DRAWN)
    behind, before = with_section(content, section), with_section(content, section, first=True)
    keys = [table.key for table in section.tables]
    assert keys[:5] == ["across", "best_training", "added", "added_points", "holds"]
    assert [table.key for table in before.tables] == [*keys, "own"]
    assert [table.key for table in behind.tables] == ["own", *keys]
    assert [picture.name for picture in section.pictures] == ["across", "added"]
    assert "Across corpora: training set by tested corpus" in markdown.markdown(behind)
    assert "\nacross,ua,A+B,d," in long_csv.long_form(behind)
    assert "caption{Across corpora" in latex.latex(behind)


def test_a_study_without_strangers_has_no_section():
    runs = [CrossRun(r.run, {}) for r in all_runs()]
    assert section_of(runs, expected(), NEVER).tables == ()


def test_files_of_the_run_that_counts_are_read(monkeypatch):
    """Of two finished runs of a trial the first counts; each run has the files of the corpora that its tags name."""

    def summary(run_id, trial, crossed, status="FINISHED"):
        return overview.RunSummary(run_id, trial, trial, status, "", "", f"at {run_id}", {}, {}, False, False, crossed)

    runs = [summary("1", "t", ("c", "d")), summary("2", "t", ("d",)), summary("3", "u", ("c",)),
            summary("4", "v", ("d",), "FAILED")]  # fmt: skip
    monkeypatch.setattr(collect, "overview", lambda *_: (runs, None))
    tracker = SimpleNamespace(texts=lambda folders, path: (f"{path} {folder}" for folder in folders))
    scans = SimpleNamespace(completed=lambda finished: finished)
    read = list(collect._cross_runs(tracker, None, None, scans))
    assert [(each.run.run_id, dict(each.files)) for each in read] == [
        ("1", {name: (f"cross/{name}.csv at 1", f"cross/{name}.json at 1") for name in ("c", "d")}),
        ("3", {"c": ("cross/c.csv at 3", "cross/c.json at 3")}),
    ]
