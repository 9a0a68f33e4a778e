"""Components of a user's own: from folders and from installed packages, found, checked, versioned, and sent along."""

import os
import subprocess
import sys

import pytest

import ser.models
from ser import registry
from ser.errors import BadInput

MODEL = """
from dataclasses import dataclass
from ser.study.settings import setting
from ser.models._shared_by_mine import WIDTH

VERSION = 1
GIVES = "utterance"

@dataclass(frozen=True)
class Settings:
    units: int = setting("units of the layer", 8, low=1)
"""
SHARED = "WIDTH = 3\n"


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A plugin folder with a model, of which nothing is left in this process afterwards."""
    folder = tmp_path / "plugins" / "models"
    folder.mkdir(parents=True)
    (folder / "my_model.py").write_text(MODEL)
    (folder / "_shared_by_mine.py").write_text(SHARED)
    monkeypatch.setenv("SER_PLUGINS", str(folder.parent))
    before = list(ser.models.__path__)
    yield folder.parent
    ser.models.__path__[:] = before
    for name in ("my_model", "_shared_by_mine"):
        sys.modules.pop(f"ser.models.{name}", None)
    (
        registry._modules.cache_clear(),
        registry._names.cache_clear(),
        registry._version.cache_clear(),
        registry._parsed.cache_clear(),
    )


def anew():
    """As another process would look."""
    (
        registry._modules.cache_clear(),
        registry._names.cache_clear(),
        registry._version.cache_clear(),
        registry._parsed.cache_clear(),
    )


def test_a_folder_of_plugins_is_part_of_the_registry(plugins):
    assert {"my_model", "lstm"} <= set(registry.names("models"))
    assert not any(name.startswith("_") for name in registry.names("models"))
    assert registry.settings("models", "my_model")().units == 8
    assert "ser.models.my_model" not in sys.modules
    assert registry.find("models", "my_model").WIDTH == 3


def test_without_the_folder_it_is_not(plugins, monkeypatch):
    registry.names("models")
    monkeypatch.delenv("SER_PLUGINS")
    assert "my_model" not in registry.names("models")
    with pytest.raises(BadInput, match="my_model"):
        registry.find("models", "my_model")


def test_its_version_follows_its_source_and_that_of_its_neighbours_only(plugins):
    first = registry.version("models", "my_model")
    (plugins / "models" / "another.py").write_text("VERSION = 1\n")
    anew()
    assert registry.version("models", "my_model") == first
    (plugins / "models" / "_shared_by_mine.py").write_text("WIDTH = 4\n")
    anew()
    second = registry.version("models", "my_model")
    (plugins / "models" / "my_model.py").write_text(MODEL.replace("8", "9"))
    anew()
    assert len({first, second, registry.version("models", "my_model")}) == 3
    assert str(first).startswith("1+")


@pytest.mark.parametrize("name", ["lstm", "_layers"])
def test_a_name_of_ours_is_refused(plugins, name):
    (plugins / "models" / f"{name}.py").write_text(MODEL)
    with pytest.raises(BadInput, match=rf"'{name}', which .*ser/models has, too; allowed: .*; rename"):
        registry.names("models")


def test_a_name_of_another_folder_is_refused(plugins, tmp_path, monkeypatch):
    (tmp_path / "others" / "models").mkdir(parents=True)
    (tmp_path / "others" / "models" / "my_model.py").write_text(MODEL)
    monkeypatch.setenv("SER_PLUGINS", f"{plugins}{os.pathsep}{tmp_path / 'others'}")
    with pytest.raises(BadInput, match=rf"others/models: 'my_model', which {plugins}/models has"):
        registry.names("models")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("VERSION = 1\ndef build(:\n", 2),
        ("VERSION = 1\n\nimport nothing_of_that_name\n", 3),
        ("VERSION = 1\n1 / 0\n", 2),
    ],
)
def test_a_broken_file_is_named_with_its_line(plugins, source, line):
    (plugins / "models" / "my_model.py").write_text(source)
    with pytest.raises(BadInput, match=rf"models/my_model.py, line {line}: .*; allowed: .*; fix the plugin"):
        registry.find("models", "my_model")


@pytest.mark.parametrize("read", [registry.settings, registry.version])
@pytest.mark.parametrize("source", ["", "def build(:\n", "class Settings(Nothing):\n    pass\n"])
def test_a_file_without_settings_or_version_is_named(plugins, source, read):
    (plugins / "models" / "my_model.py").write_text(source)
    with pytest.raises(BadInput, match=r"models/my_model.py.*; allowed: "):
        read("models", "my_model")


@pytest.mark.parametrize(("folder", "problem"), [("nowhere", "is no folder"), ("empty", "has none of them")])
def test_a_folder_without_plugins_is_refused(tmp_path, monkeypatch, folder, problem):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SER_PLUGINS", str(tmp_path / folder))
    with pytest.raises(BadInput, match=rf"{folder}, which {problem}; allowed: a folder with corpora, .*reports"):
        registry.names("models")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package whose entry point defines a model."""
    site = tmp_path / "site"
    (site / "my_lab-1.0.dist-info").mkdir(parents=True)
    (site / "my_lab-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    (site / "my_lab-1.0.dist-info" / "entry_points.txt").write_text("[ser.models]\nlab_model = my_lab.networks.first\n")
    (site / "my_lab" / "networks").mkdir(parents=True)
    for init in ("my_lab", "my_lab/networks"):
        (site / init / "__init__.py").touch()
    (site / "my_lab" / "networks" / "first.py").write_text(
        MODEL.replace("ser.models._shared_by_mine", "my_lab.networks.shared")
    )
    (site / "my_lab" / "networks" / "shared.py").write_text(SHARED)
    monkeypatch.syspath_prepend(str(site))
    registry._installed.cache_clear(), anew()
    yield site
    for name in [m for m in sys.modules if m.startswith("my_lab")]:
        sys.modules.pop(name)
    monkeypatch.undo()
    registry._installed.cache_clear(), anew()


def test_an_installed_packages_entry_points_are_part_of_the_registry(installed):
    assert "lab_model" in registry.names("models")
    assert registry.settings("models", "lab_model")().units == 8
    first = registry.version("models", "lab_model")
    assert registry.find("models", "lab_model").WIDTH == 3
    (installed / "my_lab" / "networks" / "shared.py").write_text("WIDTH = 4\n")
    anew()
    assert registry.version("models", "lab_model") != first


def test_settings_that_a_package_shares_by_a_relative_import_are_read(installed):
    networks = installed / "my_lab" / "networks"
    (networks / "common.py").write_text((networks / "first.py").read_text())
    (networks / "first.py").write_text("from .common import Settings\n\nVERSION = 1\n")
    anew()
    assert registry.settings("models", "lab_model")().units == 8


def test_an_entry_point_of_nothing_is_refused(installed):
    (installed / "my_lab" / "networks" / "first.py").unlink()
    with pytest.raises(BadInput, match=r"my_lab.networks.first; allowed: a module that is installed"):
        registry.find("models", "lab_model")


def test_another_machine_has_the_same_components(plugins, installed, tmp_path):
    """As Ray brings folders: into another place, which is on the path of modules."""
    variable, folders = registry.carried(tmp_path / "sent")
    versions = [registry.version("models", name) for name in ("my_model", "lab_model")]
    there = tmp_path / "there"
    for folder in folders:
        subprocess.run(["cp", "-r", folder, f"{there}/"], check=True) if there.is_dir() else there.mkdir()
        subprocess.run(["cp", "-rT", folder, there / os.path.basename(folder)], check=True)
    code = (
        "from ser import registry\n"
        "print([registry.version('models', n) for n in ('my_model', 'lab_model')], "
        "registry.find('models', 'my_model').WIDTH, registry.find('models', 'lab_model').WIDTH)"
    )
    path = os.pathsep.join([str(there), str(registry.PACKAGE.parent)])
    environment = {**os.environ, "SER_PLUGINS": variable, "PYTHONPATH": path}
    (plugins / "models" / "my_model.py").unlink()
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == f"{versions} 3 3"


def test_nothing_is_carried_where_there_are_no_plugins(tmp_path):
    assert registry.carried(tmp_path / "sent") == ("", [])
