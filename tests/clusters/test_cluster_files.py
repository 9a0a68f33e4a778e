"""The files of ``cluster/`` are read by the tools or schemas they are written for, and agree with the project."""

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS
from ser.distributed.profile import Profile

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
TOOLS = Path(sys.executable).parent
README = (CLUSTER / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
IMAGE = f"registry.example.org/lab/ser:{PROJECT['version']}"
PASSWORDS = {"POSTGRES_PASSWORD": "first", "S3_PASSWORD": "second"}
CLOUDS, KUBE = ("aws.yaml", "gcp.yaml"), ("kuberay-raycluster.yaml", "kuberay-rayjob.yaml")


def text_of(name):
    return (CLUSTER / name).read_text()


def tool(*command, text=None, env=None, cwd=None):
    """The output of a command; raises ValueError with what it said if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=env, cwd=cwd, timeout=60)
    if done.returncode:
        raise ValueError(done.stdout + done.stderr)
    return done.stdout


# What reads each file. A check takes the text of a file and raises if the file is wrong.


def by_ray(text, tmp_path):
    """Ray's validation of what ``ray up`` is given; its node configuration by the cloud's own description."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    whole = yaml.safe_load(text)
    validate_config(prepare_config(whole))
    if whole["provider"]["type"] == "aws":
        for kind in whole["available_node_types"].values():
            by_ec2(kind["node_config"])
    for command in (*whole["head_start_ray_commands"], *whole["worker_start_ray_commands"]):
        by_ray_cli(command)


@functools.cache
def run_instances():
    import botocore.session

    return botocore.session.Session().get_service_model("ec2").operation_model("RunInstances").input_shape


def by_ec2(node):
    import botocore.validate

    report = botocore.validate.ParamValidator().validate(node | {"MinCount": 1, "MaxCount": 1}, run_instances())
    assert not report.has_errors(), report.generate_report()


def by_ray_cli(line):
    """Ray's command line takes it. Nothing is run."""
    from ray.scripts.scripts import cli as found

    name, *rest = shlex.split(line)
    while isinstance(found, click.Group):
        name, *rest = rest
        if name not in found.commands:
            raise ValueError(f"{line}: no command {name}")
        found = found.commands[name]
    try:
        found.make_context(name, rest)
    except click.ClickException as error:
        raise ValueError(error.format_message()) from None


def by_kubernetes(text, tmp_path):
    """KubeRay's resource, and the pods in it."""
    whole = yaml.safe_load(text)
    jsonschema.validate(whole, json.loads((Path(__file__).parent / "kuberay.schema.json").read_text()))
    for group in groups(whole):
        template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": group["template"]}
        kubernetes_validate.validate(template, kubernetes_validate.latest_version(), strict=True)


def groups(whole):
    spec = whole["spec"].get("rayClusterSpec", whole["spec"])
    return spec["headGroupSpec"], *spec["workerGroupSpecs"]


def by_shell(text, tmp_path):
    tool("bash", "-n", "/dev/stdin", text=text)
    tool(TOOLS / "shellcheck", "--severity=style", "-", text=text)
    for option in re.findall(r"^#SBATCH (.*)$", text, re.M):
        name, value = re.fullmatch(r"--([a-z-]+)(?:=(\S+))?", option).groups()
        assert re.fullmatch(SBATCH.get(name, "unknown"), value or ""), option


# Of `man sbatch`, and the forms of their values.
SBATCH = {
    "job-name": r"\S+",
    "nodes": r"\d+(-\d+)?",
    "ntasks-per-node": r"\d+",
    "exclusive": r"(user|mcs)?",
    "gpus-per-node": r"([a-z0-9_]+:)?\d+",
    "cpus-per-task": r"\d+",
    "mem": r"\d+[KMGT]?",
    "time": r"(\d+-)?\d+(:\d\d){0,2}",
    "requeue": "",
    "no-kill": r"(off)?",
    "signal": r"([RB]+:)?[A-Z0-9]+(@\d+)?",
    "open-mode": r"append|truncate",
    "output": r"\S+",
}


def by_hadolint(text, tmp_path):
    tool(TOOLS / "hadolint", "--no-color", "-", text=text)


def by_compose(text, tmp_path, **env):
    """Substituted and merged by podman-compose, then read by a parser of the compose specification."""
    import compose_spec

    (tmp_path / "compose.yaml").write_text(text)
    podman = tmp_path / "podman"  # it is asked for its version alone
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    podman.chmod(0o755)
    env = (env or PASSWORDS) | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    whole = yaml.safe_load(tool(TOOLS / "podman-compose", "-f", "compose.yaml", "config", env=env, cwd=tmp_path))
    compose_spec.PyCompose.from_json(json.dumps(whole)).to_spec()
    for service in whole["services"].values():
        assert set(service.get("depends_on", ())) <= set(whole["services"]), service
        for entry in service.get("ports", ()):
            assert str(entry).startswith("127.0.0.1:"), entry
    compile(whole["services"]["bucket"]["command"][2], "bucket", "exec")


CHECKS = {
    **dict.fromkeys(CLOUDS, by_ray),
    **dict.fromkeys(KUBE, by_kubernetes),
    "slurm.sh": by_shell,
    "Containerfile": by_hadolint,
    "compose.yaml": by_compose,
}


@pytest.mark.parametrize("name", CHECKS)
def test_each_file_is_taken_by_what_reads_it(name, tmp_path):
    CHECKS[name](text_of(name), tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "instead"),
    [
        ("aws.yaml", "idle_timeout_minutes", "idle_timeout"),
        ("aws.yaml", "head_node_type: head", "head_node_type: master"),
        ("aws.yaml", "InstanceMarketOptions", "InstanceMarketOption"),
        ("aws.yaml", "container_name: ser", ""),
        ("aws.yaml", "--dashboard-host", "--dashboard-hosts"),
        ("gcp.yaml", "max_workers: 8\nidle", "max_workers: -1\nidle"),
        ("gcp.yaml", "file_mounts:", "file_mount:"),
        ("kuberay-raycluster.yaml", "mode: token", "mode: tokens"),
        ("kuberay-raycluster.yaml", "rayVersion: 2.60.0", ""),
        ("kuberay-raycluster.yaml", "containerPort: 8265", "containerport: 8265"),
        ("kuberay-raycluster.yaml", 'num-cpus: "8"', "num-cpus: 8"),
        ("kuberay-rayjob.yaml", "shutdownAfterJobFinishes: true", ""),
        ("kuberay-rayjob.yaml", "backoffLimit: 3", "backofLimit: 3"),
        ("kuberay-rayjob.yaml", "effect: NoSchedule", "effects: NoSchedule"),
        ("kuberay-rayjob.yaml", "name: ser-interaffection", "name: ser_interaffection"),
        ("slurm.sh", "set -euo pipefail", "if true"),
        ("slurm.sh", '"$@"', "$@"),
        ("slurm.sh", "--requeue", "--requeued"),
        ("Containerfile", "--no-cache-dir --constraint", "--constraint"),
        ("Containerfile", "USER 1000", "USER root"),
        ("compose.yaml", "interval: 10s", "intervall: 10s"),
        ("compose.yaml", "service_healthy", "service_is_healthy"),
        ("compose.yaml", "${MLFLOW_ADDRESS:-127.0.0.1}:5000:5000", "5000:5000"),
        ("compose.yaml", "      s3: {", "      s4: {"),
        ("compose.yaml", "        import boto3, os", "        import boto3 os"),
    ],
)
def test_each_check_refuses_a_broken_file(name, text, instead, tmp_path):
    whole = text_of(name)
    assert text in whole
    with pytest.raises((ValueError, AssertionError, AttributeError, SyntaxError, jsonschema.ValidationError)):
        CHECKS[name](whole.replace(text, instead, 1), tmp_path)


