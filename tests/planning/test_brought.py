"""Corpora that a command brings for tests alone: which are meant, where they are, and with which settings."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from ser import registry
from ser.cli.main import _request, arguments, main
from ser.errors import BadInput
from ser.planning import request as requests


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two corpora of a study, and two that no study of the project states."""
    root = tmp_path_factory.mktemp("corpora")
    for loader in ("tess", "ravdess", "savee", "emodb"):
        registry.find("corpora", loader).miniature(root)
    return root


@pytest.fixture
def planned(folder, tiny, tmp_path):
    """The plan of a command on RAVDESS, with some options."""

    def make(*options):
        command = [
            "run",
            "interaffection",
            "--data",
            str(folder),
            "--corpora",
            "ravdess",
            *tiny,
            "--work",
            str(tmp_path),
        ]
        request = _request(arguments([*command, *options]))
        return requests.plan_of(request, lambda title: nullcontext(lambda done, of: None))

    return make


def strangers(plan):
    return sorted({test.corpus.name for tests in plan.unseen.by_trial.values() for test in tests})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("members", ["tess"]),
        ("all", ["emodb", "savee", "tess"]),
        ("savee", ["savee"]),
        ("savee,members", ["savee", "tess"]),
        ("ravdess", []),
    ],
)
def test_what_is_meant_is_found_below_the_data_folders(planned, names, expected):
    plan = planned("--test-on", names)
    assert strangers(plan) == expected
    assert set(plan.corpora) == {"ravdess"}
    assert [t.id for t in plan.trials] == [t.id for t in planned().trials]


def test_a_corpus_elsewhere_has_its_place_its_settings_and_its_side(planned, folder):
    place = folder / "emodb"
    options = ("--test-on", f"strange={place}", "--test-side", "all")
    (test,) = {t for tests in planned(*options).unseen.by_trial.values() for t in tests}
    assert (test.corpus.name, test.corpus.loader.name, test.side) == ("strange", "emodb", "all")
    plan = planned("--test-on", f"strange={place}", "--set=strange.test=0.5", "--set=test_side=test")
    (test,) = {t for tests in plan.unseen.by_trial.values() for t in tests}
    assert (test.side, test.corpus.split["test"]) == ("test", 0.5)
    with pytest.raises(BadInput, match=r"strange\.tset|tset"):
        planned("--test-on", f"strange={place}", "--set=strange.tset=0.5")


@pytest.mark.parametrize(("names", "words"), [("savvee", "did you mean savee"), ("emodb,emodb", "different names")])
def test_names_that_are_nowhere_or_twice_are_refused(planned, names, words):
    with pytest.raises(BadInput, match=words):
        planned("--test-on", names)


def test_a_study_may_state_its_tests_and_a_plan_for_tests_needs_no_features_of_training(planned):
    plan = planned("--set=test_on=savee")
    assert strangers(plan) == ["savee"]
    assert {s.corpus.name for s in plan.for_tests.unseen.sources.values()} == {"savee"}
    assert plan.for_tests.sources == {}
    assert replace(plan, brought={}).variant == plan.variant


def test_without_a_finished_run_there_is_nothing_to_test(folder, tiny, tmp_path, capsys):
    command = ["interaffection", "--data", str(folder), "--corpora", "ravdess", *tiny, "--work", str(tmp_path)]
    assert main(["test", *command, "--on", "savee"]) == 2
    assert "or run first" in capsys.readouterr().err
    assert main(["test", *command]) == 2
    assert "--on" in capsys.readouterr().err
