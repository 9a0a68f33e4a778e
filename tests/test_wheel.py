"""What a stranger has: the wheel in a fresh environment, and files of their own, outside of this repository."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from own_study import PROFILE, STUDY

ROOT = Path(__file__).parent.parent


def call(*command, cwd, **more):
    """Runs a command away from this repository, and returns what it prints."""
    names = ("PYTHONPATH", "SER_PLUGINS", "SER_WORK", "MLFLOW_TRACKING_URI")
    environment = {name: value for name, value in os.environ.items() if name not in names} | more
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The folder of the commands of a fresh environment with the wheel, and with what it depends on from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = call(
        "git", "ls-files", "-z", "ser", "experiments", "cluster", "*.toml", "*.py", "*.md", "LICENSE", cwd=ROOT
    )
    for name in filter(None, listed.split("\0")):
        if name.startswith(("ser/", "experiments/", "cluster/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    call(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source, cwd=folder)
    venv.create(folder / "fresh", symlinks=True)
    fresh = folder / "fresh" / "bin"
    site = next((folder / "fresh").glob("lib/python3*/site-packages"))
    places = [sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("site-packages"))]
    (site / "dependencies.pth").write_text("\n".join(dict.fromkeys(places)))
    (wheel,) = folder.glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", "--target", site, wheel]
    call(*pip, *install, cwd=folder)
    (fresh / "ser").write_text(f"#!{fresh / 'python'}\nimport sys\nfrom ser.cli.main import main\nsys.exit(main())\n")
    (fresh / "ser").chmod(0o755)
    return fresh


def test_one_package_is_installed(scripts, tmp_path):
    code = (
        "import ser; from importlib.machinery import PathFinder; from pathlib import Path; print(ser.__file__); "
        "site = [str(Path(ser.__file__).parents[1])]; "  # others' packages may well bring a package `tests`
        "print([n for n in ('experiments', 'cluster', 'tests') if PathFinder.find_spec(n, site)]); "
        "from ser import shipped; print(*sorted(p.name for p in shipped('experiments').glob('[a-z]*.py'))); "
        "print((shipped('cluster') / 'local.toml').is_file())"
    )
    place, others, studies, profile = call(scripts / "python", "-P", "-c", code, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(scripts.parent)
    assert (others, profile) == ("[]", "True")
    names = ("interaffection", "multilabel", "mfcc_networks", "segments", "survey", "encoders")
    assert {f"{name}.py" for name in names} <= set(studies.split())


def test_a_study_with_a_corpus_a_front_end_and_a_model_of_ones_own_runs_to_a_report(scripts, tmp_path):
    ser = scripts / "ser"
    for kind, name in (("corpus", "my_corpus"), ("front-end", "my_front_end"), ("model", "my_model")):
        call(ser, "new", kind, name, "--to", "plugins", cwd=tmp_path)
    (tmp_path / "my_study.py").write_text(STUDY)
    (tmp_path / "one.toml").write_text(PROFILE)
    make = "import pathlib, ser.registry as r; r.find('corpora', 'my_corpus').miniature(pathlib.Path('data'))"
    call(scripts / "python", "-P", "-c", make, cwd=tmp_path, SER_PLUGINS=str(tmp_path / "plugins"))
    run = [ser, "run", "./my_study.py", "--plugins", "plugins", "--data", "data", "--profile", "one.toml"]
    assert "all 1 trials of mine are finished" in call(*run, cwd=tmp_path)
    report = call(ser, "report", "./my_study.py", "--plugins", "plugins", "--replicates", "10", cwd=tmp_path)
    assert "1 of 1 trials" in report
    assert (tmp_path / "work" / "reports" / "mine" / "report.html").is_file()
