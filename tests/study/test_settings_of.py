"""The instance of a component's settings that its functions take."""

import sys
import textwrap

import pytest

import ser.augment
from ser import registry
from ser.errors import BadInput
from ser.study import part, settings_of

SOURCE = """
from dataclasses import dataclass
from ser.study.settings import setting

VERSION = 3

@dataclass(frozen=True)
class Settings:
    gain: float = setting("gain", 2.0, low=0)
    kinds: tuple[str, ...] = setting("kinds", ("a",))
"""


@pytest.fixture
def component(tmp_path, monkeypatch):
    (tmp_path / "augment").mkdir()
    (tmp_path / "augment" / "echo.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.setenv("SER_PLUGINS", str(tmp_path))
    yield
    sys.modules.pop("ser.augment.echo", None)
    ser.augment.__path__.remove(str(tmp_path / "augment"))
    settings_of.cache_clear()


def test_an_instance_is_of_the_files_own_class_and_has_every_default(component):
    made = settings_of("augment", part("echo", gain=1))
    assert (type(made), made.gain, made.kinds) == (registry.find("augment", "echo").Settings, 1.0, ("a",))


@pytest.mark.parametrize(
    "stated", [part("echo", gian=1.0), part("echo", gain=-1.0), part("echo", gain="x"), part("ec")]
)
def test_a_wrong_statement_is_refused(component, stated):
    with pytest.raises(BadInput, match=r"echo|gain"):
        settings_of("augment", stated)


def test_a_version_is_read_without_importing_the_file(component):
    assert str(registry.version("augment", "echo")).startswith("3+")
    assert "ser.augment.echo" not in sys.modules
