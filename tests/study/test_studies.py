"""The studies of papers 000, 001 and 002 as their files state them: counts, sides, networks, modes and demos."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from itertools import cycle

import pytest
import torch

from ser.data.leakage import prove
from ser.data.manifest import Utterance
from ser.data.splits import split
from ser.errors import BadInput
from ser.features.recipe import front_end_frames, front_end_width
from ser.planning.search import unfold
from ser.study import Study, Trial, load_study, override, part, study_file, study_names, trial_of
from ser.study.origins import SOURCES
from ser.training.network import Network

MODES = ("paper", "sound")
NAMES = ("multilabel", "mfcc_networks", "segments")
FOLDED = ("segments", "sound")  # each session is tested once


@cache
def study(name: str, mode: str = "paper", demo: bool = False) -> Study:
    """As ``ser run`` takes it."""
    found = load_study(name).in_mode(mode)
    for path, value in found.demo.changes if demo else ():
        found = override(found, path, value)
    return found


def grid(made: Study) -> list[Trial]:
    return asked(replace(made, search=replace(made.search, rule=part("grid"))))


def asked(made: Study, losses=None) -> list[Trial]:
    """All trials that it knows by ``losses``."""
    statement = partial(trial_of, made, corpora={c.name: c for c in made.corpora}, seed=0)
    points = made.expand_folds(made.grid(made.corpora), {c.name: {"": 5} for c in made.corpora}, {})
    return unfold(made, points, statement, 0, losses or {})


def utterances(corpus, per_speaker, labels, **other):
    """So many of each speaker in turn of labels; ``other`` from the speaker's number."""
    made = []
    for i, (s, count) in enumerate(per_speaker.items()):
        more = {"sex": "FM"[i % 2], **{k: v(i) for k, v in other.items()}}
        made += [
            Utterance(f"{corpus}/{s}_{n:04d}", corpus, "", f"{corpus}/{s}", "x", label, sha=f"{corpus} {s} {n}", **more)
            for n, label in zip(range(count), cycle(labels), strict=False)
        ]
    return made


def sizes(done):
    return tuple(len(side) for side in done.subsets().values())


# counts


@pytest.mark.parametrize(
    ("name", "paper", "sound"), [("multilabel", 1, 1), ("mfcc_networks", 2, 2), ("segments", 11, 11)]
)
def test_every_mode_has_so_many_points(name, paper, sound):
    for mode, points in zip(MODES, (paper, sound), strict=True):
        made = study(name, mode)
        assert made.expect == len(made.grid(made.corpora)) == points
        assert len(grid(made)) == len({t.id for t in grid(made)}) == points * (5 if (name, mode) == FOLDED else 1)
        with pytest.raises(BadInput, match=f"{points} trials"):
            replace(made, expect=points + 1)


@pytest.mark.parametrize("mode", MODES)
def test_searches_add_as_many_candidates_as_they_say(mode):
    assert Counter(t.role.name for t in asked(study("multilabel", mode))) == {"printed": 1, "candidate": 20}
    found = asked(study("mfcc_networks", mode))
    assert Counter((t.block.name, t.role.name) for t in found) == {
        ("cnn1d", "printed"): 1, ("rnn", "printed"): 1, ("cnn1d", "candidate"): 60, ("rnn", "candidate"): 60
    }  # fmt: skip
    known = {t.id: float(i) for i, t in enumerate(found)}
    assert Counter(t.role.name for t in asked(study("mfcc_networks", mode), known))["refit"] == 2


def test_the_segments_tables_vary_how_to_cut_and_how_wide():
    told = Counter((t.block.name, t.front_end["segmentation"]) for t in grid(study("segments")))
    assert told == {
        ("vggish", "nonoverlap"): 1, ("vggish", "overlap_repo"): 3, ("vggish", "overlap_textbook"): 1,
        ("mlp", "nonoverlap"): 6,
    }  # fmt: skip
    units = {t.block["units"] for t in grid(study("segments")) if t.block.name == "vggish"}
    assert units == {100, 200, 400}
    baseline = {(t.block["layers"], t.block["units"]) for t in grid(study("segments")) if t.block.name == "mlp"}
    assert baseline == {(n, u) for n in (2, 3, 4) for u in (100, 200)}
    rates = {t.block.name: t.training.learning_rate for t in grid(study("segments"))}
    assert rates == {"vggish": 1e-6, "mlp": 1e-3}


# sides


@pytest.fixture(scope="module")
def actors():
    """1247 and one more: twelve actors who speak 60 and sing 44 takes each."""
    eight = (
        "neutral",
        "calm",
        "calm",
        "happy",
        "happy",
        "sad",
        "sad",
        "angry",
        "angry",
        "fear",
        "fear",
        "disgust",
        "surprise",
    )
    return utterances("ravdess", {f"{n:02d}": 104 for n in range(1, 13)}, eight)


def in_fold(name, mode, fold, corpus=0):
    return study(name, mode).corpora[corpus].in_fold(fold).split


