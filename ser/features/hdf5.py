"""Features as one HDF5 file for other programs: Khan et al. keep ``X[80], y, uid`` of its recordings in h5."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ser import files
from ser.errors import BadInput

Row = tuple[str, str, npt.NDArray[np.float32]]  # uid, class, features [frames, width]
_CHUNK_BYTES = 1 << 20


def write_hdf5(path: Path, rows: Iterable[Row], attributes: Mapping[str, str]) -> int:
    """Write ``(uid, class, features [frames, width])``, one at a time, and return how many there were.

    Datasets: ``X``, float32 [items, width] where every item is one frame; otherwise the frames of all items one after
    the other, [frames, width], and int64 ``lengths`` [items]. ``y`` (class) and ``uid``, UTF-8 [items]. ``attributes``
    becomes attributes of the file: say there which front-end and settings made the numbers. A file that stands under
    ``path`` is whole, and replaced whole. Raises BadInput where there are no rows, and OSError.
    """
    import h5py  # half a second that no other command needs to wait

    lengths: list[int] = []
    names: dict[str, list[str]] = {"uid": [], "y": []}
    with files.replacing(path) as file, h5py.File(file.name, "w") as h5:
        frames = None
        for uid, label, features in rows:
            if frames is None:
                width = features.shape[1]
                chunk = max(1, _CHUNK_BYTES // (4 * width)), width
                frames = h5.create_dataset("X", (0, width), np.float32, maxshape=(None, width), chunks=chunk)
            frames.resize(len(frames) + len(features), axis=0)
            frames[len(frames) - len(features) :] = features
            lengths.append(len(features))
            names["uid"].append(uid)
            names["y"].append(label)
        if not lengths:
            raise BadInput("no features", str(path), "at least one utterance", "choose other corpora or classes")
        for name, values in names.items():
            h5.create_dataset(name, data=values, dtype=h5py.string_dtype())
        if set(lengths) != {1}:
            h5.create_dataset("lengths", data=np.array(lengths, np.int64))
        h5.attrs.update(attributes)
    return len(lengths)
