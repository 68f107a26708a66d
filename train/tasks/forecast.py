"""Forecasts of multivariate time series."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError, InputError
from ...export import members
from .data import DataFile, find_one
from .objectives import forecast
from .task import Options, Split, Task

Rows = npt.NDArray[np.float32]
"""A time series: a row a step, a column a variable."""

_SOURCE = "https://raw.githubusercontent.com/"
_ETT = _SOURCE + "zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small/"
_EXCHANGE = _SOURCE + "laiguokun/multivariate-time-series-data/7f402f185cc2435b5e66aed13a3b560ed142e023/exchange_rate/"


class _Series(NamedTuple):
    """Where a series is found, and what is customary with it."""

    files: tuple[DataFile, ...]
    """The first that is found is read."""
    read: Callable[[Path], Rows]
    scale: Literal["z-score", "one z-score", "maximum", "one maximum"]
    """What values are divided by, after their mean was taken off or not: each variable's own, or one of all."""
    ratios: tuple[float, float] | None
    """Shares of the windows that are trained on and tested with; None divides as is usual for ETT."""


def load(options: Options) -> Task:
    """Return windows of a time series, and the steps after them.

    Inputs have a channel a variable and a step a row of the series. Labels are the `horizon` rows after the window, a
    row's variables side by side. Both are normalised, ``metr-la`` to ``electricity`` as the authors of CPG-PE do it.
    The statistics are those of the rows that training windows and their labels cover, or with ``normalise = "leaking"``
    those of all rows, as the authors have it.

    Parts follow each other in time. ETTh1 and ETTh2 are divided as is usual for them, by rows: 12, 4 and 4 months of 30
    days, where windows of a part may begin in the part before it and labels may not. All others are divided as the
    authors of CPG-PE do, by windows: of the ``rows - window - horizon + 1`` windows the first share is trained on, the
    last is the test part, and validation takes what is between; there, windows on either side of a border share rows.

    The series: ``etth1`` and ``etth2`` (7 variables, hourly), ``exchange`` (8, daily), ``los`` (207, five minutes; one
    week of METR-LA with its gaps filled in, so its figures are not METR-LA's), ``metr-la`` (207), ``pems-bay`` (325),
    ``solar`` (137, ten minutes) and ``electricity`` (321, hourly). The last four are read where a user has them, under
    the names of the authors' repository: ``metr-la.h5``, ``pems-bay.h5``, ``solar-energy/solar_AL.txt``,
    ``electricity/electricity.txt``. The time of day, which the authors add to the channels of METR-LA and PEMS-BAY, is
    not added.

    Raises
    ------
    InputError
        The series is too short for the window and the horizon, or its file is not what it should be.

    References
    ----------
    arXiv 2405.14362 and microsoft/SeqSNN, SeqSNN/dataset/tsforecast.py: windows, shares, normalisation. H. Zhou et al.,
    arXiv 2012.07436 (ETT). G. Lai et al., arXiv 1703.07015 (exchange, solar, electricity). Y. Li et al., arXiv
    1707.01926 (METR-LA, PEMS-BAY). L. Zhao et al., arXiv 1811.05320 (los).
    """
    series = _SERIES[options.name]
    rows = series.read(find_one(*series.files))
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError(f"{options.name}: its file does not hold a table of finite numbers. Fix it or fetch it again.")
    window, horizon = options.window, options.horizon
    divide = _months if series.ratios is None else _shares
    parts = divide(len(rows), window, horizon, series.ratios)
    if not all(parts):
        raise InputError(
            f"{options.name}: {len(rows)} rows are too few for window = {window} and horizon = {horizon}: training, "
            f"validation or test would have no window. Make them smaller."
        )
    seen = rows if options.normalise == "leaking" else rows[: parts[0].stop + window + horizon - 1]
    scaled = _scaled(rows, seen, series.scale)
    train, validation, test = (_windows(scaled, part, window, horizon) for part in parts)
    variables = rows.shape[1]
    return Task(options.name, horizon * variables, train, validation, test, forecast(variables))


def _shares(rows: int, window: int, horizon: int, ratios: Any) -> tuple[range, range, range]:
    """Return the windows of the three parts, named by their first rows."""
    total = max(0, rows - window - horizon + 1)
    train, test = (int(share * total) for share in ratios)
    return range(train), range(train, total - test), range(total - test, total)


