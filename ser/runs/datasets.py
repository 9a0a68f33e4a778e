"""The data of a run in MLflow: a dataset for each corpus and subset, with its fingerprint, counts and use.

So ``dataset.name = 'emodb'`` finds runs, and the pages show what was trained and tested on. The counts are of the
whole subset, the same in all runs that use it.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ser.errors import Away, Refused
from ser.runs.folder import Dataset
from ser.runs.refusal import status_of

if TYPE_CHECKING:
    from ser.runs.mlflow_client import Client

_NO_DATASETS = (404, 405, 501)  # a server from before there were any
_TRIES = 5  # of workers that begin at once, on a database server: MLflow looks a dataset up, and then adds it


def log(client: "Client", run_id: str, datasets: Sequence[Dataset]) -> None:
    """Gives a run its datasets; what it has already adds nothing, and a server that knows none gets none."""
    if not datasets:
        return
    from ser.runs.mlflow_client import dataset_inputs

    for left in reversed(range(_TRIES)):
        try:
            client.log_inputs(run_id, datasets=dataset_inputs(datasets))
        except Refused as error:
            if status_of(error.__cause__) not in _NO_DATASETS:
                raise
        except Away as error:
            if not left or not any(word in str(error).lower() for word in ("unique", "duplicate")):
                raise
            time.sleep(0.05)
            continue
        return