def test_google_takes_the_node_configuration():
    pytest.importorskip("googleapiclient", reason="Google's description of its machines comes with the extra `cluster`")
    import googleapiclient

    described = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "compute.v1.json"
    schemas = _closed(json.loads(described.read_text())["schemas"])
    for kind in yaml.safe_load(text_of("gcp.yaml"))["available_node_types"].values():
        jsonschema.validate(kind["node_config"], {"$ref": "#/schemas/Instance", "schemas": schemas})


def _closed(node):
    """Google's schemas as JSON schemas that refuse what they do not name."""
    if isinstance(node, list):
        return [_closed(v) for v in node]
    if not isinstance(node, dict):
        return node
    node = {k: _closed(v) for k, v in node.items() if k not in ("id", "required", "annotations")}
    if isinstance(node.get("$ref"), str):
        node["$ref"] = f"#/schemas/{node['$ref']}"
    if node.get("format") in ("int64", "uint64"):
        node["type"] = ["string", "integer"]
    if node.get("type") == "object" and "properties" in node:
        node["additionalProperties"] = False
    return node


def test_docker_takes_the_compose_file():
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("no `docker compose` on this machine")
    tool("docker", "compose", "-f", CLUSTER / "compose.yaml", "config", "--quiet", env=os.environ | PASSWORDS)


