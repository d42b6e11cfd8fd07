"""Tables of plots and dates: what each line shows at each place, tidy, for pandas, CSV and Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# What a row tells before its values.
_FIRST = ("id", "line", "time")


@dataclass(frozen=True)
class LineRows:
    """What one line shows at some places.

    Parameters
    ----------
    told
        A row for each place or pixel: number of the place, and whatever else is known of it.
    values
        By name, each shaped (rows, bands), or (rows,) of a variable without wavelengths.
    wavelengths
        Of the bands, nm; None of a variable without.
    asked
        The wavelengths that were asked for, nm, of each band; None where all bands were.
    """

    told: pd.DataFrame
    values: Mapping[str, NDArray[Any]]
    wavelengths: NDArray[np.float64] | None
    asked: Sequence[float] | None = None

    def long(self) -> pd.DataFrame:
        """A row for each place and band."""
        if self.wavelengths is None:
            return self.told.assign(**self.values)
        rows, bands = len(self.told), self.wavelengths.size
        table = self.told.take(np.repeat(np.arange(rows), bands)).reset_index(drop=True)
        return table.assign(
            wavelength=np.tile(self.wavelengths, rows),
            **{name: values.ravel() for name, values in self.values.items()},
        )

    def wide(self) -> pd.DataFrame:
        """A row for each place; of each band a column, by the wavelength that was asked for or its own."""
        if self.wavelengths is None:
            return self.long()
        (values,) = self.values.values()
        names = (
            [f"{nm:.2f}" for nm in self.wavelengths]
            if self.asked is None
            # Also where lines have other bands nearest to it.
            else [f"{nm:g}" for nm in self.asked]
        )
        bands = pd.DataFrame(values, columns=names, index=self.told.index)
        return pd.concat([self.told, bands], axis=1)


def build_table(
    parts: Sequence[LineRows], ids: NDArray[Any], columns: Sequence[str], *, wide: bool
) -> pd.DataFrame:
    """The table of all lines: in the order of places, of times, and of pixels.

    Parameters
    ----------
    parts
        Of each line. Their rows tell ``place``, the number of a place.
    ids
        Names of the places.
    columns
        What the table has also where no line shows anything.
    wide
        Whether bands are columns.
    """
    # Of nothing, pandas takes columns of no type.
    shown = [part for part in parts if len(part.told)]
    tables = [part.wide() if wide else part.long() for part in shown]
    if not tables:
        return pd.DataFrame(columns=[*_FIRST, *columns])
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values(["place", "time", "line"], kind="stable", ignore_index=True)
    table.insert(0, "id", ids[table["place"]])
    return table.drop(columns="place")
