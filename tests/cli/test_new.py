"""``ser new``: every template is a file that runs as it is written."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ser import registry
from ser.cli.arguments import NEW
from ser.cli.main import main
from ser.cli.new import KINDS
from ser.data.scan import scan

COMPONENTS = [kind for kind in KINDS if kind != "study"]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """A plugin folder with every kind of component, as the command writes them; this process knows them afterwards."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind in COMPONENTS:
        assert main(["new", kind, f"template_{KINDS[kind]}", "--to", str(folder)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_PLUGINS", str(folder))
        packages = [__import__(f"ser.{kind}", fromlist=["x"]) for kind in registry.KINDS]
        before = [list(package.__path__) for package in packages]
        yield folder
    for package, paths in zip(packages, before, strict=True):
        package.__path__[:] = paths


def test_the_command_knows_all_kinds():
    assert set(NEW) == set(KINDS)


def test_front_end(plugins):
    module = registry.find("frontends", "template_frontends")
    settings = module.example()
    for samples in (10, settings.window, 5000):
        features = module.extract(np.random.default_rng(0).normal(size=samples).astype(np.float32), settings)
        assert features.dtype == np.float32
        assert features.shape == (module.frames(samples, settings), module.width(settings))
        assert np.isfinite(features).all()


def test_model(plugins):
    module = registry.find("models", "template_models")
    width, settings, frames = module.example()
    block = module.build(width, settings).eval()
    lengths = torch.tensor([frames, 2 * frames])
    assert block(torch.randn(3 * frames, width), lengths).shape == (3 * frames, block.outputs)


def test_augmentation(plugins):
    module = registry.find("augment", "template_augment")
    wave = np.zeros(800, np.float32)
    changed = [module.apply(wave, 8000, np.random.default_rng(1), module.Settings(), None) for _ in range(2)]
    assert changed[0].dtype == np.float32
    assert changed[0].shape == wave.shape
    assert np.array_equal(*changed)
    assert changed[0].any()


def test_corpus(plugins, tmp_path):
    module = registry.find("corpora", "template_corpora")
    folder = module.miniature(tmp_path)
    assert module.find(tmp_path) == folder
    manifest = scan("template_corpora", "template_corpora", folder, {}, tmp_path / "scans")
    assert manifest.counts() == {"angry": 10, "happy": 10, "neutral": 10, "sad": 10}
    assert len(manifest.speakers) == 5
    assert [Path(refusal.what).name for refusal in manifest.refused] == ["anna_sad_03.wav"]


@pytest.mark.parametrize("kind", COMPONENTS)
def test_its_settings_and_version_are_read(plugins, kind):
    folder = KINDS[kind]
    if kind != "report":
        assert registry.settings(folder, f"template_{folder}")
        assert str(registry.version(folder, f"template_{folder}")).startswith("1+")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["model", "lstm"], "'lstm'; allowed: a name that none has yet"),
        (["model", "Mine"], "'Mine'; allowed: small letters"),
        (["model", "class"], "'class'; allowed: small letters"),
        (["modle", "mine"], "did you mean model"),
        (["study", "mine"], "mine.py, which is there; allowed: a new file"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, capsys, words, problem):
    (tmp_path / "mine.py").write_text("# mine\n")
    assert main(["new", *words, "--to", str(tmp_path)]) == 2
    assert problem in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "# mine\n"


def test_no_placeholder_is_left(plugins):
    assert not [p for p in plugins.rglob("*.py") if re.search("__NAME__", p.read_text())]
