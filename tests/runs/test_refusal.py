"""Errors of tracking stores: which ones time mends, and what is to be done about the others."""

import errno
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException, RestException
from requests import ConnectionError, HTTPError

from ser.runs.refusal import is_passing, refusal

HTTP, POSTGRES, SQLITE = "http://host:5000", "postgresql://host/runs", "sqlite:////runs/mlflow.db"


def rest(code, message=""):
    return RestException({"error_code": code, "message": message})


def answered(status):
    return HTTPError(f"{status} Client Error: for url", response=SimpleNamespace(status_code=status))


class OfBoto(Exception):
    """As botocore's ClientError."""

    def __init__(self, status):
        super().__init__("An error occurred (AccessDenied) when calling the PutObject operation")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        (HTTP, ConnectionError("refused")),
        (HTTP, MlflowException("API request failed with exception HTTPConnectionPool: Max retries exceeded")),
        (HTTP, rest("TEMPORARILY_UNAVAILABLE")),
        (HTTP, MlflowException("API request to endpoint /x failed with error code 502 != 200")),
        (HTTP, rest("REQUEST_LIMIT_EXCEEDED")),
        (HTTP, answered(429)),
        (HTTP, answered(503)),
        (HTTP, OfBoto(503)),
        (SQLITE, MlflowException("(sqlite3.OperationalError) database is locked", error_code=9)),
        (SQLITE, OSError(errno.ENOSPC, "No space left on device")),
        (SQLITE, MlflowException("(sqlite3.OperationalError) database or disk is full")),
        (POSTGRES, MlflowException("server closed the connection unexpectedly", error_code=1000)),
        (POSTGRES, Exception("connection to server at 127.0.0.1 failed: Connection refused")),
        (POSTGRES, rest("BAD_REQUEST", "(psycopg2.errors.UniqueViolation) duplicate key value")),
    ],
)
def test_what_time_mends(uri, error):
    assert is_passing(uri, error)


@pytest.mark.parametrize(
    ("uri", "error", "said"),
    [
        (HTTP, rest("PERMISSION_DENIED"), "right to edit the experiment"),
        (HTTP, MlflowException("API request to endpoint /x failed with error code 401 != 200"), "MLFLOW_TRACKING_USER"),
        (HTTP, answered(403), "right to edit the experiment"),
        (HTTP, OfBoto(403), "right to edit the experiment"),
        (HTTP, answered(413), "client_max_body_size"),
        (HTTP, answered(404), "a tracking store that answers"),
        (
            HTTP,
            MlflowException("failed with error code 403 != 200. Response body: 'Invalid Host header'"),
            "allowed-ho",
        ),
        (
            HTTP,
            rest("INVALID_PARAMETER_VALUE", "The experiment 7 must be in the 'active' state"),
            "id 7` brings it back",
        ),
        (HTTP, rest("TEMPORARILY_UNAVAILABLE", "attempt to write a readonly database"), "fix its rights"),
        (HTTP, MlflowException("a body that is not valid JSON"), "start the server, or fix the address"),
        (HTTP, Exception("Unable to locate credentials"), "credentials of the artifact store on every machine"),
        (SQLITE, rest("INVALID_PARAMETER_VALUE", "The run a1 must be in the 'active' state"), "begins another one"),
        (SQLITE, rest("INVALID_PARAMETER_VALUE", "Changing param values is not allowed"), "delete the run"),
        (SQLITE, OSError(errno.EACCES, "Permission denied"), "fix its rights"),
        (SQLITE, MlflowException("Detected out-of-date database schema"), f"mlflow db upgrade {SQLITE}"),
        (POSTGRES, rest("BAD_REQUEST", "value too long for type character varying(8000)"), "shorten"),
        (POSTGRES, Exception("FATAL: password authentication failed"), "a tracking store that answers"),
        (POSTGRES, ImportError("No module named boto3"), "a tracking store that answers"),
    ],
)
def test_what_no_waiting_helps_is_told_with_its_remedy(uri, error, said):
    assert not is_passing(uri, error)
    assert said in str(refusal(uri, error, str(error)))
