"""Findings: reasons to look closer before believing a model and its scores.

Each check below yields findings; its docstring says when. Some follow the automated checks of
skore, https://docs.skore.probabl.ai, user guide.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support.duplicates import hash_rows
from support.metrics import balanced_accuracy, score_numbers
from support.params import InputError, nearest
from support.plots import FEATURES, draw_each
from support.rows import Rows

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

# The number of rows to check, and the minimum for any conclusion
ROWS, FEW = 1000, 50
# R² or balanced accuracy from which a feature, or a sum of features, determines the target
DETERMINED = 0.995
# The minimum fraction of rows in which a part of a sum has a value
FILLED = 0.8
# Parts of a sum that move the target by a smaller fraction of its spread are ignored.
SHARE = 0.01
# The gain over the baseline at which an identifier, or the previous row, predicts the target
TELLING = 0.5
# A negligible gain over the baseline, in R² or balanced accuracy
SLIGHT = 0.05
# The fraction of the largest class above which accuracy says little; test rows of a rare class
LARGEST, RARE = 0.8, 10
# Negligible permutation importance, and the rows to judge it; the rank correlation of twins
USELESS, USELESS_ROWS = 1e-3, 200
TWINS, TWIN_COLUMNS = 0.99, 300
# The fraction of test rows in training that is worth a finding
REPEATED = 0.01
# Rows repeat by chance if their columns have fewer combinations of values than this, per row.
CHANCE = 10
# The minimum number of groups, and the likeness at which a group's rows are copies of each other
FEWEST, ALIKE = 10, 0.8
# The distance of a fold from the others: in R² or balanced accuracy, and in deviations
FOLD, DEVIATIONS = 0.1, 10
# Interquartile ranges from the median at which a target looks like a typing error
FAR = 1000


class Finding(NamedTuple):
    """`code` is for findings.mute in params.yaml; `seen` is the finding, `advice` the remedy."""

    code: str
    seen: str
    advice: str


@dataclass
class Evidence:
    """The input of the checks.

    `test` has the test rows, `training` the training rows, with only the times among their features
    or with all features; `first` has the first rows of the prepared table, with all features, in file
    order. `scores` are the test scores, with their `intervals`; `baseline` and `fitted` are the
    scores without features and on the training rows. `trials` is the report of stage train on
    cross-validation, `plots` the tables of plots.plot_data, and `columns` the lines of
    results/data.json.
    """

    test: Rows
    training: Rows
    first: Rows
    scores: dict[str, float]
    intervals: dict[str, dict[str, float]]
    baseline: dict[str, float]
    fitted: dict[str, float]
    plots: dict[str, pd.DataFrame]
    trials: dict[str, Any] = field(default_factory=dict)
    columns: Sequence[dict[str, Any]] = ()

    @property
    def regression(self) -> bool:
        return "classes" not in self.plots

    @property
    def metric(self) -> str:
        return "r2" if self.regression else "balanced_accuracy"

    @property
    def at_random(self) -> bool:
        """Whether rows were split at random, not by group, time or a column."""
        by_column = any(line["role"] == "split" for line in self.columns)
        return not self.test.by and not by_column

    @property
    def weigh(self) -> str:
        """The first half of the advice on rare classes, unless the user follows it already."""
        balanced = self.trials.get("class_weight") == "balanced"
        return "" if balanced else "set train.class_weight to balanced, or "

    def sample(self) -> Rows:
        return self.test.take(draw_each(self.test.target, ROWS))


def find(evidence: Evidence, mute: Sequence[str] = ()) -> list[Finding]:
    """Return the findings whose codes are not in `mute`, findings.mute of params.yaml.

    Raises InputError when `mute` has an unknown code.
    """
    for code in mute:
        if code not in CODES:
            raise InputError(f"params.yaml: findings.mute holds {code!r}{nearest(code, CODES)}")
    found = [finding for check in CHECKS for finding in check(evidence)]
    return [finding for finding in found if finding.code not in mute]


def name_some(names: Sequence[Any], most: int = 5) -> str:
    more = f" (and {len(names) - most} more)" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def check_target(evidence: Evidence) -> Iterator[Finding]:
    """The target has a single value in all rows of a part."""
    targets = {"training": evidence.training.target, "test": evidence.test.target}
    parts = [part for part, target in targets.items() if (target == target.iloc[0]).all()]
    if parts:
        target = targets[parts[0]]
        seen = f"{target.name} is {target.iloc[0]} in every {' and '.join(parts)} row"
        advice = "a score says nothing: look for rows with other values, or another target"
        yield Finding("constant-target", seen, advice)


def check_far(evidence: Evidence) -> Iterator[Finding]:
    """A few targets are so far from all others that they dominate every error."""
    if not evidence.regression:
        return
    target = pd.concat([evidence.training.target, evidence.test.target])
    low, middle, high = target.quantile([0.25, 0.5, 0.75])
    far = target[(target - middle).abs() > FAR * (high - low)]
    if high > low and 0 < len(far) <= 0.01 * len(target):
        values = name_some([f"{value:g}" for value in far])
        seen = f"{target.name} is {values} in {len(far)} of {len(target)} rows, far from all others"
        yield Finding("target-far", seen, "if that is a mistake, correct it in the raw table")


def check_baseline(evidence: Evidence) -> Iterator[Finding]:
    """The interval of the test score contains the score without features."""
    metric = evidence.metric
    if not {metric} <= evidence.scores.keys() & evidence.baseline.keys():
        return
    score, floor = evidence.scores[metric], evidence.baseline[metric]
    interval = evidence.intervals.get(metric, {"low": score, "high": score})
    if interval["low"] > floor:
        return
    seen = (
        f"{metric} is {score:.3g} on the test ({interval['low']:.3g} to {interval['high']:.3g}), "
        f"{floor:.3g} without any feature"
    )
    advice = "the model found nothing for sure: other features, another model, or more rows"
    ranked = evidence.intervals.get("roc_auc", {"low": 0.0})["low"]
    if metric == "balanced_accuracy" and ranked > 0.5:
        advice = (
            f"but roc_auc is {evidence.scores['roc_auc']:.3g}: its probabilities separate the classes, so "
            f"{evidence.weigh}choose a decision threshold"
        )
    yield Finding("no-better-than-baseline", seen, advice)


def check_fit(evidence: Evidence) -> Iterator[Finding]:
    """The test loses over half of training's gain over the baseline, or the gain is tiny."""
    metric = evidence.metric
    parts = evidence.scores, evidence.fitted, evidence.baseline
    if not all(metric in part for part in parts):
        return
    score, fitted, floor = (part[metric] for part in parts)
    high = evidence.intervals.get(metric, {"high": score})["high"]
    seen = f"{metric} is {fitted:.3g} on training rows, {score:.3g} on the test, {floor:.3g} without any feature"
    if fitted - floor <= SLIGHT and score - floor <= SLIGHT:
        advice = "the model is too simple, or the features do not tell the target"
        yield Finding("underfit", seen, advice)
    elif fitted > high and score - floor < (fitted - floor) / 2:
        advice = (
            "restrict the model (fewer leaves, more rows in each, more penalty) or get more rows"
        )
        yield Finding("overfit", seen, advice)


