"""Find rows that repeat others in a table that comes in parts."""

import numpy as np
import pandas as pd
import pyarrow as pa

# Sorted hashes are merged up to so many: more would take memory twice meanwhile.
MERGED = 2**23


class Duplicates:
    """Remembers rows by a hash of 64 bits: among ten million, one in a million tables has two
    different rows of one hash.
    """

    def __init__(self) -> None:
        # Sorted; as long as they are merged, each is longer than twice the next.
        self._known: list[np.ndarray] = []
        # Which hashes there are by 29 of their bits, eight in a byte: most new rows need no search.
        self._bits = np.zeros(2**26, dtype=np.uint8)

    def find(self, rows: pd.DataFrame) -> np.ndarray:
        """Return which rows repeat one before them, in this part or an earlier one."""
        hashes = hash_rows(rows)
        repeated = pd.Series(hashes).duplicated().to_numpy(copy=True)
        cells = (hashes // 8 % len(self._bits)).astype(np.intp)
        bits = np.left_shift(1, (hashes & 7).astype(np.uint8), dtype=np.uint8)
        perhaps = np.flatnonzero(self._bits[cells] & bits)
        for known in self._known:
            places = np.searchsorted(known, hashes[perhaps])
            found = known[np.minimum(places, len(known) - 1)] == hashes[perhaps]
            repeated[perhaps[found]] = True
        np.bitwise_or.at(self._bits, cells, bits)
        new = np.sort(hashes[~repeated])
        while self._known and len(self._known[-1]) < min(2 * len(new), MERGED - len(new)):
            new = np.concatenate([self._known.pop(), new])
            new.sort(kind="stable")
        if len(new):
            self._known.append(new)
        return repeated


def hash_rows(rows: pd.DataFrame) -> np.ndarray:
    """Return a number for each row, the same for the same values."""
    hashes = np.zeros(len(rows), dtype=np.uint64)
    for name in rows:
        column = rows[name]
        if column.dtype == "str":
            # Each different text once, and a gap as none
            encoded = pa.array(column, pa.large_string()).dictionary_encode()
            texts = encoded.dictionary.to_numpy(zero_copy_only=False)
            known = np.append(pd.util.hash_array(texts, categorize=False), np.uint64(0))
            one = known[encoded.indices.fill_null(len(texts)).to_numpy()]
        else:
            one = pd.util.hash_array(column.to_numpy())
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + one
    return hashes
