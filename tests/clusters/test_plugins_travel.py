"""A user's components reach the nodes of a cluster with the code: nodes know neither the folder nor the environment."""

import pytest
from nodes import Cluster
from own_study import STUDY

import ser.corpora
import ser.frontends
import ser.models
from ser import registry
from ser.cli.main import main


@pytest.mark.slow
def test_plugins_travel(tmp_path, monkeypatch):
    plugins = tmp_path / "plugins"
    for kind, name in (("corpus", "my_corpus"), ("front-end", "my_front_end"), ("model", "my_model")):
        assert main(["new", kind, name, "--to", str(plugins)]) == 0
    (tmp_path / "my_study.py").write_text(STUDY)
    cluster = Cluster(tmp_path / "cluster", None)
    try:
        cluster.head()  # before SER_PLUGINS is set: its workers inherit nothing of this process
        for package in (ser.corpora, ser.frontends, ser.models):
            monkeypatch.setattr(package, "__path__", list(package.__path__))
        monkeypatch.setenv("SER_PLUGINS", str(plugins))
        registry.find("corpora", "my_corpus").miniature(tmp_path / "data")
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        command = [
            "run",
            str(tmp_path / "my_study.py"),
            "--data",
            str(tmp_path / "data"),
            "--work",
            str(tmp_path / "work"),
        ]
        assert main([*command, "--address", cluster.address]) == 0
    finally:
        cluster.end()