def check_perfect(evidence: Evidence) -> Iterator[Finding]:
    """Nearly all of many test rows are right, which is rare with features known beforehand."""
    score, floor = (part.get(evidence.metric, 0) for part in (evidence.scores, evidence.baseline))
    if len(evidence.test) >= USELESS_ROWS and score >= DETERMINED > floor:
        seen = f"{evidence.metric} is {score:.4g} on {len(evidence.test)} test rows"
        advice = "if that is too good, look for features that are known only once the target is"
        yield Finding("perfect-score", seen, advice)


def check_classes(evidence: Evidence) -> Iterator[Finding]:
    """A class is never predicted, has few test rows, or has most of all rows."""
    if evidence.regression:
        return
    counts = evidence.test.target.value_counts()
    known = evidence.training.target.unique()
    if unseen := [f"{name} ({counts[name]} test rows)" for name in counts.index.difference(known)]:
        seen = f"not in training, so never predicted: their recall counts as 0: {name_some(unseen)}"
        yield Finding("class-unseen", seen, "split so that training has each, or leave them out")
    classes = evidence.plots["classes"]
    classes = classes[classes["rows"] > 0]
    never = classes["predicted"] == 0
    rare = (classes["rows"] < RARE) & ~never
    for code, which, what, advice in [
        (
            "class-never-predicted",
            never,
            "never predicted",
            f"{evidence.weigh}get more such rows",
        ),
        (
            "rare-class",
            rare,
            "hardly in the test",
            "their scores are luck: get more such rows, or raise split.test_size",
        ),
    ]:
        lines = classes[which]
        names = [f"{line[0]} ({line[1]} test rows)" for line in lines[["class", "rows"]].values]
        if names:
            yield Finding(code, f"{what}: {name_some(names)}", advice)
    share = classes["rows"].max() / classes["rows"].sum()
    if share > LARGEST and len(classes) > 1:
        seen = f"{100 * share:.3g}% of the rows are {classes['class'].iloc[0]}, so accuracy says little"
        advice = "look at balanced_accuracy, and at the scores of each class"
        yield Finding("imbalanced", seen, advice)


