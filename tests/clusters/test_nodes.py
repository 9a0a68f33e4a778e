"""Grids over several nodes: they come and are killed, share nothing but addresses, the head starts anew, jobs are sent.

Nodes are in network namespaces, and see neither the work folder nor the runner's code, where this machine permits that.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from chaos import Chaos, judge
from nodes import Cluster, free_port, network, until_open

import ser
from ser.cli.main import main
from ser.features.remote import RemoteFolder
from ser.runs.folder import work_id
from ser.runs.location import Location
from ser.runs.tracker import Tracker

BUCKET = "ser-test"
CODE = Path(ser.__file__).parent


@pytest.fixture(scope="module")
def net():
    """A network for nodes, or None where this machine permits none: then all are on loopback."""
    made = network()
    yield made
    if made:
        made.end()


@pytest.fixture(scope="module")
def bucket(net):
    """A bucket of an S3-compatible server that keeps everything in memory."""
    moto = pytest.importorskip("moto.server", reason="needs moto: pip install 'moto[s3]'")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(ip_address=net.host if net else "127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "made", "AWS_SECRET_ACCESS_KEY": "up", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    server.stop()


@pytest.fixture(scope="module")
def tracking(net, postgres, tmp_path_factory):
    """An MLflow server on PostgreSQL that the nodes reach."""
    host, port, folder = net.host if net else "127.0.0.1", free_port(), tmp_path_factory.mktemp("mlflow")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    places = {"MLFLOW_BACKEND_STORE_URI": postgres, "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "served")}
    process = subprocess.Popen(
        [*command, "--allowed-hosts", f"{host}:{port}"],
        env={**os.environ, **places, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until_open(host, port)
    yield f"http://{host}:{port}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def started(folder, net, **options):
    """A head without trials, whose variables are those of this process; nodes are added by the tests."""
    made = Cluster(folder, net)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        try:
            made.head(cpus=0, **options)
            yield made
        finally:
            made.end()


@pytest.fixture(scope="module")
def cluster(net, bucket, tmp_path_factory):
    """A head that clients and submitted jobs reach, too."""
    with started(tmp_path_factory.mktemp("cluster"), net, client=True, dashboard=True) as made:
        yield made


@pytest.fixture
def command(data, tiny):
    """A grid over one corpus: 12 trials, of which 6 are trained."""

    def make(epochs, steps=8):
        sizes = [f"--set=training.{name}={epochs}" for name in ("max_epochs", "patience_epochs")]
        sizes += [f"--set=training.steps_per_epoch={steps}"]
        return ["run", "interaffection", "--data", str(data), "--corpora", "ravdess", *tiny, *sizes]

    return make


def training(cluster, name):
    """Processes of a node that are training a trial."""
    found = []
    for process in cluster.processes(name):
        try:
            if any("/trials/" in f.path for f in process.open_files()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(what, chaos, seconds=180):
    """The first true value of ``what()`` while the command runs."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert chaos.driver.poll() is None, chaos.log.read_text()
        assert time.monotonic() < deadline, chaos.log.read_text()
        time.sleep(0.1)
    return found


def assert_perfect(verdict):
    assert (verdict.lost, verdict.duplicated, verdict.wrong, verdict.unmarked) == ([], [], [], [])


def test_a_node_that_does_not_see_the_folders_is_named_before_anything_runs(net, command, tmp_path, capsys):
    if os.geteuid() != 0 or not net:
        pytest.skip("needs a mount namespace of its own, which this machine does not permit")
    work = tmp_path / "work"
    work.mkdir()
    with started(tmp_path / "cluster", net) as cluster:
        place, told = cluster.add("blind", hidden=[work]), ""
        places = ["--work", str(work), "--address", cluster.address]
        for _ in range(5):
            code, told = main(["doctor", *places]), " ".join(capsys.readouterr().out.split())
            if place in told:
                break
        assert code == 1
        assert "is not mounted here" in told
        assert "cannot be shared by machines" in told  # SQLite
        assert main([*command(1), *places]) == 2
        assert "nodes of the cluster: vm" in capsys.readouterr().err
    assert list((work / "trials").glob("*")) == []


@pytest.mark.slow
def test_nodes_come_and_go_and_share_nothing_but_addresses(
    cluster, bucket, tracking, command, undisturbed, tmp_path, empty_ledger
):
    work, caches = tmp_path / "work", {name: tmp_path / name for name in "ab"}
    work.mkdir()
    hidden = [CODE, work] if cluster.network else []
    cluster.add("a", SER_CACHE=str(caches["a"]), hidden=hidden)
    places = ["--address", cluster.client, "--store", f"{bucket}/features", "--tracking-uri", tracking]
    chaos = Chaos([*command(20), "--work", str(work), *places], work, tmp_path / "log")
    try:
        chaos.start()
        wait_for(lambda: training(cluster, "a"), chaos)
        cluster.add("b", SER_CACHE=str(caches["b"]), hidden=hidden)
        wait_for(lambda: training(cluster, "a"), chaos)
        cluster.kill("a")
        assert chaos.driver.wait(300) == 0, chaos.log.read_text()
    finally:
        chaos.end()
        cluster.empty()
    assert_perfect(judge(Tracker(Location(tracking, ""), "interaffection"), undisturbed(*command(20))))
    assert RemoteFolder(f"{bucket}/features/trials/{work_id(work)}").folders("") == []
    assert list((work / "trials").glob("*")) == []


@pytest.mark.slow
def test_a_submitted_job_brings_its_code_along(cluster, bucket, tracking, command, tmp_path):
    brought, work = tmp_path / "code", tmp_path / "work"
    for name in ("ser", "experiments", "cluster"):
        shutil.copytree(CODE.parent / name, brought / name, ignore=shutil.ignore_patterns("__pycache__"))
    cluster.add("c", SER_CACHE=str(tmp_path / "c"), hidden=[CODE] if cluster.network else [])
    places = ["--address", "auto", "--store", f"{bucket}/features", "--tracking-uri", tracking]
    submit = ["job", "submit", "--address", f"http://127.0.0.1:{cluster.jobs_port}", "--working-dir", str(brought)]
    ray = str(Path(sys.executable).with_name("ray"))
    grid = [sys.executable, "-m", "ser", *command(1), "--work", str(work), *places]
    try:
        for _ in range(10):
            done = subprocess.run([ray, *submit, "--", *grid], capture_output=True, text=True, timeout=300)
            if "try again later" not in done.stderr:  # a dashboard on a busy machine
                break
            time.sleep(5)
    finally:
        cluster.empty()
    if "No available agent" in done.stderr:
        pytest.skip("Ray's dashboard lost its agent on the head, as it does on a machine that is too busy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 12 trials of interaffection are finished" in done.stdout


@pytest.mark.slow
def test_a_head_that_is_killed_and_started_again(command, undisturbed, empty_ledger, tmp_path, monkeypatch):
    cluster, work = Cluster(tmp_path / "cluster"), tmp_path / "work"
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    work.mkdir()
    shutil.copy(empty_ledger, work / "mlflow.db")
    chaos = Chaos([*command(20), "--work", str(work), "--address", cluster.address], work, tmp_path / "log")
    try:
        cluster.head(cpus=2)
        chaos.start()
        wait_for(lambda: training(cluster, "head"), chaos)
        cluster.kill("head")
        cluster.head(cpus=2)
        assert chaos.driver.wait(300) == 0, chaos.log.read_text()
    finally:
        chaos.end()
        cluster.end()
    assert "Ray was lost" in chaos.log.read_text()
    assert_perfect(judge(Tracker(Location.of(work, None), "interaffection"), undisturbed(*command(20))))
