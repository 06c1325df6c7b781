"""The rows that models are fitted to and tried on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Some rows as stage split writes them.

    In `table` the features have a column each, and the last column is the target: texts are classes,
    numbers are those of a regression. The index has the group or the time of each row and is called
    `group` or `time`, if prepare.group or prepare.time names a column for it.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def features(self) -> pd.DataFrame:
        return self.table.iloc[:, :-1]

    @property
    def target(self) -> pd.Series:
        return self.table.iloc[:, -1]

    @property
    def key(self) -> pd.Index:
        """The group or the time of each row, if there is one."""
        return self.table.index

    @property
    def by(self) -> str:
        """What no split may tear apart: `group`, `time`, or nothing."""
        return self.table.index.name or ""

    @property
    def is_classification(self) -> bool:
        return not pd.api.types.is_float_dtype(self.target)

    def take(self, positions: np.ndarray) -> "Rows":
        return Rows(self.table.iloc[positions])
