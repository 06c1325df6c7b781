"""Find repeated rows in a table that is read in parts."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

# Sorted hashes are merged up to this number: merging more would double the memory.
MERGED = 2**23
# The start of text hashes, so that none equals a small number: the golden ratio's fraction
START = np.uint64(0x9E3779B97F4A7C15)
# Masks of the first bytes of eight, by number of bytes
BYTES = np.array([256**number - 1 for number in range(9)], dtype=np.uint64)


class Duplicates:
    """Remembers rows by a 64-bit hash: in three of a million tables of ten million rows, two
    different rows have the same hash.
    """

    def __init__(self) -> None:
        # Sorted; while they are merged, each is more than twice as long as the next.
        self._known: list[np.ndarray] = []
        # A bitmap of known hashes by 29 of their bits: most new rows need no search.
        self._bits = np.zeros(2**26, dtype=np.uint8)

    def find(self, rows: pd.DataFrame, drop: Collection[str] = ()) -> np.ndarray:
        """Return which rows repeat an earlier row, in this part or a previous one.

        The columns in `drop` are not compared.
        """
        hashes = hash_rows(rows, drop)
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


def hash_rows(rows: pd.DataFrame, drop: Collection[str] = ()) -> np.ndarray:
    """Return a number for each row, equal for equal values in all columns except `drop`."""
    hashes = np.full(len(rows), START)
    for name in rows:
        if name not in drop:
            hashes = mix(hashes ^ bits_of(rows[name]))
    return hashes


def bits_of(column: pd.Series) -> np.ndarray:
    """Return 64 bits for each value: those of a number or a time, or the hash of a text."""
    if column.dtype == "str":
        texts = pa.array(column, pa.large_string())
        parts = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
        return np.concatenate([hash_texts(part) for part in parts])
    values = column.to_numpy()
    if values.dtype == bool:
        values = values.astype(np.int64)
    elif values.dtype == float:
        values = values + 0.0  # -0.0 is 0.0
    return values.view(np.uint64)


def hash_texts(texts: pa.LargeStringArray) -> np.ndarray:
    """Return a number for each text, from its length and its bytes, and 0 for a gap."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    starts, lengths = ends[:-1] - ends[0], np.diff(ends)
    # Eight bytes from any position
    padded = np.zeros(ends[-1] - ends[0] + 8, np.uint8)
    padded[:-8] = np.frombuffer(content or b"", np.uint8)[ends[0] : ends[-1]]
    words = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))
    hashes = mix(lengths.astype(np.uint64) ^ START)
    rows, place = np.flatnonzero(lengths), 0
    while len(rows):
        left = lengths[rows] - place
        # Of the last eight bytes, only those of the text
        some = words[starts[rows] + place] & BYTES[np.minimum(left, 8)]
        hashes[rows] = mix(hashes[rows] ^ some)
        rows, place = rows[left > 8], place + 8
    hashes[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    return hashes


def mix(numbers: np.ndarray) -> np.ndarray:
    """Spread the bits of numbers over all 64, so that different ones stay different.

    As SplitMix64 does, see https://prng.di.unimi.it/splitmix64.c
    """
    numbers ^= np.right_shift(numbers, np.uint64(30))
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= np.right_shift(numbers, np.uint64(27))
    numbers *= np.uint64(0x94D049BB133111EB)
    numbers ^= np.right_shift(numbers, np.uint64(31))
    return numbers
