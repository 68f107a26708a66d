"""Arrays whose memory is used again when nobody has them any more, and not before."""

import numpy as np
import pytest
from numba import njit

from spikeproof.contract.compiled import memory
from spikeproof.contract.compiled.compiling import aligned

SHAPE = (3, 100_000)


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "derive",
    [
        lambda array: array,
        lambda array: array[1:, ::2],
        lambda array: array.T.reshape(-1)[5:] if array.flags.f_contiguous else array.reshape(-1)[5:].view(np.uint8),
        lambda array: np.asarray(memoryview(array)),
        lambda array: np.broadcast_to(array[0], (7, SHAPE[1]))[3:],
    ],
)
def test_memory_is_used_again_when_no_view_of_it_is_left(derive):
    first = memory.empty(SHAPE, np.float32)
    assert first.shape == SHAPE and first.dtype == np.float32 and first.flags.c_contiguous and first.flags.writeable
    where, view = place(first), derive(first)
    del first
    other = memory.empty(SHAPE, np.float32)
    assert place(other) != where
    del view
    assert place(memory.empty((SHAPE[1], 3), np.int32)) == where  # of as many bytes


def test_torch_holds_what_it_was_made_of():
    torch = pytest.importorskip("torch")
    first = torch.from_numpy(memory.empty(SHAPE, np.float32))
    where, view = first.data_ptr(), first.detach().view(-1)[7:]
    del first
    assert place(memory.empty(SHAPE, np.float32)) != where
    del view
    assert place(memory.empty(SHAPE, np.float32)) == where


def test_every_array_begins_with_a_line_of_the_cache():
    for shape in ((0, 5), (), (10,), (3, 0, 10**9), (7, 11), SHAPE):
        for name, array in (
            ("empty", memory.empty(shape, np.int16)),
            ("scratch", memory.scratch("x", shape, np.int16)),
        ):
            assert array.shape == shape and array.dtype == np.int16 and array.flags.c_contiguous, name
            assert not array.size or array.ctypes.data % 64 == 0, name


def test_rows_inside_loops_begin_with_one_too():
    @njit
    def rows(like):
        found = aligned(like, 37)
        found[:] = 3
        return found, found.ctypes.data

    for dtype in (np.float32, np.float64):
        row, where = rows(np.zeros(1, dtype))
        assert where % 64 == 0 and row.dtype == dtype and row.shape == (37,) and (row == 3).all()


def test_what_waits_longest_goes_first(monkeypatch):
    pool = memory._Pool()
    monkeypatch.setattr(pool, "most", 100)
    arrays = [np.empty(size, np.uint8) for size in (30, 40, 50, 101)]
    for array in arrays:
        pool.give(array)
    assert pool.take(40) is arrays[1] and pool.take(50) is arrays[2]
    assert all(pool.take(len(array)) is not array for array in arrays)
