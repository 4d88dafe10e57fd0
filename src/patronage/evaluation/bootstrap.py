"""R² of forecasts in bootstrap draws of customers, at a memory that does not grow with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

N_BOOTSTRAP = 1000
LEVEL = 0.90
N_BLOCKS = 4_000
"""With more customers than these, whole blocks of customers are drawn, so that memory does not grow with them."""


@dataclass(frozen=True)
class Bootstrap:
    """Draws of customers with replacement: how often each block of customers was drawn.

    Up to ``N_BLOCKS`` customers each is a block of its own: the ordinary bootstrap. More are dealt out at random into
    ``N_BLOCKS`` blocks of equal size, which are drawn instead. As the blocks were made by chance, their sums vary as
    sums of customers drawn one by one do, and what is drawn from are sums: the interval is the same up to noise.

    Attributes
    ----------
    counts : ndarray of shape (n_bootstrap, n_blocks)
    block : ndarray of shape (n_rows,), int
        The block of each customer.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap. Politis, Romano & Wolf (1999), Subsampling, on blocks.
    """

    counts: np.ndarray
    block: np.ndarray

    @classmethod
    def draw(cls, n_rows: int, rng: np.random.Generator, n_draws: int = N_BOOTSTRAP, n_blocks: int = N_BLOCKS) -> Self:
        """Draw from ``n_rows`` customers; memory is at most n_draws × n_blocks numbers."""
        n = max(min(n_rows, n_blocks), 1)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=n_draws).astype(float)
        block = np.arange(n_rows) if n_rows <= n_blocks else rng.permutation(n_rows) % n_blocks
        return cls(counts, block)

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """Sum of each of the columns, of shape (n_rows, n_columns), in every draw."""
        if len(self.block) > self.counts.shape[1]:
            n_blocks = self.counts.shape[1]
            columns = np.column_stack([np.bincount(self.block, weights=one, minlength=n_blocks) for one in columns.T])
        return np.asarray(self.counts @ columns)


def r_squared(errors: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """1 − Σ error / Σ (y − ȳ)² per column; 0 where the outcome does not vary."""
    if not len(targets):
        return np.zeros(targets.shape[1])
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    return _explained(errors.sum(axis=0), total, (targets**2).sum(axis=0))


def r_squared_draws(targets: np.ndarray, draws: Bootstrap, *errors: np.ndarray) -> list[np.ndarray]:
    """R² of each forecast, by its squared errors, in every bootstrap draw.

    Returns
    -------
    list of ndarray of shape (n_bootstrap, n_outcomes)
        One per array of errors; all from a single product with the draws, which is what takes the time.
    """
    centred = targets - targets.mean(axis=0) if len(targets) else targets
    columns = [np.ones((len(targets), 1)), centred, centred**2, targets**2, *errors]
    size, shift, squares, scale, *error = np.split(
        draws.sums(np.hstack(columns)), np.cumsum([one.shape[1] for one in columns])[:-1], axis=1
    )
    total = squares - shift**2 / np.maximum(size, 1)
    return [_explained(one, total, scale + squares) for one in error]


def _explained(error: np.ndarray, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """1 − error / total, or 0 where the total is no more than the rounding of numbers of this scale."""
    return 1 - np.divide(error, total, out=np.ones_like(total), where=total > 1e-12 * scale)
