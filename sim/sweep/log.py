"""The results of a sweep, a JSON object a line, written as they come.

The first line says what was asked, each further one what was found on some samples. A line counts once it ends: what
a killed run left of its last line is dropped when the file is opened again.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ...contract.errors import InputError
from ...export.quoted import quoted

_FORMAT = 1
_LONGEST = 2**26
"""Bytes of a log."""


class SweepLog:
    """A file of results, opened to go on with it.

    Parameters
    ----------
    path : Path
        The file; made if it is missing.
    asked : mapping
        What the sweep is about, plain values. A file that was begun with other values is refused.

    Attributes
    ----------
    found : list of dict
        The results that the file held when it was opened.

    Raises
    ------
    InputError
        The file is no log of this sweep, or cannot be written.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path = path
        self._results = 0
        first = {"spikeproof_sweep": _FORMAT, **asked}
        self._refuse_odd()
        try:
            self._stream = open(path, "a+b")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}). Name another --results file.") from None
        try:
            self._lock()
            self.found = self._read(first)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> SweepLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not self._results:  # nothing was found: leave no file that says so
            self.path.unlink(missing_ok=True)
        self._stream.close()

    def append(self, result: Mapping[str, Any]) -> None:
        """Add a result; it is on the disk when this returns."""
        self._results += 1
        self._write(result)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _refuse_odd(self) -> None:
        """Refuse what is no file, which could block, and a file that no sweep can have written."""
        try:
            found = self.path.stat()
        except (OSError, ValueError):
            return  # it is made, or opening it says why not
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{self.path}: a folder, a pipe or a device. Name another --results file.")
        if found.st_size > _LONGEST:
            raise InputError(
                f"{self.path}: {found.st_size} bytes; at most {_LONGEST} are read. Name another --results file."
            )

    def _lock(self) -> None:
        """Keep other runs from the file; the lock ends with this process, however it ends."""
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{self.path}: another run writes to it. Wait for it, or name another --results."
            ) from None

    def _read(self, first: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._stream.seek(0)
        data = self._stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        begun = whole.splitlines()
        if not begun and not json.dumps(first, separators=(",", ":")).encode().startswith(data[:64]):
            raise InputError(f"{self.path}: not a log of a sweep. Name another --results file.")
        if not begun:
            self._stream.truncate(0)  # what is left of the first line
            self._write(first)
            return []
        if b"spikeproof_sweep" not in begun[0]:
            raise InputError(f"{self.path}: not a log of a sweep. Name another --results file.")
        rows = [self._parse(line, number) for number, line in enumerate(begun, start=1)]
        for key, value in first.items():
            if rows[0].get(key) != value:
                raise InputError(
                    f"{self.path}: holds results for another {key} ({quoted(rows[0].get(key))}, now {quoted(value)}). "
                    "Name another --results file, or remove this one."
                )
        for number, row in enumerate(rows[1:], start=2):
            if not _is_result(row):
                raise self._damaged(number)
        self._stream.truncate(len(whole))  # a line that was begun, of a log that is one of ours
        self._results = len(rows) - 1
        return rows[1:]

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise self._damaged(number)
        return row

    def _damaged(self, number: int) -> InputError:
        return InputError(f"{self.path}: line {number} is damaged. Remove that line, or name another --results file.")


def _is_result(row: Mapping[str, Any]) -> bool:
    """Whether a line holds the fields of a result, of their types."""
    samples, output, why = row.get("samples"), row.get("output"), row.get("diagnosis", 0)
    return (
        isinstance(samples, list)
        and all(type(sample) is int for sample in samples)
        and isinstance(row.get("comparison"), dict)
        and (why is None or isinstance(why, dict))
        and isinstance(output, list)
        and len(output) == 2
    )
