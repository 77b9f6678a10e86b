"""Computations with pandas, which has no types; a separate module so that all others here can be checked strictly.

Each function takes and returns typed values. pandas uses compensated summation, so other ways to compute the same
means would change their last digits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs] # pandas has none
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Key: TypeAlias = tuple[str, ...]
Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Pivot:
    """Mean value of each patient for each key; NaN if there is none.

    Attributes
    ----------
    patients : list of str
    columns : dict of tuple of str to ndarray, shape (patients,)
        Key to values.
    """

    patients: list[str]
    columns: dict[Key, Floats]


def group_rows(rows: Iterable[Row], names: Sequence[str]) -> dict[Key, list[Row]]:
    """Group rows by some of their fields, in the order of the first row of each group."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in names), []).append(row)
    return groups


def pivot_values(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Pivot:
    """Average the values of each patient for each key.

    Parameters
    ----------
    rows : iterable of dict
        `patient`, `value`, and the key fields.
    names : sequence of str
        The key fields.

    Returns
    -------
    Pivot
        Patients and field values in the order of their first appearance, without those that have only NaN.
    """
    frame = _frame(rows, ["patient", *names, "value"])
    wide = frame.pivot_table(index="patient", columns=list(names), values="value", sort=False)
    return Pivot(list(wide.index), {tuple(key): wide[key].to_numpy(float) for key in wide.columns})


def average_patients(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Average the values of each patient; patients are sorted by name."""
    return _frame(rows, ["patient", "value"]).groupby("patient")["value"].mean().to_dict()


def average_columns(columns: Sequence[Floats]) -> Floats:
    """Average several columns of a pivot for each patient, ignoring NaN."""
    frame: Any = pd.DataFrame(np.stack(columns))
    return frame.groupby(np.zeros(len(columns), int)).mean().to_numpy(float)[0]


def average_rolling(values: Sequence[float], window: int) -> Floats:
    """Compute the rolling mean of the last `window` values; NaN if there are fewer."""
    series: Any = pd.Series(values, dtype=float)
    return series.rolling(window).mean().to_numpy()


def parse_values(values: Sequence[Any]) -> Floats:
    """Parse numbers that may be text; anything else becomes NaN.

    For some text, the result of pandas differs from Python's `float` by up to 1e-12 of the number.
    """
    return cast(Any, pd).to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(float)


def _frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Make a data frame of some columns of a table."""
    table = list(rows)
    return pd.DataFrame({name: [row[name] for row in table] for name in columns})
