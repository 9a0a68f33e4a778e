"""The settings of every model and balance: read without importing, documented, within their own rules."""

from dataclasses import MISSING, fields

import pytest
from component_settings import with_values

from ser import registry
from ser.errors import BadInput
from ser.models import traits
from ser.study import load_study, settings_of
from ser.study.settings import kind_name, rule_of, values_of

COMPONENTS = [(kind, name) for kind in ("models", "balance") for name in registry.names(kind)]
STUDIES = ("interaffection", "mfcc_networks", "multilabel", "segments", "survey")
each = pytest.mark.parametrize(("kind", "name"), COMPONENTS)


def small(kind, name):
    example = registry.find(kind, name).example()
    return example[1] if kind == "models" else example


def described(settings):
    return [(f.name, kind_name(f.type), f.default, rule_of(f)) for f in fields(settings)]


@each
def test_settings_are_read_without_importing_the_file_as_they_are_in_it(kind, name):
    module = registry.find(kind, name)
    assert described(registry.settings(kind, name)) == described(module.Settings)
    # A plugin's holds a fingerprint besides.
    assert str(registry.version(kind, name)).partition("+")[0] == str(module.VERSION)


@each
def test_every_setting_has_a_meaning_and_a_default_that_its_rule_allows(kind, name):
    for field in fields(registry.settings(kind, name)):
        assert len(rule_of(field).meaning) > 5
        assert field.default is MISSING or rule_of(field).problem(field.default) == ""


@each
def test_the_example_is_made_of_settings_that_a_study_could_state(kind, name):
    settings = small(kind, name)
    assert isinstance(settings, registry.find(kind, name).Settings)
    assert with_values(settings) == settings


def outside(field):
    """A value of the field's kind that its rule forbids, or None where any may be."""
    rule, default = rule_of(field), field.default
    if rule.choices:
        return "no such choice"
    bound = next((b for b in (rule.low, rule.above) if b is not None), None)
    if bound is None:
        return None
    value = bound - 1 if rule.low is not None else bound
    kind = kind_name(field.type)
    if kind.startswith(("several", "2 values")):
        return (int(value),) * (2 if default is MISSING else len(default))
    return float(value) if kind == "number" else int(value)


RULED = [(k, n, f.name) for k, n in COMPONENTS for f in fields(registry.settings(k, n)) if outside(f) is not None]


@pytest.mark.parametrize(("kind", "name", "setting"), RULED)
def test_a_value_that_the_rule_forbids_is_refused(kind, name, setting):
    settings = small(kind, name)
    (field,) = (f for f in fields(settings) if f.name == setting)
    with pytest.raises(BadInput, match=setting):
        with_values(settings, **{setting: outside(field)})


@pytest.mark.parametrize("study", STUDIES)
def test_models_and_balances_of_the_studies_have_settings_of_theirs(study):
    whole = load_study(study)
    for block in (*whole.blocks, *(system.block for system in whole.comparison.systems)):
        assert values_of(settings_of("models", block)).items() >= block.values().items()
    for balance in {system.balance for system in whole.comparison.systems if system.balance.name != "none"}:
        assert values_of(settings_of("balance", balance)).items() >= balance.values().items()


@pytest.mark.parametrize("name", registry.names("models"))
def test_a_model_has_the_traits_of_its_kind(name):
    model = traits(name)
    assert model.gives in ("frames", "utterance", "segments", "classes")
    assert (model.takes in ("vectors", "frames")) == (model.gives == "classes")
    assert set(model.varies) <= {f.name for f in fields(registry.settings("models", name))}
    assert not model.varies or model.stacked is not None
