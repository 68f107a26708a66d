"""Every error that spikeproof raises on purpose.

A message says what is wrong, where, and how to fix it. The command line prints the message of a
`SpikeproofError` without a traceback and exits with its `exit_code`: 2 for bad input or usage, 1 for
a run that failed.
"""

from __future__ import annotations


class SpikeproofError(Exception):
    """Base of all errors of the toolkit."""

    exit_code = 2


class RecordError(SpikeproofError, ValueError):
    """A network record holds a value that the integer contract cannot represent."""


class FileFormatError(SpikeproofError, ValueError):
    """A file is not what it should be: unreadable, truncated, foreign, or of another schema version."""


class UnsupportedError(SpikeproofError, ValueError):
    """A network or an option cannot be made exact, so it is refused before anything is written."""


class InputError(SpikeproofError, ValueError):
    """Input data do not fit the network: shape, dtype or range."""


class BackendError(SpikeproofError, RuntimeError):
    """A simulation failed, or did not end by its deadline."""

    exit_code = 1


class MissingDependencyError(SpikeproofError, ImportError):
    """A library that this operation needs is not installed, or does not work."""


class InterruptedRunError(SpikeproofError):
    """A training run was ended by a signal; what it has reached is kept."""

    exit_code = 1


class DivergedError(SpikeproofError, ArithmeticError):
    """Training has left the numbers: its loss or a parameter is nan or infinite."""

    exit_code = 1


class LintWarning(UserWarning):
    """Something of a network would be lost, or compute another thing than was trained, unless someone acts."""
