"""``ser export-model``: a run by what is typed becomes one file, and what cannot be written leaves none."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from trained_runs import of_kind

from ser.cli.main import main
from ser.prediction import Recording, load
from ser.prediction.predictor import _extracted


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return of_kind("frames", data, tmp_path_factory.mktemp("frames"))


def test_a_run_becomes_a_file_of_arrays_and_one_of_onnx(run, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export-model", str(run.files), str(tmp_path / "a.safetensors"), "--work", str(tmp_path)]) == 0
    assert "a.safetensors" in capsys.readouterr().out
    assert "heads.all.weight" in load_file(tmp_path / "a.safetensors")
    assert main(["export-model", str(run.files), str(tmp_path / "a.onnx"), "--work", str(tmp_path)]) == 0
    assert "differ by" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == list(run.trial.classes)
    # The answers for a recording of the test subset, from its frames to its row of predictions.csv.
    predictor, row = load(run.files), run.table.iloc[0]
    uid = row["uid"]
    frames = _extracted(Recording(uid, run.paths[uid]), predictor.front_end())
    (found,) = session.run(["probabilities"], {"frames": frames})
    expected = run.columns("p").iloc[0].to_numpy(float)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_what_cannot_be_written_is_said_in_one_line_and_leaves_nothing(run, tmp_path, capsys):
    assert main(["export-model", str(run.files), str(tmp_path / "a.pt"), "--work", str(tmp_path)]) == 2
    assert "FILE: a.pt; allowed: a name that ends in .safetensors or .onnx" in capsys.readouterr().err
    assert main(["export-model", str(tmp_path), str(tmp_path / "a.onnx"), "--work", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []
