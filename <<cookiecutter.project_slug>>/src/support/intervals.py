"""How far the scores of a test would move if its rows were drawn anew: a seeded bootstrap.

Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13. Rows are drawn in blocks,
and all metrics are computed from sums over blocks, so that a million rows cost little more than a
thousand. Resampled scores vary too little if there are few blocks, and not at all if all rows are
right: `spread`, `share` and `add_doubt` correct this.
"""

from collections.abc import Iterable

from support.encoders import stretches
from support.metrics import (
    CLASSIFICATION,
    LOWER_IS_BETTER,
    MetricError,
    Predictions,
    apply_metric,
    load_metrics,
    losses,
    rates,
)
from support.plots import CLASSES, draw_rows

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

# The number of tests, out of 100, whose interval contains the true score
LEVEL = 95
ENDS = ("low", "high")
DRAWS = 1000
# Number of blocks in which a large test is drawn, and of periods for a split by time
BLOCKS = 500
STRETCHES = 30
# Quantiles that bin probabilities and errors, and the number of rows to compute them from
QUANTILES, SEEN = np.linspace(0, 1, 201), 10_000
# Of the rankings of many classes, fewer draws are ranked, and of more than MOST_CLASSES none.
FEW_DRAWS, MOST_CLASSES = 200, 100
# Number of calls of a user's metric, and of rows in each
OWN_DRAWS = 200
OWN_ROWS = 2000
# The minimum and the maximum of each metric
LIMITS = dict.fromkeys(CLASSIFICATION, (0, 1)) | dict.fromkeys(LOWER_IS_BETTER, (0, np.inf))
LIMITS["r2"] = (-np.inf, 1)
# Rows that are right, and as many that are wrong, that each draw adds on average
DOUBT = 2


def blocks_of(index: pd.Index) -> np.ndarray:
    """Return the number of each row's block; the rows of a block are drawn together.

    Blocks come from the key of the rows (see Rows): a group or a period.
    """
    if index.name == "group":
        return pd.factorize(index)[0] % BLOCKS
    if index.name == "time":
        return stretches(index, min(len(index), STRETCHES))
    # At random: rows may be in order of the target.
    return np.random.default_rng(1).permutation(len(index)) % BLOCKS


def draw_weights(blocks: int, draws: int = DRAWS) -> np.ndarray:
    """Return how often each block is drawn, one row per draw; the first row has each block once."""
    drawn = np.random.default_rng(0).integers(blocks, size=(draws, blocks))
    drawn += np.arange(draws)[:, None] * blocks
    weights = np.bincount(drawn.ravel(), minlength=draws * blocks).reshape(draws, blocks)
    return np.vstack([np.ones(blocks), weights])


class Sums:
    """Sums over the rows of each draw in `weights`; `blocks` has the block of each row."""

    def __init__(self, weights: np.ndarray, blocks: np.ndarray) -> None:
        self.weights, self.blocks = weights, blocks

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values`, one for each draw."""
        return self.weights @ np.bincount(self.blocks, values, self.weights.shape[1])

    def rows(self, codes: np.ndarray, number: int, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return how many (of the `chosen`) rows have each of `number` codes: (draws, number)."""
        cells = self.blocks * number + codes
        if chosen is not None:
            cells = cells[chosen]
        shape = self.weights.shape[1], number
        return self.weights @ np.bincount(cells, minlength=np.prod(shape)).reshape(shape)


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return increasing `values` with about equal numbers of rows between them."""
    some = values[:: max(len(values) // SEEN, 1)]
    return np.unique(np.quantile(some, QUANTILES, method="inverted_cdf"))


def resample_classes(
    sums: Sums, actual: pd.Series, predictions: Predictions
) -> dict[str, np.ndarray]:
    """Return each metric of a classification for each draw."""
    classes = pd.Index(predictions.classes)
    codes = classes.get_indexer(actual), classes.get_indexer(predictions.values)
    number = len(classes) + 1
    hits = sums.rows(codes[0] + 1, number, codes[0] == codes[1])
    predicted, occurring = (sums.rows(one + 1, number) for one in codes[::-1])
    drawn = rates(hits, predicted, occurring, positive=predictions.positive)
    weight = design_effect(drawn["accuracy"], actual)
    rows = hits, predicted, occurring
    means = rates(*add_doubt(*rows, DOUBT / len(classes), weight), positive=False)
    drawn |= {name: values for name, values in means.items() if name != "accuracy"}
    if predictions.positive:
        one = rates(*add_doubt(*rows, DOUBT, weight), positive=True)
        drawn |= {name: one[name] for name in ("precision", "recall", "f1")}
    if predictions.probabilities is None:
        return drawn
    total = occurring.sum(axis=1)
    for name, values in losses(codes[0], predictions.probabilities).items():
        drawn[name] = sums.of(values) / total
    if len(classes) <= MOST_CLASSES:
        ranked = range(1, 2) if len(classes) == 2 else range(len(classes))
        weight *= DOUBT / 4 / len(ranked)  # at either end, members and others
        # Each class takes as long as all other metrics.
        draws = 1 + (DRAWS if len(classes) <= CLASSES else FEW_DRAWS)
        few = Sums(sums.weights[:draws], sums.blocks)
        each = [
            resample_ranking(few, codes[0] == code, predictions.probabilities[:, code], weight)
            for code in ranked
        ]
        drawn["roc_auc"], drawn["average_precision"] = np.mean(each, axis=0)
    return drawn


def design_effect(accuracy: np.ndarray, actual: pd.Series) -> float:
    """Return how many rows of a group, or period, tell as much as a single row drawn by itself."""
    if not actual.index.name:
        return 1.0
    most = len(actual) / actual.index.nunique()
    alone = accuracy[0] * (1 - accuracy[0]) / len(actual)
    return float(np.clip(accuracy[1:].var() / alone, 1, most)) if alone > 0 else most


def add_doubt(
    hits: np.ndarray, predicted: np.ndarray, occurring: np.ndarray, rate: float, weight: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of rows by class with some rows added that are right, and some wrong.

    Each draw except the first adds `rate` of both on average, with the weight of `weight` rows, to
    each class that occurs. Without them, the scores of a class whose rows are all right would not
    vary (Agresti and Coull, Approximate is better than exact for interval estimation of binomial
    proportions, 1998).
    """
    added = np.random.default_rng(1).poisson(rate, (2, *hits.shape)) * weight
    # Not in the first draw, nor to unknown classes (the first column), nor to those without a row
    added[:, :1], added[:, :, :1] = 0, 0
    right, wrong = added * (occurring[:1] > 0)
    predicted = predicted + right
    predicted[:, 1:] += np.roll(wrong[:, 1:], 1, axis=1)
    return hits + right, predicted, occurring + right + wrong


def resample_ranking(
    sums: Sums, members: np.ndarray, scores: np.ndarray, rate: float = 0
) -> np.ndarray:
    """Return ROC AUC and average precision of one class against the rest: (2, draws).

    Scores between two quantiles, of the members or of the rest, count as equal. Each draw except
    the first adds `rate` members and others on average at either end, as add_doubt does.
    """
    if members.all() or not members.any():
        return np.full((2, len(sums.weights)), np.nan)
    parts = scores[members], scores[~members]
    edges = np.unique(np.concatenate([quantiles(part) for part in parts]))
    # The highest scores first
    bins = len(edges) - np.searchsorted(edges, scores, side="right")
    found, wrong = (sums.rows(bins, len(edges) + 1, one) for one in (members, ~members))
    doubt = np.random.default_rng(1).poisson(rate, (4, len(found) - 1))
    found[1:, 0] += doubt[0]
    found[1:, -1] += doubt[1]
    # Without the other rows that are added: one at the top would lower every precision.
    precision = found.cumsum(axis=1) / np.maximum((found + wrong).cumsum(axis=1), 1)
    wrong[1:, 0] += doubt[2]
    wrong[1:, -1] += doubt[3]
    with np.errstate(invalid="ignore"):
        true, false = (one / one.sum(axis=1, keepdims=True) for one in (found, wrong))
    area = (false * (true.cumsum(axis=1) - true / 2)).sum(axis=1)
    return np.stack([area, (true * precision).sum(axis=1)])


def resample_numbers(sums: Sums, actual: pd.Series, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric of a regression for each draw."""
    # Centred on the mean: squares of large numbers would lose their digits.
    centred = actual.to_numpy() - actual.mean()
    errors = np.abs(actual.to_numpy() - predicted)
    rows = sums.of(np.ones(len(actual)))
    squares, mean = sums.of(errors**2) / rows, sums.of(centred) / rows
    edges = quantiles(errors)
    codes = np.minimum(np.searchsorted(edges, errors), len(edges) - 1)
    counts = sums.rows(codes, len(edges)).cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1 - squares / (sums.of(centred**2) / rows - mean**2)
    return {
        "r2": r2,
        "mae": sums.of(errors) / rows,
        "rmse": np.sqrt(squares),
        "median_absolute_error": edges[(counts >= counts[:, -1:] / 2).argmax(axis=1)],
    }


def resample_own(
    blocks: np.ndarray, actual: pd.Series, predictions: Predictions, metrics: Iterable[str]
) -> dict[str, np.ndarray]:
    """Return the metrics of train.metrics for each draw, from a sample of the rows if many."""
    rows = draw_rows(len(actual), OWN_ROWS)
    grouped = actual.index.name is not None
    scale = 1.0 if grouped else np.sqrt(len(rows) / len(actual))
    targets, predicted = actual.to_numpy()[rows], predictions.values[rows]
    weights = draw_weights(blocks.max() + 1, OWN_DRAWS).astype(int)
    drawn = {}
    for name, function in load_metrics(metrics).items():
        values = []
        for weight in weights:
            some = np.repeat(np.arange(len(rows)), weight[blocks[rows]])
            try:
                values.append(apply_metric(name, function, targets[some], predicted[some]))
            except MetricError:
                values.append(np.nan)  # not defined for this draw
        drawn[name] = values[0] + (np.array(values) - values[0]) * scale
    return drawn


def spread(values: np.ndarray, blocks: int) -> tuple[float, float]:
    """Return the quantiles of the resampled `values` that bound a score.

    They are widened as Student's t widens an interval of so few blocks (Hesterberg, What Teachers
    Should Know about the Bootstrap, 2015, 5.3: expanded percentiles).
    """
    tail = ndtr(-students_t(blocks) * np.sqrt(blocks / (blocks - 1)))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def share(score: float, values: np.ndarray, blocks: int, rows: int) -> tuple[float, float]:
    """Return Wilson's interval of a fraction, with a sample size that fits the spread of `values`.

    If they do not vary, the sample size is `rows`, and the interval is not empty: if all of 60 rows
    are right, the next one may be wrong. (Dean and Pagano, Evaluating confidence interval methods
    for binomial proportions in clustered surveys, 2015.)

    >>> [round(end, 3) for end in share(1.0, np.ones(3), blocks=60, rows=60)]
    [0.937, 1.0]
    """
    variance = values.var() * blocks / (blocks - 1)
    mean = float(np.clip(values.mean(), 0, 1))
    # Sums of fractions differ in the last digits.
    size = max(mean * (1 - mean) / variance, 1) if variance > 1e-12 else rows
    square = students_t(blocks) ** 2
    middle = (score + square / (2 * size)) / (1 + square / size)
    away = np.sqrt(square * (score * (1 - score) / size + square / (4 * size**2)))
    away /= 1 + square / size
    return float(middle - away), float(middle + away)


def students_t(blocks: int) -> float:
    return float(stdtrit(blocks - 1, (100 + LEVEL) / 200))


def intervals(
    actual: pd.Series,
    predictions: Predictions,
    scores: dict[str, float],
    metrics: Iterable[str] = (),
) -> dict[str, dict[str, float]]:
    """Return the `low` and the `high` end of the interval of each of `scores`.

    The index of `actual` says which rows belong together, see `blocks_of`; `metrics` is
    train.metrics of params.yaml. With a single row or group there are no intervals, nor are there
    any for ROC AUC and average precision of more than MOST_CLASSES classes.
    """
    blocks = blocks_of(actual.index)
    if blocks.max() == 0:
        return {}
    number = blocks.max() + 1
    sums = Sums(draw_weights(number), blocks)
    if predictions.classes is None:
        drawn = resample_numbers(sums, actual, predictions.values)
    else:
        drawn = resample_classes(sums, actual, predictions)
    drawn |= resample_own(blocks, actual, predictions, metrics)
    found = {}
    for name, score in scores.items():
        if name not in drawn:
            continue
        # Centred on the score: the score of binned values may differ slightly.
        values = score + drawn[name][1:] - drawn[name][0]
        values = np.clip(values[np.isfinite(values)], *LIMITS.get(name, (None, None)))
        if not len(values):
            continue
        if name == "accuracy":
            rows = number if actual.index.name else len(actual)
            ends = share(score, values, number, rows)
        else:
            low, high = spread(values, number)
            ends = min(low, score), max(high, score)
        found[name] = {end: float(f"{one:.4g}") for end, one in zip(ENDS, ends, strict=True)}
    return found
