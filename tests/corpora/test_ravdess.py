"""RAVDESS: a choice of actors, with or without those who did not sing. Names and defects: test_named.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ser.corpora import ravdess
from ser.data.scan import scan
from ser.errors import BadInput
from ser.study import part, settings_of

BOTH = ("speech", "song")
TWELVE = tuple(f"{number:02d}" for number in range(1, 13))


def speakers(root: Path, settings: Mapping[str, Any]) -> list[str]:
    return [u.speaker for u in ravdess.load(root, settings_of("corpora", part("ravdess", **settings))).utterances]


def test_actors_are_chosen_without_refusing_others(tmp_path: Path) -> None:
    for actor in ("01", "02", "10", "24"):
        (tmp_path / f"03-01-01-01-01-01-{actor}.wav").touch()
    assert len(speakers(tmp_path, {})) == 4
    assert speakers(tmp_path, {"actors": ()}) == speakers(tmp_path, {})
    assert speakers(tmp_path, {"actors": ("24", "02")}) == ["ravdess/02", "ravdess/24"]
    assert speakers(tmp_path, {"actors": (10, 24)}) == ["ravdess/10", "ravdess/24"]  # as the command line reads 10,24
    assert speakers(tmp_path, {"actors": "10", "channels": "speech"}) == ["ravdess/10"]
    assert ravdess.load(tmp_path, ravdess.Settings(actors=("01",))).refused == ()


@pytest.mark.parametrize("actors", [("25",), ("1",), ("01", "Actor_02"), (0,), "all"])
def test_unknown_actors_are_told(tmp_path: Path, actors: Any) -> None:
    with pytest.raises(BadInput, match=r"loader\.actors: .*01, 02, 03"):
        speakers(tmp_path, {"actors": actors})


def test_expected_of_the_chosen_actors() -> None:
    twelve = ravdess.expected(ravdess.Settings(channels=BOTH, actors=TWELVE))
    assert sum(twelve.values()) == 1248 == 12 * (60 + 44)
    assert (twelve["neutral"], twelve["calm"], twelve["disgust"]) == (96, 192, 96)
    assert sum(ravdess.expected(ravdess.Settings(channels=BOTH, actors=("17", "18"))).values()) == 104 + 60
    assert ravdess.expected(ravdess.Settings(channels=("song",), actors=("18",))) == {}
    assert sum(ravdess.expected(ravdess.Settings(channels=BOTH, actors=())).values()) == 2452


def test_fingerprint_is_of_what_is_chosen(tmp_path: Path) -> None:
    folder = ravdess.miniature(tmp_path)
    prints = {
        actors: scan("ravdess", "ravdess", folder, {"actors": actors}, tmp_path / "cache").fingerprint
        for actors in ((), ("01", "02"), ("02", "01"), ("01", "02", "03", "04", "05", "06", "17", "18"))
    }
    assert prints["01", "02"] == prints["02", "01"] != prints[()]
    assert prints[()] == prints["01", "02", "03", "04", "05", "06", "17", "18"]  # all that the miniature has