def check_sum(evidence: Evidence) -> Iterator[Finding]:
    """The target is a weighted sum of two or more features."""
    sample = evidence.sample()
    numbers, target = sample.features.select_dtypes("number"), sample.target
    numbers = numbers.loc[:, numbers.notna().mean() > FILLED]
    rows = numbers.notna().all(axis="columns").to_numpy()
    few = len(sample) < FEW or numbers.shape[1] < 2 or rows.sum() < 5 * numbers.shape[1]
    if not evidence.regression or few:
        return
    numbers, values = numbers[rows], target[rows].to_numpy(dtype="float64")
    spread = numbers.std(ddof=0).replace(0, 1)
    scaled = ((numbers - numbers.mean()) / spread).to_numpy()
    weights, *_ = np.linalg.lstsq(scaled, values - values.mean())
    parts = np.abs(weights) > SHARE * values.std()
    fitted = scaled[:, parts] @ weights[parts] + values.mean()
    if parts.sum() < 2 or not score_numbers(pd.Series(values), fitted)["r2"] >= DETERMINED:
        return
    seen = f"{name_some(numbers.columns[parts])} add up to the target"
    yield Finding("leak-sum", seen, "add those that are not known beforehand to prepare.drop")


def moves_with(one: pd.Series, other: pd.Series) -> bool:
    """Return whether two columns of numbers lie on a line, or have nearly the same order."""
    if one.isna().any() or one.nunique() < 3:
        return False
    if np.corrcoef(one, other)[0, 1] ** 2 >= DETERMINED:
        return True
    return one.nunique() > FEW and abs(np.corrcoef(one.rank(), other.rank())[0, 1]) >= DETERMINED


def standardised(numbers: pd.Series) -> np.ndarray:
    """Return numbers without their unit: trees do not see differences in tiny ones."""
    values = numbers.astype("float64")
    return ((values - values.mean()) / (values.std() or 1)).to_numpy()


def score_alone(column: pd.Series, target: pd.Series, regression: bool) -> float:
    """Return R² or balanced accuracy of a one-feature tree: half of the rows fit it, half score it.

    A gap is a value like others. For two numbers, their correlations count as well.
    """
    if column.dtype == "str":
        column = column.astype("category").cat.codes
    elif pd.api.types.is_datetime64_any_dtype(column):
        column = (column - column.min()).dt.total_seconds()
    elif regression and moves_with(column, target):
        return 1.0  # a tree of so few rows misses the end of a long tail
    x, y = standardised(column)[:, None], standardised(target) if regression else target.to_numpy()
    tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
    half, rest = np.array_split(np.random.default_rng(0).permutation(len(y)), 2)
    actual = pd.Series(y[rest])
    if actual.nunique() < 2:
        return 0.0
    predicted = tree(min_samples_leaf=2, random_state=0).fit(x[half], y[half]).predict(x[rest])
    if regression:
        return score_numbers(actual, predicted)["r2"]
    return balanced_accuracy(actual, predicted)


def check_single(evidence: Evidence) -> Iterator[Finding]:
    """A feature alone determines the target; for an identifier, half of the gain is enough.

    With many features, only the most important ones are checked.
    """
    sample, floor = evidence.sample(), evidence.baseline.get(evidence.metric, 0)
    features, target = sample.features, sample.target
    if len(sample) < FEW or target.nunique() < 2:
        return
    identifiers = {
        line["name"] for line in evidence.columns if any("identifier" in x for x in line["notes"])
    }
    times = {line["name"] for line in evidence.columns if line["role"] == "time"}
    for name in evidence.plots["importance"]["feature"][:FEATURES]:
        if name in times:
            continue  # a time is known beforehand
        score = score_alone(features[name], target, evidence.regression)
        # Free text is not an identifier, even if all values differ.
        words = features[name].dtype == "str" and features[name].str.contains(" ").mean() > 0.5
        if name in identifiers and not words and score - floor >= TELLING * (1 - floor):
            seen = f"{name} looks like an identifier but predicts the target: rows may have been sorted by it"
            yield Finding("leak-identifier", seen, "add it to prepare.drop")
        elif score >= DETERMINED:
            advice = "add it to prepare.drop unless it is known beforehand"
            yield Finding("leak-feature", f"{name} alone tells the target", advice)


