"""What the errors of a tracking store mean: whether it may answer later, and if not, what a person can do about it.

The errors are MLflow's, SQLAlchemy's, those of web requests and of the artifact stores' own libraries. They are judged
by what they have in common, a code, a status or words, so that nothing here depends on any of these.
"""

import errno
import re
from typing import Any

from ser.errors import Refused

_PASSING = (
    *("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "ABORTED"),
    *("CANCELLED", "RESOURCE_EXHAUSTED", "RESOURCE_CONFLICT"),
)
_PASSING_STATUS = (408, 409, 425, 429)
_LASTING_STATUS = (501, 505)
_LASTING_ERRNO = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
# Two that write at once, or a connection that breaks: databases report both as errors of the statement.
_PASSING_WORDS = r"locked|deadlock|UniqueViolation|UNIQUE constraint|Duplicate entry|connection .*clos|closed .*connect"
_READ_ONLY = r"read-?only (database|file ?system|transaction)"
_TOO_LONG = r"too long for|[Dd]ata too long|would be truncated|exceeds the maximum length|exceeds max"
_NO_TABLE = r"[Nn]o such (table|column)|out-of-date database schema"
_OF_SERVER = r"mlflow-artifacts URI was supplied"
_LASTING_WORDS = rf"{_OF_SERVER}|(?i:{_READ_ONLY})|{_TOO_LONG}|{_NO_TABLE}|[Cc]redentials|must be in the 'active' state"
_OF_ADDRESS = r"authentication|does not exist|[Nn]o such|load plugin|driver"
_STATUS = re.compile(r"error code (\d{3})|\b(\d{3}) (?:Client|Server) Error")
_CODES = {"PERMISSION_DENIED": 403, "CUSTOMER_UNAUTHORIZED": 401, "UNAUTHENTICATED": 401}

_RESTORE = (
    "`MLFLOW_TRACKING_URI={uri} mlflow experiments restore --experiment-id {id}` brings it back; to begin anew, erase "
    "it for good: `mlflow gc --backend-store-uri {database} --experiment-ids {id}`"
)
# By words or by status: what is allowed, and the remedy.
_REMEDIES: tuple[tuple[str, int, str, str], ...] = (
    (r"The run \S+ must be in the 'active' state|Run .*not found", 0, "a run that is not deleted",
     "the same command begins another one"),
    (r"Changing param values", 0, "the values that the run has",
     "delete the run in MLflow's pages; the same command trains its trial again"),
    (r"out-of-date database schema|[Nn]o such (table|column)", 0, "a database of this version of MLflow",
     "back it up, then `mlflow db upgrade ADDRESS`; one of a newer MLflow needs that version here"),
    (_OF_SERVER, 0, "the address of the server that made the experiment, as only it knows where the files are",
     "give --tracking-uri http://HOST:PORT, or rename the experiment: a new one is made"),
    (r"Invalid Host|DNS rebinding", 0, "an address by which the server lets itself be called",
     "start it with --allowed-hosts HOST:PORT, or use the address that it allows"),
    (_TOO_LONG, 0, "values that fit the columns of its tables", "shorten what it names"),
    (rf"(?i:{_READ_ONLY})|[Pp]ermission denied", 0, "a store that can be written", "fix its rights, or name another"),
    (r"[Cc]redentials", 0, "credentials of the artifact store on every machine that trains",
     "set them there, or let the server pass files on: mlflow server --artifacts-destination"),
    ("", 401, "an account that the server knows",
     "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
    ("", 403, "an account that may write there", "ask whoever keeps the server for the right to edit the experiment"),
    ("", 413, "a server, and proxies before it, that take requests of this size",
     "raise their limit (nginx: client_max_body_size)"),
)  # fmt: skip


def status_of(error: BaseException | None) -> int:
    """Returns the status of the web request that failed, as far as the error knows it; else 0."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):  # as botocore has it
        answer = answer.get("ResponseMetadata", {})
        return int(answer.get("HTTPStatusCode") or 0)
    for status in (getattr(answer, "status_code", None), getattr(error, "status_code", None)):
        if isinstance(status, int):
            return status
    in_words = _STATUS.search(str(error))
    return int(in_words[1] or in_words[2]) if in_words else _CODES.get(str(getattr(error, "error_code", "")), 0)


def is_passing(uri: str, error: BaseException | None) -> bool:
    """Whether the store at ``uri`` may answer later: a server that is down, not a wrong address, password or file."""
    words, code, status = str(error), getattr(error, "error_code", None), status_of(error)
    if isinstance(error, ImportError) or re.search(_LASTING_WORDS, words):
        return False
    if re.search(_PASSING_WORDS, words):
        return True
    if status:
        return status in _PASSING_STATUS or (status >= 500 and status not in _LASTING_STATUS)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno not in _LASTING_ERRNO
    if uri.startswith("http"):
        return (code or "INTERNAL_ERROR") in _PASSING and "valid JSON" not in words
    if code is not None and code not in _PASSING:
        return False
    if uri.startswith("sqlite"):
        return bool(re.search(r"is full|disk I/O", words))
    return not re.search(_OF_ADDRESS, words)


def refusal(store: str, error: BaseException, words: str) -> Refused:
    """Returns the refusal of ``store``, with its remedy; ``words`` are the error's own. Both may be printed."""
    if match := re.search(r"[Ee]xperiment (\d+) must be in the 'active' state", words):
        return deleted_experiment(store, words, match[1])
    status = status_of(error)
    for pattern, of_status, allowed, remedy in _REMEDIES:
        if (pattern and re.search(pattern, words)) or (of_status and status == of_status):
            return Refused(f"{store}: {words}", "MLflow", allowed, remedy.replace("ADDRESS", store))
    remedy = "start the server, or fix the address or whatever it names"
    return Refused(f"{store}: {words}", "MLflow", "a tracking store that answers", remedy)


def deleted_experiment(store: str, words: str, identity: str) -> Refused:
    """Returns the refusal of an experiment that was deleted: MLflow keeps its name from being used again."""
    database = "DATABASE" if store.startswith("http") else store
    remedy = _RESTORE.format(uri=store, database=database, id=identity)
    return Refused(f"{store}: {words}", "MLflow", "an experiment that is not deleted", remedy)
