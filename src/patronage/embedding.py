"""UMAP: a map of the customers on which clusterers find groups; nobody is ever scored in it.

Its ``transform`` gives a row other coordinates when other rows come along, and its fitted state is no plain arrays. So
an embedding is thrown away once the segments are found, and a typing tool places customers in the space that it was
made from (see `assigners.typing_tool`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from patronage.errors import InvalidConfigError


@dataclass(frozen=True)
class Embedding:
    """How points are laid out.

    Attributes
    ----------
    n_neighbors : int, default 30
        Customers that count as a customer's surroundings. Raising it shows the coarse layout, lowering it the details.
    n_components : int, default 5
        Dimensions of the map. Two are for looking at; a few more tear fewer groups apart.
    min_dist : float in [0, 1], default 0
        Least distance in the map. Raising it spreads groups out, which helps the eye and hurts density clusterers.
    n_epochs : int, default 200
        Steps of the layout. Raising it is slower and sharpens the groups.

    References
    ----------
    McInnes, Healy & Melville (2018), UMAP: Uniform Manifold Approximation and Projection, arXiv:1802.03426.
    """

    n_neighbors: int = 30
    n_components: int = 5
    min_dist: float = 0.0
    n_epochs: int = 200

    def __post_init__(self) -> None:
        """Check the declaration."""
        for name, least in (("n_neighbors", 2), ("n_components", 1), ("n_epochs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidConfigError(f"embedding: {name} must be a whole number from {least} on; got {value!r}.")
        if not isinstance(self.min_dist, int | float) or not 0 <= self.min_dist <= 1:
            raise InvalidConfigError(f"embedding: min_dist must be in [0, 1]; got {self.min_dist!r}.")

    def embed(self, space: np.ndarray, seed: int) -> np.ndarray:
        """Lay out points of shape (n_customers, n_dimensions).

        The caller limits native threads to one. With that and a seed the layout is the same everywhere.

        Returns
        -------
        ndarray of shape (n_customers, n_components), float64

        Raises
        ------
        ValueError
            There are too few points, or too few distinct ones, for this many neighbours and dimensions.
        """
        # Fewer cannot have so many neighbours; and UMAP begins with as many eigenvectors as dimensions, and two more.
        needed = max(self.n_neighbors, self.n_components + 2) + 1
        if len(space) < needed:
            raise ValueError(f"an embedding with these options needs {needed} customers, {len(space)} given")
        if (n_distinct := len(np.unique(space, axis=0))) < needed:
            raise ValueError(f"an embedding with these options needs {needed} distinct points, {n_distinct} given")
        with warnings.catch_warnings():
            # UMAP tells of graphs in several pieces and of random starts. Both are in order here: what they do to the
            # segments shows in their stability.
            warnings.simplefilter("ignore")
            import umap  # noqa: PLC0415 - takes seconds, and few trainings need it

            layout = umap.UMAP(
                n_neighbors=self.n_neighbors,
                n_components=self.n_components,
                min_dist=float(self.min_dist),
                n_epochs=self.n_epochs,
                random_state=seed % 2**32,
                n_jobs=1,
            ).fit_transform(space)
        found = np.ascontiguousarray(layout, dtype=float)
        if not np.isfinite(found).all():
            raise ValueError("the embedding left some customers without a place")
        return found
