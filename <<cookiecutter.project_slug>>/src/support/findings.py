"""Findings: reasons to look closer before believing a model and its scores.

Each check below yields findings; its docstring says when. Some follow the automated checks of
skore, https://docs.skore.probabl.ai, user guide.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from support.columns import repeat_by_chance
from support.duplicates import hash_rows
from support.metrics import balanced_accuracy, score_numbers
from support.params import InputError, nearest
from support.plots import FEATURES, draw_each
from support.rows import Rows

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

# The fraction of later targets outside of training's range that is worth a finding
BEYOND = 0.1
# The number of rows to check, and the minimum for any conclusion
ROWS, FEW = 1000, 50
# R² or balanced accuracy from which a feature, or a sum of features, determines the target
DETERMINED = 0.995
# The minimum fraction of rows in which a part of a sum has a value, and where that finds no sum;
# the first is also that of a feature's values beside which its twin has one
FILLED, HALF_FILLED = 0.8, 0.5
# Parts of a sum that move the target by a smaller fraction of its spread are ignored.
SHARE = 0.01
# The most frequent words of a text column, and the first characters of a text, that are checked
WORDS, LONGEST = 1000, 2000
# The gain over the baseline at which an identifier, or the previous row, predicts the target
TELLING = 0.5
# A negligible gain over the baseline, in R² or balanced accuracy
SLIGHT = 0.05
# The fraction of the largest class above which accuracy says little; test rows of a rare class
LARGEST, RARE = 0.8, 10
# Negligible permutation importance, and the rows to judge it; the rank correlation of twins
USELESS, USELESS_ROWS = 1e-3, 200
TWINS, TWIN_COLUMNS = 0.99, 300
# A sum of squares that is a smaller fraction of another differs from 0 by rounding alone.
TINY = 1e-9
# The fraction of test rows in training that is worth a finding
REPEATED = 0.01
# The minimum number of groups, and the likeness at which a group's rows are copies of each other
FEWEST, ALIKE = 10, 0.8
# The maximum fraction of rows without a group
GAPS = 0.01
# The distance of a fold from the others: in R² or balanced accuracy, and in deviations
FOLD, DEVIATIONS = 0.1, 10
# The fewest rows in a fold to compare it; the distance of its typical error from the others', as a
# logarithm times the root of its rows: 2.5 standard deviations of a median of normal errors
FOLD_ROWS, ERRORS = 10, 3
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
    # A name may have a comma.
    return ", ".join(repr(name) if "," in str(name) else str(name) for name in names[:most]) + more


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


def check_beyond(evidence: Evidence) -> Iterator[Finding]:
    """Many targets of later rows lie outside of training's range, and the predictions do not."""
    if not evidence.regression or not is_later(evidence):
        return
    known, drawn = evidence.training.target, evidence.plots["predictions"]
    low, high = known.min(), known.max()
    outside = ~evidence.test.target.between(low, high)
    # With few training rows, a target is outside by chance.
    if outside.mean() < max(BEYOND, 10 / len(known)):
        return
    reached = ~drawn["predicted"].between(low, high)
    if reached.mean() >= outside.mean() / 2:
        return
    seen = (
        f"{outside.mean():.0%} of the later test rows have targets outside of the training rows' "
        f"{low:.3g} to {high:.3g}, but {reached.mean():.0%} of the predictions are"
    )
    advice = (
        "trees cannot predict beyond that range: compare a linear model (train.compare), or "
        "predict a difference"
    )
    yield Finding("target-beyond", seen, advice)


def is_later(evidence: Evidence) -> bool:
    """Return whether rows are split by time, or the test rows are later than the training rows."""
    if evidence.test.by == "time":
        return True
    times = times_in(evidence.training.features)
    return any(evidence.test.features[name].min() > times[name].max() for name in times)


