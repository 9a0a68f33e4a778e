"""``ser show`` and ``ser studies``: what there is to choose from, in a terminal of 80 columns, at once."""

import subprocess
import sys

import pytest

from ser import registry
from ser.cli import catalogue
from ser.errors import BadInput
from ser.study import study_names

KINDS = (*(kind for kind in registry.KINDS if kind != "report"), *registry.RULES)


@pytest.mark.parametrize("name", [f"{kind}/{name}" for kind in KINDS for name in registry.names(kind)])
def test_every_component_is_shown_with_all_its_settings_in_80_columns(name):
    lines = catalogue.component(name, 80)
    assert lines[0].startswith(f"{name} (version ")
    assert max(map(len, lines)) <= 80
    shown = {line.split()[0] for line in lines if line.strip()}
    assert shown >= {item.name for item in catalogue.fields(registry.settings(*name.split("/")))}


def test_a_setting_is_shown_with_default_kind_range_unit_and_meaning():
    text = " ".join(" ".join(catalogue.component("log_stft", 80)).split())
    assert "rate_hz 8000 [whole number, 1 or more (Hz)] sampling rate of the waveform" in text
    assert "da Silva et al., section 4.2" in text
    assert "[frames, width]" in text


def test_what_every_study_has_to_state_is_shown_so():
    text = " ".join(" ".join(catalogue.component("training", 80)).split())
    assert "optimiser to be stated [adam, rmsprop, sgd]" in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lsmt", r"'lsmt'.*did you mean lstm"),
        ("model/lstm", r"'model'.*did you mean models"),
        ("models/mfcc", r"'mfcc'.*allowed: .*lstm"),
        ("random", r"splits/random or searches/random"),
    ],
)
def test_a_name_that_is_none_or_that_several_have_is_refused(name, said):
    with pytest.raises(BadInput, match=said):
        catalogue.component(name, 80)


def test_studies_are_listed_with_those_of_ones_own():
    path = str(catalogue.study_file("segments"))
    lines = catalogue.studies([path], 80)
    names = [line for line in lines if not line.startswith(" ")]
    assert names == [*study_names(), "segments"]
    assert max(map(len, lines)) <= 80
    assert "  168 trials · report interaffection · modes paper, sound" in lines
    assert "  2 trials and a random search · report mfcc_networks · modes paper, sound" in lines


@pytest.mark.parametrize("command", [["show"], ["show", "lstm"], ["studies"]])
def test_nothing_slow_is_imported_to_show_it(command):
    code = f"import sys\nfrom ser.cli.main import main\nmain({command})\n"
    code += "print([m for m in ('torch', 'ray', 'mlflow', 'librosa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[]"
