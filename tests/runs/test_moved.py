"""Places of files follow their work folder, and nobody else's files are taken for its own."""

import pytest

from ser.runs.moved import current, is_moved

RUN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (f"file:///old/artifacts/study/{RUN}/artifacts", f"file:///new/artifacts/study/{RUN}/artifacts"),
        (f"/old%20place/artifacts/study/{RUN}/artifacts", f"file:///new/artifacts/study/{RUN}/artifacts"),
        (f"file:///artifacts/artifacts/study/{RUN}/artifacts", f"file:///new/artifacts/study/{RUN}/artifacts"),
        ("file:///old/artifacts/study", "file:///new/artifacts/study"),
        (f"/old/artifacts/study/models/m-{RUN}/artifacts", f"file:///new/artifacts/study/models/m-{RUN}/artifacts"),
        (f"s3://bucket/artifacts/study/{RUN}/artifacts", None),
        (f"mlflow-artifacts:/1/{RUN}/artifacts", None),
        ("file:///elsewhere/study", None),
    ],
)
def test_what_lies_in_a_work_folder_is_looked_for_in_it(uri, expected):
    assert current(uri, "/new/artifacts") == (expected or uri)


def test_files_of_another_database_have_moved_only_if_they_are_gone_there_and_are_here(tmp_path):
    artifacts, old = tmp_path / "new" / "artifacts", tmp_path / "old" / "artifacts" / "study"
    assert is_moved(old.as_uri(), str(artifacts), is_own=True)
    assert not is_moved(old.as_uri(), str(artifacts), is_own=False)
    (artifacts / "study").mkdir(parents=True)
    assert is_moved(old.as_uri(), str(artifacts), is_own=False)
    old.mkdir(parents=True)
    assert not is_moved(old.as_uri(), str(artifacts), is_own=False)
    assert not is_moved((artifacts / "study").as_uri(), str(artifacts), is_own=True)
    assert not is_moved("s3://bucket/artifacts/study", str(artifacts), is_own=True)
