"""The HDF5 file of features: read back by h5py, whole or absent."""

import h5py
import numpy as np
import pytest

from ser.errors import BadInput
from ser.features.hdf5 import write_hdf5

ABOUT = {"front_end": "mfcc", "settings": '{"coefficients": 3}'}


def rows_of(lengths, width=3):
    rng = np.random.default_rng(0)
    return [
        (f"corpus/{i}", ("fröhlich", "neutral")[i % 2], rng.standard_normal((n, width)).astype(np.float32))
        for i, n in enumerate(lengths)
    ]


def names(dataset):
    return [name.decode() for name in dataset[:]]


def test_single_frames_are_a_table_of_a_row_for_each(tmp_path):
    rows = rows_of([1, 1, 1])
    assert write_hdf5(tmp_path / "features.h5", iter(rows), ABOUT) == 3
    with h5py.File(tmp_path / "features.h5") as h5:
        assert set(h5) == {"X", "y", "uid"}
        assert h5["X"].dtype == np.float32
        np.testing.assert_array_equal(h5["X"], np.concatenate([x for _, _, x in rows]))
        assert names(h5["y"]) == ["fröhlich", "neutral", "fröhlich"]
        assert names(h5["uid"]) == ["corpus/0", "corpus/1", "corpus/2"]
        assert dict(h5.attrs) == ABOUT


def test_sequences_are_cut_out_by_their_lengths(tmp_path):
    rows = rows_of([4, 1, 70_000, 2])
    write_hdf5(tmp_path / "features.h5", rows, {})
    with h5py.File(tmp_path / "features.h5") as h5:
        assert h5["lengths"].dtype == np.int64
        items = np.split(h5["X"][:], np.cumsum(h5["lengths"])[:-1])
        for (_, _, features), item in zip(rows, items, strict=True):
            np.testing.assert_array_equal(item, features)


def test_two_frames_in_two_items_are_no_lengths_but_two_in_one_are(tmp_path):
    for lengths, stated in (([1, 1], False), ([2], True)):
        write_hdf5(tmp_path / "features.h5", rows_of(lengths), {})
        with h5py.File(tmp_path / "features.h5") as h5:
            assert h5["X"].shape == (2, 3)
            assert ("lengths" in h5) == stated


def test_what_breaks_off_leaves_the_former_file_and_no_litter(tmp_path):
    path = tmp_path / "features.h5"
    write_hdf5(path, rows_of([1]), {})
    before = path.read_bytes()

    def broken():
        yield from rows_of([1, 1])
        raise RuntimeError("store away")

    with pytest.raises(RuntimeError, match="store away"):
        write_hdf5(path, broken(), {})
    assert [p.name for p in tmp_path.iterdir()] == ["features.h5"]
    assert path.read_bytes() == before


def test_nothing_stands_under_the_name_while_it_is_written(tmp_path):
    path = tmp_path / "features.h5"

    def watched():
        for row in rows_of([1, 1]):
            assert not path.exists()
            yield row

    write_hdf5(path, watched(), {})
    assert path.exists()


def test_a_file_of_nothing_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no features"):
        write_hdf5(tmp_path / "features.h5", [], {})
    assert list(tmp_path.iterdir()) == []