def test_paper_001_trains_on_835_files_and_tests_412(actors):
    done = split("ravdess", actors, in_fold("mfcc_networks", "paper", 0))
    assert sizes(done) == (835, 0, 412)
    assert prove(done)["shared_speakers"] == 12
    assert prove(done)["shared_recordings"] == 0


@pytest.mark.parametrize("mode", MODES)
def test_folds_of_001_cover_the_training_side_once_and_nothing_else(actors, mode):
    whole = split("ravdess", actors, in_fold("mfcc_networks", mode, 0))
    validated = []
    for fold in (1, 2, 3):
        done = split("ravdess", actors, in_fold("mfcc_networks", mode, fold))
        assert not done.test
        assert {u.uid for u in done.train} | {u.uid for u in done.val} == {u.uid for u in whole.train}
        validated += [u.uid for u in done.val]
    assert sorted(validated) == [u.uid for u in whole.train]


def test_folds_of_001_have_every_class_alike(actors):
    counts = [
        Counter(u.label for u in split("ravdess", actors, in_fold("mfcc_networks", "paper", k)).val) for k in (1, 2, 3)
    ]
    assert all(max(c[label] for c in counts) - min(c[label] for c in counts) <= 1 for label in counts[0])
    assert [sum(c.values()) for c in counts] == [279, 278, 278]


@pytest.mark.parametrize("seed", range(5))
def test_sound_001_holds_out_whole_actors_as_many_women_as_men(actors, seed):
    def sexes(side):
        return Counter(u.sex for u in side)

    rule = in_fold("mfcc_networks", "sound", 0).changed(seed=seed)
    done = split("ravdess", actors, rule)
    assert sizes(done) == (832, 0, 416)
    assert sexes(done.test) == {"F": 208, "M": 208}
    for fold in (1, 2, 3):
        cut = split("ravdess", actors, rule.changed(fold=fold))
        assert prove(cut)["shared_speakers"] == 0
        assert abs(sexes(cut.val)["F"] - sexes(cut.val)["M"]) <= 104