def _months(rows: int, window: int, horizon: int, _: Any) -> tuple[range, range, range]:
    """Return the same for 12, 4 and 4 months of 30 days, whose labels do not overlap."""
    ends = [24 * 30 * months for months in (12, 16, 20)]
    ends = [min(end, rows) for end in ends]
    train, validation, test = (end - window - horizon + 1 for end in ends)
    return range(train), range(ends[0] - window, validation), range(ends[1] - window, test)


def _scaled(rows: Rows, seen: Rows, scale: str) -> Rows:
    """Return the series normalised by the statistics of some of its rows, in float64 until the end."""
    axis = None if scale.startswith("one") else 0
    wide = seen.astype(np.float64)
    if scale.endswith("z-score"):
        middle, width = wide.mean(axis), wide.std(axis)
    else:
        middle, width = np.float64(0), np.abs(wide).max(axis)
    width = np.where(width > 0, width, 1)  # a variable that never changes
    return ((rows - middle) / width).astype(np.float32)


def _windows(rows: Rows, part: range, window: int, horizon: int) -> Split:
    """Return a part's windows and labels as views of the series: copies of a long one would not fit in memory."""
    some = np.ascontiguousarray(rows[part.start : part.stop + window + horizon - 1])
    views = np.lib.stride_tricks.sliding_window_view
    x = views(some[:-horizon], window, axis=0, writeable=True)  # torch warns of what cannot be written
    variables = rows.shape[1]
    y = views(some[window:].reshape(-1), horizon * variables, writeable=True)[::variables]
    return Split(x, y)


def _etth(path: Path) -> Rows:
    return _numbers(path, skiprows=1, usecols=range(1, 8))


def _los(path: Path) -> Rows:
    return _numbers(path, skiprows=1)


def _numbers(path: Path, **layout: Any) -> Rows:
    """Return a table of comma-separated numbers, gzipped or not."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    try:
        with opened as file:
            return np.loadtxt(file, np.float32, delimiter=",", ndmin=2, **layout)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a table of comma-separated numbers ({error}).") from None


_BLOCK = "block0_values"


def _frame(path: Path) -> Rows:
    """Return the one block of numbers of a pandas table in HDF5, without pandas and its pickles."""
    try:
        with members.opened(path, fix="Fetch it again, or write the table anew.") as file:
            found = [members.member(file, name, h5py.HLObject) for name in members.names(file)]
            tables = [group for group in found if isinstance(group, h5py.Group) and _BLOCK in group]
            if len(tables) != 1:
                raise FileFormatError(f"not a pandas table of one block of numbers: no group has one {_BLOCK!r}.")
            return members.numbers(tables[0], _BLOCK).astype(np.float32)
    except FileFormatError as error:
        raise InputError(str(error)) from None


def _held(name: str, sha256: str, source: str | None = None) -> tuple[DataFile]:
    return (DataFile(f"timeseries/{name}", sha256, source and source + name),)


def _users(*paths: str) -> tuple[DataFile, ...]:
    """Return files that only a user has; their makers name no checksum."""
    return tuple(DataFile(path) for path in paths)


def _archive(folder: str, name: str) -> tuple[DataFile, ...]:
    return _users(*(f"{place}{name}.txt{end}" for place in (f"{folder}/", "") for end in ("", ".gz")))


_SERIES = {
    "etth1": _Series(
        _held("ETTh1.csv", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", _ETT),
        _etth,
        "z-score",
        None,
    ),
    "etth2": _Series(
        _held("ETTh2.csv", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b", _ETT),
        _etth,
        "z-score",
        None,
    ),
    "exchange": _Series(
        _held("exchange_rate.txt.gz", "6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d", _EXCHANGE),
        _numbers,
        "z-score",
        (0.6, 0.2),
    ),
    "los": _Series(
        _held("los_speed.csv", "7b732d86ae32b2930595becba28aff39dacbfb2197e250fc0332e1744ce2cbf4"),
        _los,
        "maximum",
        (0.7, 0.1),
    ),
    "metr-la": _Series(_users("metr-la.h5"), _frame, "maximum", (0.7, 0.1)),
    "pems-bay": _Series(_users("pems-bay.h5"), _frame, "maximum", (0.7, 0.1)),
    "solar": _Series(_archive("solar-energy", "solar_AL"), _numbers, "one maximum", (0.6, 0.2)),
    "electricity": _Series(_archive("electricity", "electricity"), _numbers, "one z-score", (0.6, 0.2)),
}
