"""Tidy tables of plots and dates, for pandas, CSV and Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# The columns of a row before its values.
_FIRST = ("id", "line", "time")


@dataclass(frozen=True)
class LineRows:
    """The rows of one line at some places.

    Parameters
    ----------
    told
        A row for each place or pixel: number of the place, and further columns.
    values
        By name, each shaped (rows, bands), or (rows,) of a variable without wavelengths.
    wavelengths
        Wavelengths of the bands, nm; None for a variable without wavelengths.
    asked
        The given wavelength of each band, nm; None if all bands are read.
    """

    told: pd.DataFrame
    values: Mapping[str, NDArray[Any]]
    wavelengths: NDArray[np.float64] | None
    asked: Sequence[float] | None = None

    def long(self) -> pd.DataFrame:
        """Return a row for each place and band."""
        if self.wavelengths is None:
            return self.told.assign(**self.values)
        rows, bands = len(self.told), self.wavelengths.size
        table = self.told.take(np.repeat(np.arange(rows), bands)).reset_index(drop=True)
        return table.assign(
            wavelength=np.tile(self.wavelengths, rows),
            **{name: values.ravel() for name, values in self.values.items()},
        )

    def wide(self) -> pd.DataFrame:
        """Return a row for each place, with a column for each band, named by the given wavelength or its own."""
        if self.wavelengths is None:
            return self.long()
        (values,) = self.values.values()
        names = (
            [f"{nm:.2f}" for nm in self.wavelengths]
            if self.asked is None
            # The same for all lines, even if their nearest bands differ.
            else [f"{float(nm):g}" for nm in self.asked]
        )
        bands = pd.DataFrame(values, columns=names, index=self.told.index)
        return pd.concat([self.told, bands], axis=1)


def build_table(
    parts: Sequence[LineRows], ids: NDArray[Any], columns: Sequence[str], *, wide: bool
) -> pd.DataFrame:
    """Return the table of all lines, sorted by places, times and pixels.

    Parameters
    ----------
    parts
        Rows of each line, with ``place``, the number of a place.
    ids
        Names of the places.
    columns
        Columns of a table without rows.
    wide
        Whether bands are columns.
    """
    # Without rows, pandas would give the columns no type.
    shown = [part for part in parts if len(part.told)]
    tables = [part.wide() if wide else part.long() for part in shown]
    if not tables:
        return pd.DataFrame(columns=[*_FIRST, *columns])
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values(["place", "time", "line"], kind="stable", ignore_index=True)
    table.insert(0, "id", ids[table["place"]])
    return table.drop(columns="place")
