"""The rows that models are fitted to and scored on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Rows in the format of stage split.

    `table` has a column for each feature, and the target as the last column: text, integers or
    booleans for a classification, floating-point numbers for a regression. If prepare.group or
    prepare.time names a column, the index has the group or the time of each row, and is called
    `group` or `time`.
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
        """The key that the split respects: `group`, `time`, or ""."""
        return self.table.index.name or ""

    @property
    def is_classification(self) -> bool:
        return not pd.api.types.is_float_dtype(self.target)

    def take(self, positions: np.ndarray) -> "Rows":
        return Rows(self.table.iloc[positions])