def follows_rows(target: pd.Series, regression: bool) -> bool:
    """Return whether a row's neighbours predict its target, in a file not sorted by the target."""
    if regression:
        values = target.to_numpy()
        steps = np.diff(values)
        if (steps >= 0).all() or (steps <= 0).all():
            return False
        return (
            score_numbers(pd.Series(values[1:-1]), (values[:-2] + values[2:]) / 2)["r2"] >= TELLING
        )
    codes, classes = pd.factorize(target)
    same, number = codes[1:] == codes[:-1], len(classes)
    if (~same).sum() < 3 * number:  # a few runs of each class: it is sorted
        return False
    recall = np.bincount(codes[1:], same, number) / np.maximum(np.bincount(codes[1:]), 1)
    return recall.mean() - 1 / number >= TELLING * (1 - 1 / number)


def check_order(evidence: Evidence) -> Iterator[Finding]:
    """Rows split at random are sorted by time, or resemble their neighbours in the file."""
    if not evidence.at_random:
        return
    first, ordered = evidence.first, False
    for name, known in evidence.training.features.select_dtypes("datetime").items():
        new = evidence.test.features[name]
        if known.nunique() <= 10 or known.isna().any() or new.isna().any():
            continue
        if new.max() < known.min() or known.max() < new.min():
            continue
        times = first.features[name].dropna()
        in_order = times.is_monotonic_increasing or times.is_monotonic_decreasing
        ordered |= in_order
        seen = f"{name}: test rows lie between training rows"
        if in_order:
            seen = f"rows are in order of {name} and split at random"
        advice = "name it as prepare.time to predict later rows from earlier ones"
        yield Finding("time-order" if in_order else "time-overlap", seen, advice)
    target = first.target
    if not ordered and len(target) >= FEW and follows_rows(target, evidence.regression):
        seen = "rows that are next to each other in the file have similar targets"
        advice = (
            "if they belong together or follow in time, name that column as prepare.group or "
            "prepare.time"
        )
        yield Finding("row-order", seen, advice)


def likeness(places: np.ndarray, values: np.ndarray) -> float:
    """Return how alike the values in a group are: 1 if equal, about 0 if groups do not matter.

    It is one minus the fraction of the variance that lies within groups.
    """
    means = np.bincount(places, values) / np.bincount(places)
    within = ((values - means[places]) ** 2).sum() / max(len(values) - len(means), 1)
    return 1 - within / max(values.var(ddof=1), np.finfo(float).tiny)


def check_groups(evidence: Evidence) -> Iterator[Finding]:
    """Rows with the same value of a feature are alike in other features and the target."""
    if not evidence.at_random:
        return
    # Unlike the test rows, these have all rows of a group, if the table is small.
    features, target = evidence.first.features, evidence.first.target
    codes = target if evidence.regression else pd.Series(pd.factorize(target)[0])
    numbers = features.select_dtypes("number").dropna(axis="columns")
    for name, column in features.items():
        places, groups = pd.factorize(column)
        if not FEWEST <= len(groups) <= len(column) / 3 or (places < 0).any():
            continue
        if likeness(places, codes.to_numpy("float64")) < ALIKE:
            continue
        others = [
            likeness(places, numbers[one].to_numpy("float64"))
            for one in numbers.drop(columns=name, errors="ignore")
        ]
        if len(others) > 1 and np.mean(np.array(others) >= ALIKE) > 0.5:
            seen = f"rows of one {name} are alike, and lie in training and test"
            yield Finding("shared-group", seen, "name it as prepare.group to predict for others")
            return