@pytest.fixture(scope="module")
def dialogues():
    """5531 utterances of two speakers in each of five sessions."""
    counts = [554, 553] * 4 + [552, 551]
    per = {f"Ses0{1 + i // 2}{'FM'[i % 2]}": n for i, n in enumerate(counts)}
    return utterances("iemocap", per, ("angry", "happy", "sad", "neutral"), session=lambda i: str(1 + i // 2))


def test_paper_002_splits_5531_utterances_into_4424_553_and_554(dialogues):
    assert len(dialogues) == 5531
    done = split("iemocap", dialogues, in_fold("segments", "paper", 0))
    assert sizes(done) == (4424, 553, 554)
    assert prove(done)["shared_speakers"] == 10


def test_sound_002_tests_each_session_once(dialogues):
    folds = {t.corpora[0].split["fold"]: t.corpora[0].split for t in grid(study("segments", "sound"))}
    assert sorted(folds) == [1, 2, 3, 4, 5]
    tested = []
    for rule in folds.values():
        done = split("iemocap", dialogues, rule)
        proof = prove(done)
        assert proof["shared_speakers"] == 0
        assert [len({u.session for u in side}) for side in done.subsets().values()] == [3, 1, 1]
        tested += [u.uid for u in done.test]
    assert sorted(tested) == [u.uid for u in dialogues]


@pytest.fixture(scope="module")
def four():
    """As many of each corpus as paper 000 counts."""

    def even(speakers, total):
        return {f"{i:03d}": total // speakers + (i < total % speakers) for i in range(speakers)}

    seven = ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise")
    made = {c: utterances(c, even(n, total), seven) for c, n, total in (("crema_d", 91, 7414), ("ravdess", 24, 1440))}
    talks = {"session": lambda i: str(1 + i // 2), "channel": lambda i: "dialog"}
    made["iemocap"] = utterances("iemocap", even(10, 10021), seven, **talks)
    return made | {"tess": utterances("tess", {"OAF": 1400, "YAF": 1400}, seven)}


def sides_of(four, mode):
    return {c.name: split(c.name, four[c.name], c.split) for c in study("multilabel", mode).corpora}


def test_paper_000_trains_on_17341_utterances_and_tests_2167(four):
    done = sides_of(four, "paper")
    assert {name: sizes(found) for name, found in done.items()} == {
        "iemocap": (8017, 1002, 1002),
        "crema_d": (5932, 741, 741),
        "tess": (2240, 280, 280),
        "ravdess": (1152, 144, 144),
    }
    assert tuple(map(sum, zip(*map(sizes, done.values()), strict=True))) == (17341, 2167, 2167)


def test_sound_000_holds_out_whole_speakers_and_sessions_and_tess_trains(four):
    done = sides_of(four, "sound")
    for name, found in done.items():
        assert prove(found)["shared_speakers"] == prove(found)["shared_dialogues"] == 0
        assert sum(sizes(found)) == len(four[name])
    assert sizes(done["tess"]) == (2800, 0, 0)
    assert [len({u.session for u in side}) for side in done["iemocap"].subsets().values()] == [3, 1, 1]
    for name in ("crema_d", "ravdess"):
        shares = [n / len(four[name]) for n in sizes(done[name])]
        assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_sound_modes_leave_no_leak_to_intention(name):
    for corpus in study(name, "sound").corpora:
        assert corpus.split.name != "random"
        assert corpus.split.values().get("by") != "utterance"
    assert any(
        c.split.name == "random" or c.split.values().get("by") == "utterance" for c in study(name, "paper").corpora
    )


# networks


def segments(trial: Trial, frames: int) -> int:
    """Items of an utterance of so many frames: one, or as many as it is cut into."""
    return frames // trial.front_end["patch"] if "patch" in trial.front_end.values() else 1


def each_block(made: Study, corpora, train_only):
    """Points: each block as stated, on all corpora."""
    return [{"corpora": corpora, "block": block.name} for block in made.blocks]


def ends_of(trial: Trial):
    """The front-end as each corpus hears it."""
    return [c.front_end_for(trial.front_end) for c in trial.corpora]


@pytest.mark.parametrize("demo", [False, True], ids=["full", "demo"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_every_trial_is_a_network_that_takes_what_its_front_end_gives(name, mode, demo):
    built = set()
    for trial in asked(study(name, mode, demo)):
        key = (trial.block, trial.front_end, trial.pooling)
        if key in built:
            continue
        built.add(key)
        for end in ends_of(trial):
            frames, width = front_end_frames(end, 2.9), front_end_width(end)
            with torch.device("meta"):  # shapes alone, as some networks are large
                net = Network(width, trial.block, trial.pooling, len(trial.classes), "float32").eval()
                hidden = net.block(torch.zeros(frames, width), torch.tensor([frames], device="cpu"))
                out = net.heads["all"](hidden)
            assert out.shape == (segments(trial, frames), len(trial.classes))
    assert len(built) >= {"multilabel": 4, "mfcc_networks": 5, "segments": 11}[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_every_value_of_a_space_is_a_trial_of_its_own(name, mode):
    made = replace(
        study(name, mode), points=partial(each_block, study(name, mode)), expect=len(study(name, mode).blocks)
    )
    for path, kind in made.search.space:
        values = kind.values().get("values") or (kind["low"], kind["high"])
        made_so = [override(made, path, value) for value in values]
        ids = {tuple(t.id for t in grid(m)) for m in made_so}
        assert len(ids) == len(values) > 1, path


# modes and demos


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("demo", [False, True])
def test_no_trial_of_one_mode_is_one_of_the_other(name, demo):
    paper, sound = ({t.id for t in asked(study(name, mode, demo))} for mode in MODES)
    assert not paper & sound
    assert {t.mode for t in asked(study(name, "sound", demo))} == {"sound"}


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_mode_is_refused(name):
    with pytest.raises(BadInput, match=r"'loud'.*sound, paper"):
        study(name, "loud")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_demos_are_smaller_runs_of_the_same_study(name, mode):
    whole, small = study(name, mode), study(name, mode, demo=True)
    assert len(small.demo.changes) > 2
    assert small.expect == whole.expect
    assert [c.split for c in small.corpora] == [c.split for c in whole.corpora]
    assert small.training.max_epochs <= whole.training.max_epochs
    assert len(asked(small)) <= len(asked(whole))
    assert not {t.id for t in asked(small)} & {t.id for t in asked(whole)}


@pytest.mark.parametrize("mode", MODES)
def test_demo_settings_hold_in_both_modes(mode):
    several, vectors, cut = (study(name, mode, demo=True) for name in NAMES)
    assert (several.features.front_end["rate_hz"], several.block("cnn2d")["frames"], several.training.max_epochs) == (
        16000,
        92,
        20,
    )
    assert several.search.rule["candidates"] == 4
    assert (
        next(c for c in several.corpora if c.name == "ravdess").front_end_for(several.features.front_end)["trim_s"] == 0
    )
    assert (vectors.search.rule["candidates"], dict(vectors.search.final)["training.max_epochs"]) == (10, 60)
    assert (cut.seeds, cut.block("vggish")["fc"]) == (2, (64, 64))


def test_segments_keeps_the_epoch_that_the_program_keeps_and_the_sound_mode_the_least_loss():
    rules = {mode: study("segments", mode).training for mode in ("paper", "sound")}
    chosen = {m: (t.keep, t.check_every_epochs, t.loss_tolerance, t.patience_epochs) for m, t in rules.items()}
    assert chosen == {"paper": ("best_accuracy", 10, 0.01, 50), "sound": ("best", 1, 0.0, 50)}


def test_keras_weighs_no_validation():
    assert not study("multilabel").training.weighted_validation


@pytest.mark.parametrize("name", study_names())
def test_what_no_paper_states_is_data(name):
    """Origins are checked paths; no comment of a study's file says who states a value."""
    study = load_study(name)
    assert {origin.by for origin in study.origins} <= set(SOURCES)
    assert all(origin.why and not origin.why.endswith(".") for origin in study.origins)
    assert len({origin.path for origin in study.origins}) == len(study.origins) > 10
    for path in study_file(name).parent.glob("*.py"):
        assert not re.search(r"#.*\b(ours|\(code\))", path.read_text())
