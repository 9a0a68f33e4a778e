"""``ser corpora --known``: every corpus that can be read, in a terminal of 80 columns, without network or corpora."""

from types import SimpleNamespace

import pytest

from ser import registry
from ser.cli import known
from ser.cli.main import main
from ser.corpora import manifest_csv
from ser.data.about import About
from ser.errors import BadInput

ABOUT = {name: registry.find("corpora", name).ABOUT for name in registry.names("corpora")}
OTHERS = {
    "far": SimpleNamespace(
        title="Far", utterances=7, about=About(("tr",), "natural", "MIT", "Who 2020", "https://far.example")
    ),
    "emodb": SimpleNamespace(title="EMO-DB", utterances=535, about=None),
}


def test_every_corpus_is_listed_with_where_to_get_it_and_formats_apart():
    lines = known.listed(80)
    assert all(len(line) <= 80 or max(map(len, line.split())) > 80 - 13 for line in lines)  # long addresses stay whole
    heads = [line.partition(" · ")[0] for line in lines if line and not line.startswith(" ")]
    assert {name for name, about in ABOUT.items() if about} <= set(heads)
    formats = [line.strip() for line in lines[lines.index("formats, for corpora of one's own and those of others:") :]]
    assert {name for name, about in ABOUT.items() if not about} <= set(formats)
    text = " ".join(" ".join(lines).split())
    assert "emodb · EMO-DB German (de) · acted · 535 utterances, 10 speakers licence" in text
    assert all(f"download {about.download.split()[0]}" in text for about in ABOUT.values() if about)


@pytest.mark.parametrize("name", [name for name, about in ABOUT.items() if about])
def test_details_of_a_corpus_have_classes_files_and_defects(name):
    text = " ".join(" ".join(known.detailed(name, 80)).split())
    module = registry.find("corpora", name)
    assert " ".join(ABOUT[name].reference.split()) in text
    assert " ".join(module.FILES.split()) in text
    assert all(" ".join(defect.split()) in text for defect in ABOUT[name].defects)
    assert all(label in text for label in module.expected(module.Settings()))


def test_corpora_that_only_a_format_reads_are_listed_and_those_with_a_loader_once(monkeypatch):
    monkeypatch.setattr(manifest_csv, "CORPORA", OTHERS, raising=False)
    lines = known.listed(80)
    assert "far · Far (read by manifest_csv)" in lines
    assert "  Turkish (tr) · natural · 7 utterances" in lines
    assert [line for line in lines if line.startswith("emodb")] == ["emodb · EMO-DB"]
    assert "far=LISTS" in " ".join(known.detailed("far", 80))


def test_a_corpus_that_nobody_knows_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean emodb"):
        known.detailed("emdb", 80)


def test_the_command_needs_no_corpora(capsys):
    assert main(["corpora", "--known"]) == 0
    assert "ravdess · RAVDESS" in capsys.readouterr().out
    assert main(["corpora", "--known", "tess"]) == 0
    assert "CC BY-NC-ND 4.0" in capsys.readouterr().out
    assert main(["corpora", "--known", "tes"]) == 2