def check_duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Test rows are in training as well, not by chance; checked if prepare keeps such rows."""
    test, training = evidence.test.table, evidence.training.table
    if not test.columns.equals(training.columns):
        return
    if math.prod(test.nunique(dropna=False)) <= CHANCE * len(test):
        return
    share = np.isin(hash_rows(test), hash_rows(training)).mean()
    if share >= REPEATED:
        seen = f"{share:.0%} of the test rows are in training as well"
        advice = "set prepare.duplicates to drop, or name what they share as prepare.group"
        yield Finding("same-rows", seen, advice)


def check_folds(evidence: Evidence) -> Iterator[Finding]:
    """A fold's score is far from the others', by more than its number of rows explains.

    With these bounds, the finding is a false alarm for one in thirty homogeneous tables of 300 rows
    whose targets are normal or counts, and for one in eight with lognormal targets.
    """
    folds = evidence.trials.get("folds", [])
    values = np.array([one.get(evidence.metric, np.nan) for one in folds])
    if len(values) < 3 or np.isnan(values).any():
        return
    if evidence.test.by == "time":
        values[0] = np.median(values)  # it had the fewest rows to learn from
    away = np.abs(values - np.median(values))
    # The median of deviations from the median, as a standard deviation: Iglewicz and Hoaglin, 1993
    spread = 1.4826 * np.median(away)
    rows = len(evidence.training)
    if not evidence.regression:
        counts = evidence.training.target.value_counts()
        rows = counts.min() * len(counts)
    noise = 2 / np.sqrt(rows / len(values))
    worst = int(away.argmax())
    if away[worst] > max(DEVIATIONS * spread, FOLD, noise):
        others = np.delete(values, worst)
        seen = (
            f"{evidence.metric} of fold {worst + 1} is {values[worst]:.3g}, of the others "
            f"{others.min():.3g} to {others.max():.3g}"
        )
        advice = "its rows may be of another kind or time: look at them before trusting the mean"
        yield Finding("fold-unlike", seen, advice)


def check_useless(evidence: Evidence) -> Iterator[Finding]:
    """Shuffling a feature does not lower a score that is better than the baseline.

    For a classification, the rarest class must have enough rows.
    """
    table, metric = evidence.plots["importance"], evidence.metric
    gain = evidence.scores.get(metric, 0) - evidence.baseline.get(metric, 0)
    many = evidence.test.features.shape[1] > FEATURES
    rows = len(evidence.test)
    if not evidence.regression:
        counts = evidence.test.target.value_counts()
        rows = counts.min() * len(counts)
    if rows < USELESS_ROWS or many or gain <= SLIGHT:
        return
    names = table["feature"][table["importance"] < USELESS].tolist()
    if names:
        seen = f"{name_some(names)}: shuffled, the score is as good"
        yield Finding("useless-feature", seen, "try without: prepare.drop")


def check_twins(evidence: Evidence) -> Iterator[Finding]:
    """Two features have nearly the same order of values, or the same categories."""
    features = evidence.sample().features.iloc[:, :TWIN_COLUMNS]
    if len(features) < FEW:
        return
    pairs = []
    texts: dict[bytes, str] = {}
    ranks = {}
    for name, column in features.items():
        if column.nunique() < 2:
            continue
        if column.dtype == "str":
            codes = pd.factorize(column)[0].tobytes()
            if codes in texts:
                pairs.append((texts[codes], name))
            texts[codes] = name
        elif not pd.api.types.is_datetime64_any_dtype(column):
            # For two times, the difference between them may matter.
            ranks[name] = column.rank().fillna(len(column) / 2)
    if len(ranks) > 1:
        names = list(ranks)
        related = np.abs(np.corrcoef(np.array(list(ranks.values()))))
        pairs += [
            (names[a], names[b])
            for a, b in zip(*np.nonzero(np.triu(related, 1) > TWINS), strict=True)
        ]
    if pairs:
        seen = f"nearly the same: {name_some([f'{a} and {b}' for a, b in pairs], 3)}"
        yield Finding("near-identical", seen, "one of them is enough: prepare.drop")


def check_search(evidence: Evidence) -> Iterator[Finding]:
    """The best setting of a search lies at the edge of its space, see search.edges."""
    if edges := evidence.trials.get("edges"):
        advice = "a better one may lie beyond: widen the entry's `search`"
        yield Finding("search-edge", f"best at the edge: {name_some(edges)}", advice)


def check_warnings(evidence: Evidence) -> Iterator[Finding]:
    """The fit of the model raised a warning, for example that it did not converge."""
    for line in evidence.trials.get("warnings", []):
        category, _, message = line.partition(": ")
        if category == "ConvergenceWarning":
            seen = f"the fit ended before it had converged: {message}"
            advice = "raise the entry's max_iter in params.yaml, or its penalty"
            yield Finding("not-converged", seen, advice)
        else:
            advice = "the documentation of the entry's class tells what it means"
            yield Finding("fit-warning", f"the fit warned: {message}", advice)


CHECKS = [
    check_target,
    check_far,
    check_baseline,
    check_fit,
    check_perfect,
    check_single,
    check_sum,
    check_order,
    check_groups,
    check_duplicates,
    check_classes,
    check_folds,
    check_search,
    check_twins,
    check_useless,
    check_warnings,
]
CODES = [
    "constant-target",
    "target-far",
    "no-better-than-baseline",
    "underfit",
    "overfit",
    "perfect-score",
    "leak-feature",
    "leak-identifier",
    "leak-sum",
    "time-order",
    "time-overlap",
    "row-order",
    "shared-group",
    "same-rows",
    "class-unseen",
    "class-never-predicted",
    "rare-class",
    "imbalanced",
    "fold-unlike",
    "search-edge",
    "near-identical",
    "useless-feature",
    "not-converged",
    "fit-warning",
]
