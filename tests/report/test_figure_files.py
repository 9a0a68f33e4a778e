"""Figures that a report's folder has are taken from there if the same recipe drew them, and are the same bytes."""

from functools import partial

import pytest

from ser.report import drawing, figure_files, figures, rendering

PANELS = {"corpora": {"tess": 0.25, "ravdess": 0.75}}


def written(folder, panels, caption="Shares.", name="shares"):
    """The bytes of a figure of a report in ``folder``, and what is remembered of it there."""
    with drawing.batched(folder):
        picture = figures.share_charts(panels, name, caption)
        forms, element = dict(picture.files), picture.svg
    for kind, data in forms.items():
        (folder / f"{name}.{kind}").write_bytes(data)
    figure_files.remember(folder, {name: (picture.drawing.key, forms)})
    return forms, element


@pytest.fixture
def drawn(monkeypatch):
    """Names of what is drawn, as it is drawn."""
    names, draw = [], rendering.draw
    monkeypatch.setattr(
        rendering, "draw", lambda figure, name, caption: names.append(name) or draw(figure, name, caption)
    )
    return names


def test_a_figure_is_not_drawn_again_and_a_new_caption_counts(tmp_path, drawn):
    first = written(tmp_path, PANELS)
    assert written(tmp_path, {"corpora": dict(PANELS["corpora"])}) == first
    assert drawn == ["shares"]
    files, element = written(tmp_path, PANELS, "Other words.")
    assert files == first[0]
    assert "Other words." in element
    assert drawn == ["shares"]


def test_other_values_another_name_and_another_folder_are_drawn(tmp_path, drawn):
    first, _ = written(tmp_path, PANELS)
    other, _ = written(tmp_path, {"corpora": {"tess": 0.25, "ravdess": 0.5}})
    assert other["png"] != first["png"]
    written(tmp_path, PANELS, name="again")
    (tmp_path / "other").mkdir()
    assert written(tmp_path / "other", PANELS)[0] == first
    assert drawn == ["shares", "shares", "again", "shares"]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_file_that_was_changed_or_is_gone_is_drawn_anew(tmp_path, drawn, kind):
    first = written(tmp_path, PANELS)
    (tmp_path / f"shares.{kind}").write_bytes(b"changed")
    assert written(tmp_path, PANELS) == first
    (tmp_path / f"shares.{kind}").unlink()
    assert written(tmp_path, PANELS) == first
    assert drawn == ["shares"] * 3


def test_other_code_or_libraries_and_a_damaged_record_keep_nothing(tmp_path, drawn, monkeypatch):
    first = written(tmp_path, PANELS)
    monkeypatch.setattr(figure_files, "_surroundings", lambda: "another version")
    assert written(tmp_path, PANELS) == first
    (tmp_path / figure_files.NAME).write_text("damaged")
    assert written(tmp_path, PANELS) == first
    assert drawn == ["shares"] * 3


def test_only_functions_of_reports_with_values_that_can_be_written_have_a_key():
    recipe = partial(figures.share_charts, PANELS)
    assert figure_files.key_of(recipe, "a") == figure_files.key_of(partial(figures.share_charts, {**PANELS}), "a") != ""
    assert figure_files.key_of(recipe, "b") != figure_files.key_of(recipe, "a")
    for other in (lambda: None, partial(written, PANELS), partial(figures.share_charts, lambda: None)):
        assert figure_files.key_of(other, "a") == ""
