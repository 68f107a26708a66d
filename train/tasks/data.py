"""Finds datasets: where the user keeps them, beside the project, or at their official source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...contract.errors import InputError, MissingDependencyError

VARIABLE = "SPIKEPROOF_DATA"
"""Environment variable that names the folder with the datasets."""

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset.

    Parameters
    ----------
    path : str
        Where it lies in a folder of datasets.
    sha256 : str or None
        Checksum of its content; None takes it as it is, where its makers name no checksum.
    url : str or None
        Official source; None if the file cannot be had from one as it is.
    """

    path: str
    sha256: str | None = None
    url: str | None = None

    def find(self) -> Path:
        """Return a local copy whose checksum is right, downloaded if need be.

        It is looked for in the folder that ``SPIKEPROOF_DATA`` names, then in ``../shared/data`` beside the project,
        then downloaded to the user's cache.

        Raises
        ------
        InputError
            None of the three has it, or a copy is damaged.
        MissingDependencyError
            A download needs pooch.
        """
        return self._local() or self._download()

    def _local(self) -> Path | None:
        for folder in _folders():
            found = folder / self.path
            if found.is_file():
                if self.sha256 is not None and hashlib.sha256(found.read_bytes()).hexdigest() != self.sha256:
                    raise InputError(f"{found}: the checksum is wrong; the file is damaged. Remove it, or fix it.")
                return found
        return None

    def _download(self) -> Path:
        tried = [f"{VARIABLE} is {os.environ.get(VARIABLE) or 'not set'}", "../shared/data has no such file"]
        if self.url is not None:
            try:
                import pooch
            except ImportError:
                raise MissingDependencyError("Downloading a dataset needs pooch: pip install pooch.") from None
            try:
                return Path(pooch.retrieve(self.url, f"sha256:{self.sha256}", path=pooch.os_cache("spikeproof")))
            except Exception as error:  # pooch passes on whatever its downloaders raise
                tried.append(f"{self.url} cannot be read ({error})")
        else:
            tried.append("it has no official source to download from")
        raise InputError(f"{self.path}: not found. {'; '.join(tried)}. Set {VARIABLE} to the folder that holds it.")


def find_one(first: DataFile, *others: DataFile) -> Path:
    """Return a local copy of the first file of some that is there; if none is, of the first one, as `DataFile.find`."""
    there = (file._local() for file in (first, *others))
    return next((path for path in there if path), None) or first.find()


def _folders() -> Iterator[Path]:
    if os.environ.get(VARIABLE):
        yield Path(os.environ[VARIABLE])
    yield _BESIDE
