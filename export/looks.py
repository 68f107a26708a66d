"""What a file looks like by its first bytes, for those who took one file for another. Nothing is unpickled."""

from __future__ import annotations

import os
import struct
import zipfile

HDF5, ARRAY, ARRAYS, TORCH, PICKLE = (
    "an HDF5 file, as networks are",
    "an array of NumPy (.npy)",
    "an archive of arrays (.npz)",
    "a checkpoint of torch",
    "a pickle",
)
_MAGIC = ((b"\x89HDF\r\n\x1a\n", HDF5), (b"\x93NUMPY", ARRAY), *((bytes([0x80, n]), PICKLE) for n in range(2, 6)))


def looks_like(path: str | os.PathLike[str]) -> str:
    """Return what a file looks like, one of the words above; empty if it looks like none of them."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            if head.startswith(b"PK"):
                with zipfile.ZipFile(file) as archive:
                    names = archive.namelist()
                return TORCH if any(name.endswith("data.pkl") for name in names) else ARRAYS
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile):  # all that zipfile raises
        return ""
    return next((words for magic, words in _MAGIC if head.startswith(magic)), "")


def no_network(path: str | os.PathLike[str]) -> str:
    """Return what a file is in the place of a network, and what to do; empty if that cannot be told."""
    found = looks_like(path)
    if found in (TORCH, PICKLE):
        return (
            f"it is {found}, which is never opened here, since that can run any code. Build the module, load its "
            "parameters into it, write the network with spikeproof.export_netx(module, 'net.net'), and give that file."
        )
    if found in (ARRAY, ARRAYS):
        return f"it is {found}. The network comes first and samples after it: spikeproof simulate net.net -i x.npy."
    return ""


def no_array(path: str | os.PathLike[str]) -> str:
    """Return what a file is in the place of samples or a trace, and what to do; empty if that cannot be told."""
    found = looks_like(path)
    if found == HDF5:
        return f"it is {found}. The network comes first and samples after it: spikeproof simulate net.net -i x.npy."
    if found in (TORCH, PICKLE):
        return f"it is {found}, which is never opened here, since that can run any code. Write np.save('x.npy', array)."
    return ""