def times_in(features: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of times; times of day have no order, see columns.Column."""
    times = features.select_dtypes("datetime")
    day = pd.Timestamp(0)
    ordered = [(column.dropna().dt.normalize() != day).any() for _, column in times.items()]
    return times.loc[:, ordered]


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


def parts_of_sum(numbers: pd.DataFrame, target: pd.Series) -> list[str]:
    """Return the columns whose weighted sum is the target, in rows without gaps; [] if none."""
    rows = numbers.notna().all(axis="columns").to_numpy()
    if numbers.shape[1] < 2 or rows.sum() < max(FEW // 2, 5 * numbers.shape[1]):
        return []
    numbers, values = numbers[rows], target[rows].to_numpy(dtype="float64")
    spread = numbers.std(ddof=0).replace(0, 1)
    scaled = ((numbers - numbers.mean()) / spread).to_numpy()
    weights, *_ = np.linalg.lstsq(scaled, values - values.mean())
    parts = np.abs(weights) > SHARE * values.std()
    fitted = scaled[:, parts] @ weights[parts] + values.mean()
    if parts.sum() < 2 or not score_numbers(pd.Series(values), fitted)["r2"] >= DETERMINED:
        return []
    return list(numbers.columns[parts])


def check_sum(evidence: Evidence) -> Iterator[Finding]:
    """The target is a weighted sum of two or more features, such as two times, or their product.

    A gap in one of them is a zero, or the row does not count.
    """
    sample = evidence.sample()
    times = sample.features.select_dtypes("datetime")
    seconds = times.apply(lambda time: (time - time.min()).dt.total_seconds())
    numbers = sample.features.select_dtypes("number").join(seconds)
    if not evidence.regression or len(sample) < FEW:
        return
    filled, target = numbers.notna().mean(), sample.target
    ways = [("add up to", numbers.loc[:, filled > FILLED], target)]
    if (filled < 1).any():
        some = numbers.loc[:, filled > HALF_FILLED]
        ways += [("add up to", numbers.fillna(0), target), ("add up to", some, target)]
    if (target > 0).all():
        positive = numbers.loc[:, (numbers > 0).all()]
        ways.append(("multiply to", np.log(positive), np.log(target)))
    for how, parts, whole in ways:
        if names := parts_of_sum(parts, whole):
            advice = "add those that are not known beforehand to prepare.drop"
            yield Finding("leak-sum", f"{name_some(names)} {how} the target", advice)
            return


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
    """Return the score of a tree on one feature, see score_tree.

    A gap is a value like others. For two numbers, their correlations count as well.
    """
    if column.dtype == "str":
        column = column.astype("category").cat.codes
    elif pd.api.types.is_datetime64_any_dtype(column):
        column = (column - column.min()).dt.total_seconds()
    elif regression and moves_with(column, target):
        return 1.0  # a tree of so few rows misses the end of a long tail
    return score_tree(standardised(column)[:, None], target, regression)


def score_tree(x: Any, target: pd.Series, regression: bool) -> float:
    """Return R² or balanced accuracy of a tree: half of the rows fit it, half score it."""
    y = standardised(target) if regression else target.to_numpy()
    tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
    half, rest = np.array_split(np.random.default_rng(0).permutation(len(y)), 2)
    actual = pd.Series(y[rest])
    if actual.nunique() < 2:
        return 0.0
    predicted = tree(min_samples_leaf=2, random_state=0).fit(x[half], y[half]).predict(x[rest])
    if regression:
        return score_numbers(actual, predicted)["r2"]
    return balanced_accuracy(actual, predicted)


def score_words(column: pd.Series, target: pd.Series, regression: bool) -> float:
    """Return the score of score_alone for a tree on which words are in a text.

    For few different texts it is 0: score_alone tells them apart.
    """
    if column.dtype != "str" or column.nunique() <= FEW:
        return 0.0
    counter = CountVectorizer(
        binary=True, token_pattern=r"[^\W\d_]+|\d+", min_df=2, max_features=WORDS
    )
    try:
        words = counter.fit_transform(column.fillna("").str.slice(0, LONGEST)).astype("float32")
    except ValueError:  # no word is in two texts
        return 0.0
    return score_tree(words.tocsr(), target, regression)


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
        elif max(score, score_words(features[name], target, evidence.regression)) >= DETERMINED:
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
    for name, known in times_in(evidence.training.features).items():
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


def likeness(places: np.ndarray, values: pd.Series) -> float:
    """Return how alike the values in a group are: 1 if equal, about 0 if groups do not matter.

    It is one minus the fraction of the variance that lies within groups; for texts, the variance is
    the sum over all categories. Gaps do not count, nor does a place -1. nan: the values do not vary,
    or too few groups have two rows.
    """
    known = values.notna().to_numpy() & (places >= 0)
    if not known.all():
        places, values = pd.factorize(places[known])[0], values[known]
    rows, groups = len(places), places.max(initial=-1) + 1
    if rows < 2 * groups or groups < 2:
        return math.nan
    measure = spreads if pd.api.types.is_numeric_dtype(values) else mixtures
    within, total = measure(places, values)
    if total <= 0:
        return math.nan
    return 1 - (within / (rows - groups)) / (total / (rows - 1))


def spreads(places: np.ndarray, values: pd.Series) -> tuple[float, float]:
    """Return the sums of squared distances of numbers from the mean of their group, and of all."""
    numbers = values.to_numpy("float64")
    if np.ptp(numbers) == 0:
        return 0.0, 0.0
    means = np.bincount(places, numbers) / np.bincount(places)
    return ((numbers - means[places]) ** 2).sum(), numbers.var() * len(numbers)


def mixtures(places: np.ndarray, values: pd.Series) -> tuple[float, float]:
    """Return the same as `spreads` for texts: the sum over a column of 0 and 1 for each category."""
    codes, categories = pd.factorize(values)
    pairs, count = np.unique(places * len(categories) + codes, return_counts=True)
    of_group = np.bincount(places)[pairs // len(categories)]
    within = len(codes) - (count**2 / of_group).sum()
    return within, len(codes) - (np.bincount(codes) ** 2).sum() / len(codes)


def check_groups(evidence: Evidence) -> Iterator[Finding]:
    """Rows with the same value of a feature are alike in the target and most other features.

    These are numbers and texts that vary. A few rows may have a gap instead of the value.
    """
    if not evidence.at_random:
        return
    # Unlike the test rows, these have all rows of a group, if the table is small.
    features, target = evidence.first.features, evidence.first.target
    compared = features.select_dtypes(exclude="datetime")
    for name, column in features.items():
        places, groups = pd.factorize(column)
        if not FEWEST <= len(groups) <= len(column) / 3 or (places < 0).mean() > GAPS:
            continue
        if not likeness(places, target) >= ALIKE:
            continue
        others = [
            likeness(places, compared[one]) for one in compared.drop(columns=name, errors="ignore")
        ]
        others = [one for one in others if not math.isnan(one)]
        if len(others) > 1 and np.mean(np.array(others) >= ALIKE) > 0.5:
            seen = f"rows of one {name} are alike, and lie in training and test"
            yield Finding("shared-group", seen, "name it as prepare.group to predict for others")
            return


def check_duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Test rows are in training as well, not by chance; checked if prepare keeps such rows."""
    test, training = evidence.test.table, evidence.training.table
    if not test.columns.equals(training.columns):
        return
    share = np.isin(hash_rows(test), hash_rows(training)).mean()
    if share < REPEATED:
        return
    rows = pd.concat([training, test])
    columns = [column.value_counts(dropna=False).tolist() for _, column in rows.items()]
    if not repeat_by_chance(columns, len(rows)):
        seen = f"{share:.0%} of the test rows are in training as well"
        advice = "set prepare.duplicates to drop, or name what they share as prepare.group"
        yield Finding("same-rows", seen, advice)


def find_outlier(values: np.ndarray, by_time: bool) -> tuple[np.ndarray, float]:
    """Return how far each value is from the median of all, and the spread of the others."""
    if by_time:
        # The first fold had the fewest rows to learn from.
        values = np.append(np.median(values), values[1:])
    away = np.abs(values - np.median(values))
    # The median of deviations from the median, as a standard deviation: Iglewicz and Hoaglin, 1993
    return away, 1.4826 * float(np.median(away))


def errs_alike(folds: Sequence[dict[str, float]], worst: int, rows: float) -> bool:
    """Return whether a fold's typical error is that of the other folds, as far as `rows` can tell.

    R² of a fold depends on the few largest targets in it, the median of the errors does not.
    """
    errors = np.array([one.get("median_absolute_error", np.nan) for one in folds])
    if not (errors > 0).all():
        return False
    others = np.median(np.delete(errors, worst))
    return bool(abs(np.log(errors[worst] / others)) <= ERRORS / np.sqrt(rows))


def check_folds(evidence: Evidence) -> Iterator[Finding]:
    """A fold's score is far from the others', by more than its number of rows explains.

    In a regression, its typical error is far from theirs as well. With these bounds, the finding is
    a false alarm for at most one in twenty homogeneous tables of any number of rows, whether their
    targets are normal, counts or lognormal.
    """
    folds = evidence.trials.get("folds", [])
    values = np.array([one.get(evidence.metric, np.nan) for one in folds])
    if len(values) < 3 or np.isnan(values).any():
        return
    away, spread = find_outlier(values, evidence.test.by == "time")
    rows: float = len(evidence.training)
    if not evidence.regression:
        counts = evidence.training.target.value_counts()
        rows = counts.min() * len(counts)
    rows /= len(values)
    worst = int(away.argmax())
    if rows < FOLD_ROWS or away[worst] <= max(DEVIATIONS * spread, FOLD, 2 / np.sqrt(rows)):
        return
    if evidence.regression and errs_alike(folds, worst, rows):
        return
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
        advice = "try without: prepare.drop"
        if len(names) > 1:
            advice += " (one after another: what several tell may be needed once)"
        yield Finding("useless-feature", seen, advice)


def relate(numbers: pd.DataFrame) -> np.ndarray:
    """Return the correlation of each pair of columns in the rows where both have values.

    It is 0 for a pair that has too few such rows, or does not vary in them, or if both columns have
    values that the other lacks.
    """
    known = numbers.notna().to_numpy("float64")
    # Around the mean: sums of squares of large numbers lose their digits.
    values = (numbers - numbers.mean()).fillna(0).to_numpy("float64")
    both, sums, squares = known.T @ known, values.T @ known, (values**2).T @ known
    # sums[a, b] is of the values of a where b has some as well.
    rows = np.maximum(both, 1)
    spread = squares - sums**2 / rows
    products = values.T @ values - sums * sums.T / rows
    counts = known.sum(axis=0)
    enough = (both >= FEW) & (both >= FILLED * np.minimum.outer(counts, counts))
    enough &= (spread > TINY * squares) & (spread.T > TINY * squares.T)
    return np.where(enough, products / np.sqrt(np.where(enough, spread * spread.T, 1)), 0)


def varies(column: pd.Series) -> bool:
    """Return whether enough rows tell a column from another: a few can be the same by chance."""
    if not column.isna().any():
        return column.nunique() > 1
    return column.count() - column.value_counts().max() >= RARE


def pair_texts(texts: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of columns that have the same categories where both have values.

    Texts of which few repeat are no categories.
    """
    repeat = [name for name in texts if texts[name].nunique() <= texts[name].count() / 2]
    if len(repeat) < 2:
        return []
    places = [pd.factorize(texts[name])[0] for name in repeat]
    # Whether two rows have the same category does not depend on its name.
    random = np.random.default_rng(0)
    one, other = (np.column_stack(places)[random.permutation(len(texts))] for _ in "ab")
    same, known = (one == other).astype(float), ((one >= 0) & (other >= 0)).astype(float)
    unlike = (same * known).T @ ((1 - same) * known)
    alike = np.triu((unlike + unlike.T) == 0, 1)
    return [
        (repeat[a], repeat[b])
        for a, b in zip(*np.nonzero(alike), strict=True)
        if are_renamed(places[a], places[b])
    ]


def are_renamed(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two columns of codes, -1 for a gap, differ only in the names of categories."""
    both = (one >= 0) & (other >= 0)
    fewest = min((one >= 0).sum(), (other >= 0).sum())
    if both.sum() < max(FEW, FILLED * fewest):
        return False
    one, other = one[both], other[both]
    pairs = len(np.unique(one * (other.max() + 1) + other))
    return 1 < pairs == len(np.unique(one)) == len(np.unique(other))


def check_twins(evidence: Evidence) -> Iterator[Finding]:
    """Two features have nearly the same order of values, or the same categories.

    Only rows where both have values count. There must be enough of them, and one of the two must
    have few values that the other lacks.
    """
    features = evidence.sample().features.iloc[:, :TWIN_COLUMNS]
    if len(features) < FEW:
        return
    # For two times, the difference between them may matter.
    features = features.select_dtypes(exclude="datetime")
    features = features[[name for name, column in features.items() if varies(column)]]
    texts = features.select_dtypes("str")
    ranks = features.drop(columns=list(texts)).rank()
    related = np.triu(np.abs(relate(ranks)), 1) > TWINS
    pairs = pair_texts(texts)
    pairs += [
        (ranks.columns[a], ranks.columns[b]) for a, b in zip(*np.nonzero(related), strict=True)
    ]
    if not pairs:
        return
    gaps = features.isna().sum()
    advice = "one of them is enough: prepare.drop"
    if any(gaps[a] != gaps[b] for a, b in pairs):
        pairs = [(a, b) if gaps[a] <= gaps[b] else (b, a) for a, b in pairs]
        advice = (
            "keep the first, which has fewer gaps, and leave out the other unless its gaps mean "
            "something: prepare.drop"
        )
    seen = f"nearly the same: {name_some([f'{a} and {b}' for a, b in pairs], 3)}"
    yield Finding("near-identical", seen, advice)


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
    check_beyond,
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
    "target-beyond",
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
