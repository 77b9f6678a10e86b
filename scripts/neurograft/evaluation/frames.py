"""What is computed with pandas, which has no types; apart, so that every other module here is checked strictly.

Each function takes and returns typed values. pandas sums with compensation, so another way to the same means would
change their last digits.
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
    """Mean value of each patient under each key, NaN where there is none.

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
    """Average the values of each patient under each key.

    Parameters
    ----------
    rows : iterable of dict
        `patient`, `value`, and the fields that make the key.
    names : sequence of str
        Those fields.

    Returns
    -------
    Pivot
        Patients and the values of each field in the order of their first appearance, without those that have NaN
        alone.
    """
    frame = _frame(rows, ["patient", *names, "value"])
    wide = frame.pivot_table(index="patient", columns=list(names), values="value", sort=False)
    return Pivot(list(wide.index), {tuple(key): wide[key].to_numpy(float) for key in wide.columns})


def average_patients(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Average the values of each patient, in the order of their names."""
    return _frame(rows, ["patient", "value"]).groupby("patient")["value"].mean().to_dict()


def average_columns(columns: Sequence[Floats]) -> Floats:
    """Average several columns of a pivot patient by patient, without those that are NaN."""
    frame: Any = pd.DataFrame(np.stack(columns))
    return frame.groupby(np.zeros(len(columns), int)).mean().to_numpy(float)[0]


def average_rolling(values: Sequence[float], window: int) -> Floats:
    """Average each value with those before it, `window` in all; NaN where there are fewer."""
    series: Any = pd.Series(values, dtype=float)
    return series.rolling(window).mean().to_numpy()


def parse_values(values: Sequence[Any]) -> Floats:
    """Parse numbers that may be text, NaN for what is none.

    pandas reads some text up to 1e-12 of the number beside what Python's `float` reads.
    """
    return cast(Any, pd).to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(float)


def _frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Make a data frame of some columns of a table."""
    table = list(rows)
    return pd.DataFrame({name: [row[name] for row in table] for name in columns})