@pytest.mark.parametrize("missing", PASSWORDS)
def test_the_servers_do_not_start_without_passwords(missing, tmp_path):
    given = {k: v for k, v in PASSWORDS.items() if k != missing}
    with pytest.raises(ValueError, match=f"{missing}.*write it into cluster/.env"):
        by_compose(text_of("compose.yaml"), tmp_path, **given)


# Commands, by whoever takes them.


def commands():
    """Every command of the README's blocks, without its comment."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.S):
        for line in block.splitlines():
            yield re.sub(r"\s+#.*", "", line)


def ser_commands():
    for line in (*commands(), *re.findall(r"`(ser [^`]*--[^`]*)`", README)):
        if found := re.search(r"(?:^|-- )(?:python -m )?ser (.*)", line):
            yield found[1]
        if found := re.search(r"slurm\.sh (.*)", line):
            yield slurm_command(found[1])
    yield yaml.safe_load(text_of("kuberay-rayjob.yaml"))["spec"]["entrypoint"].removeprefix("ser ")
    yield slurm_command(re.search(r"slurm\.sh (.*)", text_of("slurm.sh"))[1])


def slurm_command(args):
    (line,) = re.findall(r"^  ser (.*?) &$", text_of("slurm.sh"), re.M)
    return line.replace('"$@"', args)


@pytest.mark.parametrize("line", sorted(set(ser_commands())))
def test_every_ser_command_is_understood(line):
    args = parser(FUNCTIONS).parse_args(shlex.split(line))
    assert callable(args.command)
    assert not hasattr(args, "study") or (ROOT / "experiments" / f"{args.study}.py").exists()
    assert not hasattr(args, "profile") or (CLUSTER / f"{args.profile}.toml").exists()


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("ray ")])
def test_every_ray_command_is_understood(line):
    if line.startswith("ray job "):
        pytest.importorskip("ray.dashboard.modules.job.cli", reason="jobs come with ray[default]", exc_type=ImportError)
    by_ray_cli(re.sub(r" > \S+$", "", line))


def test_slurm_starts_ray_as_ray_wants_it():
    from ray.scripts.symmetric_run import curate_and_validate_ray_start_args

    joined = text_of("slurm.sh").replace("\\\n", "")
    (line,) = re.findall(r"ray symmetric-run (.*?) -- ", joined)
    left = curate_and_validate_ray_start_args(shlex.split(re.sub(r'"\$.*?"', "1", line)))
    by_ray_cli(" ".join(["ray start --head", *left]))


def test_files_that_the_readme_calls_exist():
    named = {n for line in commands() for n in re.findall(r"cluster/([\w.-]+)", line)} - {".env"}
    assert [n for n in sorted(named) if not (CLUSTER / n).exists()] == []
    assert set(CHECKS) - named == {"gcp.yaml"}  # whose commands are those of aws.yaml


def test_every_file_has_its_place_in_the_readme():
    files = {p.name for p in CLUSTER.iterdir() if p.is_file() and p.suffix != ".py" and not p.name.startswith(".")}
    assert [n for n in sorted(files - {"README.md", "Containerfile.dockerignore"}) if f"`{n}`" not in README] == []


# What the files say twice, and what must agree with the project.


def test_versions_agree_with_the_project():
    container, torch = (
        text_of("Containerfile"),
        re.search(r"^TORCH \?= (\S+)", (ROOT / "Makefile").read_text(), re.M)[1],
    )
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert re.findall(r"^ARG TORCH=(.*)$", container, re.M) == [torch]
    assert all(int(low) <= int(v) < int(high) for v in re.findall(r"PYTHON=3\.(\d+)", container + README))
    assert {re.search(r"rayVersion: (.*)", text_of(n))[1] for n in KUBE} == {PINS["ray"]}
    assert set(re.findall(r"\bRay (\d+\.\d+)", README)) == {PINS["ray"].rpartition(".")[0]}
    assert re.findall(r"mlflow/mlflow:(\S+)", text_of("compose.yaml")) == [f"v{PINS['mlflow']}-full"]


def test_all_nodes_run_the_image_that_is_built():
    for name in (*CLOUDS, *KUBE, "Containerfile", "README.md"):
        assert set(re.findall(r"registry\.example\.org/[^\s`]+", text_of(name))) == {IMAGE}, name
    container = text_of("Containerfile")
    user, home = re.search(r"--uid (\d+)", container)[1], re.search(r"HOME=(\S+)", container)[1]
    assert re.findall(r"^USER (.*)$", container, re.M) == [user]
    for name in KUBE:
        assert set(re.findall(r"runAs(?:User|Group): (\d+)", text_of(name))) == {user}
    for name in CLOUDS:
        whole = yaml.safe_load(text_of(name))
        (token,) = whole["file_mounts"]
        assert token.startswith(f"{home}/.ray/")
        assert f"--env=RAY_AUTH_TOKEN_PATH={token}" in whole["docker"]["run_options"]


def test_the_image_gets_all_it_copies():
    seen = set(re.findall(r"^!(\S+)$", text_of("Containerfile.dockerignore"), re.M))
    copied = [s for line in re.findall(r"^COPY (.*)$", text_of("Containerfile"), re.M) for s in line.split()[:-1]]
    assert set(copied) == seen
    assert [s for s in copied if not (ROOT / s).exists()] == []


def test_profile_gpu_fills_a_worker():
    profile = Profile.read(str(CLUSTER / "gpu.toml"))
    wanted = {"CPU": profile.cpus_per_trial / profile.gpus_per_trial, "GPU": 1}
    for name in CLOUDS:
        kinds = yaml.safe_load(text_of(name))["available_node_types"]
        assert kinds["gpu"]["resources"] == wanted
        assert "GPU" not in kinds["head"]["resources"]
    for name in KUBE:
        _, worker = groups(yaml.safe_load(text_of(name)))
        (container,) = worker["template"]["spec"]["containers"]
        assert worker["rayStartParams"]["num-cpus"] == f"{wanted['CPU']:.0f}"
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_both_kubernetes_files_have_the_same_cluster():
    cluster, job = (yaml.safe_load(text_of(name))["spec"] for name in KUBE)
    assert job["rayClusterSpec"] == cluster


def test_authentication_is_on_everywhere():
    for name in CLOUDS:
        assert "--env=RAY_AUTH_MODE=token" in yaml.safe_load(text_of(name))["docker"]["run_options"]
    for name in KUBE:
        assert "authOptions: {mode: token}" in text_of(name)
    for line in ("export RAY_AUTH_MODE=token", "export RAY_AUTH_TOKEN"):
        assert line in text_of("slurm.sh").splitlines()


@pytest.mark.parametrize("name", [*CHECKS, "README.md"])
def test_no_secret_is_written_down(name):
    text = text_of(name)
    assert re.findall(r"\b(?:[0-9a-fA-F]{32,}|AKIA[0-9A-Z]{16}|hf_\w{20,})\b", text) == []
    given = re.findall(r"(?i)\b\w*(?:password|passwd|secret_?\w*key|secret|auth_token)['\"]?\s*[:=]\s*(\S+)", text)
    allowed = r"\"?\$.*|%s.*|\?.*|~/.*"  # put in from outside, refused where it is not given, or a file
    assert [value for value in given if not re.fullmatch(allowed, value)] == []
