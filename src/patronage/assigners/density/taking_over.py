"""What a fitted HDBSCAN knows, as the arrays of a density assigner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from patronage.assigners import UNASSIGNED

if TYPE_CHECKING:
    import hdbscan


def arrays_of(fitted: hdbscan.HDBSCAN) -> dict[str, np.ndarray]:
    """Points, their labels, and the condensed tree with the clusters that were selected.

    Parameters
    ----------
    fitted : hdbscan.HDBSCAN
        Fitted with ``prediction_data=True`` and the Euclidean metric.

    Returns
    -------
    dict of str to ndarray
        Arguments of `DensityAssigner`: all but its options.

    Raises
    ------
    ValueError
        If the metric is another one, or there is no prediction data.

    Notes
    -----
    ``hdbscan.approximate_predict`` (0.8.44) guesses which clusters were selected: of the clusters that a
    label's points left, the lowest number. Where a selected cluster split before any labelled point left
    it on its own (common where distances are tied, as between counts), that is one of its children: rows
    of the other child become noise, and labels may be permuted against ``labels_``. A cluster inside
    another selected one, which ``cluster_selection_epsilon`` can leave, loses its label. Here the
    clusters follow from ``labels_``: the lowest common ancestor of those that the label's points left,
    which is the same one in every other case. Only the root, which ``allow_single_cluster`` can select,
    leaves the label to its children where no labelled point left it on its own. With an epsilon as well, the clusterer
    calls those of its points noise that left below 1 / epsilon; neither way of placing rows does so.

    A tree that never splits places nobody, as in ``approximate_predict``, even where
    ``allow_single_cluster`` made a segment of its root.
    """
    if fitted.metric not in {"euclidean", "l2"}:
        raise ValueError(f"DensityAssigner measures Euclidean distances, got an HDBSCAN with metric={fitted.metric!r}")
    try:
        prediction = fitted.prediction_data_
    except AttributeError as error:
        raise ValueError(
            "DensityAssigner needs an HDBSCAN with prediction data: fit it with prediction_data=True"
        ) from error

    tree = fitted.condensed_tree_.to_numpy()
    root = tree["parent"].min()
    tree["parent"] -= root
    n_points, n_clusters = len(prediction.raw_data), tree["parent"].max() + 1
    # Clusters are numbered from the root on, training points below it.
    of_points, of_clusters = tree[tree["child"] < root], tree[tree["child"] >= root]

    point_cluster, point_lambda = np.full(n_points, -1), np.zeros(n_points)
    point_cluster[of_points["child"]] = of_points["parent"]
    point_lambda[of_points["child"]] = of_points["lambda_val"]

    cluster_parent, cluster_lambda = np.full(n_clusters, -1), np.zeros(n_clusters)
    cluster_parent[of_clusters["child"] - root] = of_clusters["parent"]
    cluster_lambda[of_clusters["child"] - root] = of_clusters["lambda_val"]

    max_lambda = np.zeros(n_clusters)
    np.maximum.at(max_lambda, tree["parent"], tree["lambda_val"])
    cluster_label, cluster_max_lambda = _selected(fitted.labels_, point_cluster, cluster_parent, max_lambda)

    min_samples = fitted.min_cluster_size if fitted.min_samples is None else fitted.min_samples
    return {
        "points": prediction.raw_data,
        "core_distances": prediction.core_distances,
        "labels": fitted.labels_,
        "point_cluster": point_cluster,
        "point_lambda": point_lambda,
        "cluster_parent": cluster_parent,
        "cluster_lambda": cluster_lambda,
        "cluster_label": cluster_label,
        "cluster_max_lambda": cluster_max_lambda,
        "min_samples": np.array(min_samples),
    }


def _selected(
    labels: np.ndarray, point_cluster: np.ndarray, cluster_parent: np.ndarray, max_lambda: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Segment of every cluster, and the λ_max of the selected cluster that it lies in."""
    n_clusters = len(cluster_parent)
    cluster_label, cluster_max_lambda = np.full(n_clusters, UNASSIGNED), max_lambda.copy()
    if n_clusters > 1:
        for label in np.unique(labels[labels != UNASSIGNED]):
            left = np.unique(point_cluster[labels == label])
            selected = _lowest_common_ancestor(left, cluster_parent)
            top = [selected] if selected > 0 or 0 in left else np.flatnonzero(cluster_parent == selected)
            cluster_label[top] = label
            cluster_max_lambda[top] = cluster_max_lambda[selected]
    for cluster in range(1, n_clusters):  # parents come first: what is selected passes down
        parent = cluster_parent[cluster]
        if cluster_label[cluster] == UNASSIGNED and cluster_label[parent] != UNASSIGNED:
            cluster_label[cluster] = cluster_label[parent]
            cluster_max_lambda[cluster] = cluster_max_lambda[parent]
    return cluster_label, cluster_max_lambda


def _lowest_common_ancestor(clusters: np.ndarray, parent: np.ndarray) -> int:
    """Deepest cluster that is or lies above all ``clusters``; parents are numbered before their children."""
    found = set(clusters.tolist())
    while len(found) > 1:
        last = max(found)
        found.remove(last)
        found.add(int(parent[last]))
    return int(found.pop())
