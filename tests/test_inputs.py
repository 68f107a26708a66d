"""Input arrays on the command line: what is damaged, hostile or ambiguous ends in one message that says what to do."""

import io
import os
import resource
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from spikeproof.cli.given.inputs import read_array
from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input

X = np.random.default_rng(0).random((2, 3, 40))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.npz"


def npy(array=X):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(shape, dtype="<f8", length=118):
    words = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", max(length, len(words) + 1)) + words.ljust(length - 1) + b"\n"


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("array", [X, X > 0.5, X.astype(np.float16), np.asfortranarray(X), np.arange(3), np.float64(1)])
def test_good_files_give_their_array(save, array, path, tmp_path):
    save(path, x=array, y=1)
    np.testing.assert_array_equal(read_array(path), array)
    np.save(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), array)


def test_the_only_array_of_an_archive_is_taken(path):
    np.savez(path, spikes=X)
    np.testing.assert_array_equal(read_array(path), X)


def test_spikes_that_are_rare_may_be_compressed(path):
    x = np.zeros((100, 700, 250))
    x[np.random.default_rng(0).random(x.shape) < 0.02] = 1
    np.savez_compressed(path, x=x)
    np.testing.assert_array_equal(read_array(path), x)


def refused(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    with pytest.raises(InputError) as found:
        read_array(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    words = str(found.value)
    assert words.startswith(f"{path}: ") and words.isprintable() and len(words) < 1500
    assert most < 2**28 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18
    return words


def test_archives_without_one_input_are_refused(path):
    np.savez(path, y=X, z=X)
    assert "no array called x; it holds y, z" in refused(path)
    np.savez(path)
    assert "the archive is empty" in refused(path)
    np.savez(path, **{f"\x1b[31m{i}{'a' * 1000}": i for i in range(99)})
    assert "(99 in all)" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_truncated_files_are_refused(save, share, tmp_path):
    path = tmp_path / ("x.npy" if save is np.save else "x.npz")
    save(path, X)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def test_a_changed_byte_in_an_archive_is_refused(path):
    np.savez(path, x=X)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "Bad CRC-32" in refused(path)
    np.savez_compressed(path, x=X)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 9] = b"\xff" * 9
    path.write_bytes(content)
    refused(path)


def test_an_encrypted_member_is_refused(path):
    np.savez(path, x=X)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert "x.npy is encrypted. Write the archive without a password" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        header((2**40, 24, 10)),
        header((2**63, 2**63)),
        header((-1, 4)) + bytes(64),
        header((3, 4), "<f8") + bytes(95),
        header((3,), "|V0"),
        header((10**15,), "|S0"),
        header((3,), "<U4") + bytes(48),
        header((3,), "|O") + b"cos\nsystem\n(S'id'\ntR.",
        header("(" * 90),
        header("(1,", length=400),
        header("9" * 5000, length=6000),
        header((1,) * 70) + bytes(8),
        npy()[:7],
        npy()[:40],
        b"\x93NUMPY\x09\x00" + bytes(200),
        b"PK",
        b"PK\x03\x04" + bytes(99),
        b"",
        b"hello",
        bytes(1000),
    ],
)
def test_odd_contents_are_refused(content, path, tmp_path):
    (tmp_path / "x.npy").write_bytes(content)
    refused(tmp_path / "x.npy")
    refused(archive(path, x=content))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made, made.open("x.npy", "w") as held:
        held.write(header((240, 2**20)))
        for _ in range(240):
            held.write(bytes(2**23))
    assert path.stat().st_size < 1e7  # of 2 GiB
    assert "write it with np.savez, without compression" in refused(path)


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.npy")
    for path in (tmp_path / "x.npy", tmp_path):
        assert "Name a regular .npy or .npz file" in refused(path)
    assert "no such file" in refused(tmp_path / "absent.npy")


def test_a_value_that_is_not_a_number_is_told_as_such():
    x = np.zeros((1, 2, 3))
    x[0, 1, 2] = np.nan
    for record in (Input(num_channels=2), Input(num_channels=2, bits=8)):
        with pytest.raises(
            InputError, match=r"Input\[0, 1, 2\] = nan: it is not a number. Fix what made the input"
        ) as found:
            record.encode(x)
        assert "rescale" not in str(found.value)
    with pytest.raises(InputError, match="rescale the input"):
        Input(num_channels=2, bits=8).encode(np.full((2, 3), np.inf))
