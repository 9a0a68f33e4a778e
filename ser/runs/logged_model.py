"""The model of a run as MLflow knows it (pyfunc): some kilobytes of text over the files that the run has anyway.

So MLflow's pages list it, ``mlflow models serve`` answers with it, and ``mlflow.pyfunc.load_model`` reads it. Its code,
``served_model.py.txt``, is imported by MLflow where the model is loaded, and asks ``ser.prediction``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory

from ser import PACKAGE
from ser.errors import Refused
from ser.runs.mlflow_client import Client, LoggedModel, LoggedModelOutput, artifact_files, mlflow_version
from ser.runs.model_files import INPUTS, STATEMENT, WEIGHTS
from ser.runs.refusal import status_of

NAME = "model"  # ``runs:/<run>/model``
_CODE = "served_model.py"
# A server from before MLflow 3 has no such models, and one may keep them for others: the run's results count.
_NO_MODELS = (403, 404, 405, 501)
_EXAMPLE: Mapping[str, object] = {"columns": ["path"], "data": [["recording.wav"]]}


def log(client: Client, uri: str, experiment: str, run_id: str, files: Path, original: str, is_new: bool) -> None:
    """Gives a run its model, whose weights are those of the run ``original``; what is there already stays.

    ``files``: those of the run; without statement or weights there is no model. ``is_new``: the run was begun by this
    process and never finished in vain, so that nothing needs to be looked for. Raises Away, and Refused.
    """
    weights = next((name for name in WEIGHTS if (files / name).is_file()), None)
    if weights is None or not (files / STATEMENT).is_file():
        return
    model = None if is_new else _existing(client, experiment, run_id)
    if model and str(model.status) == "READY":  # that is said last
        return
    try:
        model = model or client.create_logged_model(experiment, name=NAME, source_run_id=run_id, model_type="emotions")
    except Refused as error:
        if status_of(error.__cause__) in _NO_MODELS:
            return
        raise
    statement = json.loads((files / STATEMENT).read_text(encoding="utf-8"))  # whatever version wrote the rest
    scores = [f"score_{name}" for name in statement["classes"]]
    scores += [f"rating_{name}" for name in statement.get("dimensions", ())]
    texts = _texts(scores, run_id, str(model.model_id), original, weights)
    client.call_storage(_send, texts, str(model.artifact_location), uri)
    if is_new or not client.get_run(run_id).outputs.model_outputs:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.finalize_logged_model(model.model_id, "READY")


def _existing(client: Client, experiment: str, run_id: str) -> LoggedModel | None:
    try:
        models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    except Refused as error:
        if status_of(error.__cause__) in _NO_MODELS:
            return None
        raise
    return next((model for model in models if model.name == NAME), None)


def _send(texts: Mapping[str, str], location: str, uri: str) -> None:
    with TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        artifact_files(location, uri).log_artifacts(folder)


def _texts(scores: Sequence[str], run_id: str, model_id: str, original: str, weights: str) -> dict[str, str]:
    """Returns MLflow's files of a model by name. JSON is YAML, too."""
    description = {
        "artifact_path": NAME,
        "flavors": {
            "python_function": {
                "config": {"run_id": original, "files": [STATEMENT, weights]},
                "loader_module": "mlflow.pyfunc.loaders.code_model",
                "model_code_path": _CODE,
                "python_version": python_version(),
                "streamable": False,
            }
        },
        "mlflow_version": mlflow_version(),
        "model_id": model_id,
        "model_uuid": model_id,
        "run_id": run_id,
        "is_signature_from_type_hint": False,
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        },
        "signature": _signature(scores),
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    return {
        "MLmodel": json.dumps(description, indent=1),
        _CODE: (PACKAGE / "runs" / f"{_CODE}.txt").read_text(encoding="utf-8"),
        "input_example.json": json.dumps(_EXAMPLE),
        "serving_input_example.json": json.dumps({"dataframe_split": _EXAMPLE}),
        # No package of that name is to be fetched from an index: `mlflow models serve --env-manager local`.
        "requirements.txt": f"mlflow=={mlflow_version()}\n# and ser, of the version in the run's tag code_version\n",
    }


def _signature(scores: Sequence[str]) -> dict[str, str]:
    inputs = [{"type": "string", "name": name, "required": False} for name in INPUTS]
    outputs = [{"type": "string", "name": name, "required": True} for name in ("emotion", "error", "unit")]
    outputs += [{"type": "double", "name": name, "required": True} for name in scores]
    corpus = [{"name": "corpus", "default": "", "shape": None, "type": "string"}]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": json.dumps(corpus)}
