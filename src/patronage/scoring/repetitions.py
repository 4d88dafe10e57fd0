"""Customers met before, found by hashes of their ids: 8 bytes each, however long an id is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

LONG_BYTES = 64
"""Longer ids are hashed one by one, so that a single endless one does not hold up all others."""

_SEED = np.uint64(0x9E3779B97F4A7C15)
_WORD = np.dtype("<u8")
_FIRST_BYTES = np.array([(1 << 8 * n_bytes) - 1 for n_bytes in range(_WORD.itemsize + 1)], dtype=np.uint64)
"""Keeps so many bytes of a word."""


class KnownCustomers:
    """Customers met so far, by 64-bit hashes: 8 bytes each, up to twice as much while they are sorted.

    Two of n customers share a hash with probability n²/2⁶⁵: 3 in a million for 10 million customers. The later one
    would then be set aside as a repetition, in plain sight.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def repeated(self, hashes: np.ndarray) -> np.ndarray:
        """Tell which customers were met before, here or in an earlier call, and remember all of them.

        Parameters
        ----------
        hashes : ndarray of shape (n_customers,), uint64
            As `hashed` gives them.

        Returns
        -------
        ndarray of shape (n_customers,), bool
        """
        ordered = np.sort(hashes)
        met = self._met(ordered)
        again = np.zeros(len(hashes), dtype=bool)
        if met.any():
            # Only now does it matter which row a hash belongs to, and which of the same customers comes first.
            again[np.argsort(hashes, kind="stable")] = met
            ordered = ordered[~met]
        if len(ordered):
            self._runs.append(ordered)
        # Runs at least halve from one to the next, so there are few to look into.
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")
            self._runs.append(merged)
        return again

    def _met(self, ordered: np.ndarray) -> np.ndarray:
        met = np.zeros(len(ordered), dtype=bool)
        met[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            # Looking up in order touches memory in order.
            at = np.searchsorted(run, ordered)
            at[at == len(run)] = 0
            met |= run[at] == ordered
        return met


def hashed(ids: pa.Array) -> np.ndarray:
    """64-bit hashes of texts, read from Arrow's memory eight bytes at a time, without a Python object for each.

    A text's words are mixed in one after the other, each time with a function that gives every 64-bit number another
    one and changes half of the bits if one of its bits changes; its length comes first. Texts of one length up to
    eight bytes therefore never share a hash, and others do so by chance alone.

    Parameters
    ----------
    ids : Arrow array of length n_customers, string
        Empty values get some hash.

    Returns
    -------
    ndarray of shape (n_customers,), uint64

    References
    ----------
    The mixing function is the one of Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators,
    OOPSLA, as in SplitMix64.
    """
    _, offsets, data = ids.buffers()
    ends = np.frombuffer(offsets, np.int32, len(ids) + 1, ids.offset * 4).astype(np.int64)
    n_bytes = int(ends[-1] - ends[0])
    held = np.zeros(n_bytes + _WORD.itemsize, dtype=np.uint8)
    if n_bytes:
        held[:n_bytes] = np.frombuffer(data, np.uint8, n_bytes, ends[0])
    # The word that begins at each byte.
    words: np.ndarray = np.ndarray((n_bytes + 1,), _WORD, held.data, strides=(1,))
    at, left = ends[:-1] - ends[0], np.diff(ends)
    long = left > LONG_BYTES
    hashes = _mixed(left.astype(np.uint64) + _SEED)
    for _ in range(-(-int(left[~long].max(initial=0)) // _WORD.itemsize)):
        word = words[np.minimum(at, n_bytes)] & _FIRST_BYTES[np.clip(left, 0, _WORD.itemsize)]
        hashes = np.where(left > 0, _mixed(hashes ^ word), hashes)
        at += _WORD.itemsize
        left -= _WORD.itemsize
    if long.any():
        texts = ids.filter(pa.array(long)).to_numpy(zero_copy_only=False)
        hashes[long] = pd.util.hash_array(texts, categorize=False)
    return hashes


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
