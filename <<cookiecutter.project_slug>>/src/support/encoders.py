"""Encode the columns of a table to suit their content and the model.

With scikit-learn's parts and the classes below, models load without trusting further types, take a
sixth of the space that skrub's do, and are saved in the same bytes each time.
"""

from itertools import combinations, islice
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, check_cv
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

EPOCH = pd.Timestamp(0).as_unit("us")
# Parts of a time, by their names in pandas, and how many values each has
PARTS = {"day_of_year": 366, "month": 12, "day": 31, "day_of_week": 7, "hour": 24, "minute": 60}
# Waves per part, for models without intervals: three can tell each day of the week.
WAVES = 3
# The days between two times are a feature for at most this many pairs.
PAIRS = 10
# A text column whose values occur less often on average is not categorical.
REPEATS = 5
# Below this average, it is neither one-hot encoded nor given effects.
TWICE = 2
# Boosting takes a column as categorical if its values occur at least this often on average.
FREQUENT = 20
# The n-grams of texts are numbered by a hash: a vocabulary would take tens of megabytes.
NGRAMS = 2**13
COMPONENTS = 15
# Distinct numbers in a column encoded from texts: fewer than boosting has bins.
LEVELS = 200
# Rounds of finding the effects of each categorical column, given those of the others
ROUNDS = 5
# At most as many levels and slopes of categories are found together.
SLOPES = 10
# More numbers in the columns of slopes, of all rows and classes, take too much memory.
SLOPE_CELLS = 10_000_000
# A standardised number that is further from its mean counts as this far: slopes are lines.
FAR = 3
# A smaller standard deviation, for numbers above 1 as a fraction of their mean, is scaled.
NARROW = 1e-4
# Codes of values that are not categories of the rows to fit
MISSING, UNKNOWN = -2, -1
# Number of texts that an encoder is fitted to, and encodes at a time: this bounds the memory.
TEXT_ROWS = 20_000


class Calendar(TransformerMixin, BaseEstimator):
    """Turn columns of times into numbers: days since 1970-01-01, and parts of the calendar.

    The parts are those in PARTS that vary in the rows to fit. With `periodic`, each becomes pairs
    of sine and cosine, so that 23 o'clock is next to 0, and there is no month: its waves are those
    of the day of the year. The days between the first few columns follow. A missing time is NaN in
    all columns.
    """

    def __init__(self, periodic: bool = False) -> None:
        self.periodic = periodic

    def fit(self, times: pd.DataFrame, target: Any = None) -> "Calendar":
        parts = [part for part in PARTS if not (self.periodic and part == "month")]
        self.parts_ = [
            [part for part in parts if getattr(column.dt, part).nunique() > 1]
            for _, column in times.items()
        ]
        return self

    def transform(self, times: pd.DataFrame) -> np.ndarray:
        numbers: list[Any] = []
        # In microseconds: in nanoseconds, the year 9999 does not fit into 64 bits.
        days = [(column - EPOCH).dt.total_seconds() / 86400 for _, column in times.items()]
        columns = zip(times.items(), days, self.parts_, strict=True)
        for (_, column), number, parts in columns:
            numbers.append(number)
            for part in parts:
                values = getattr(column.dt, part)
                if not self.periodic:
                    numbers.append(values)
                    continue
                for wave in range(1, WAVES + 1):
                    angle = 2 * np.pi * wave * values / PARTS[part]
                    numbers += [np.sin(angle), np.cos(angle)]
        numbers += [later - earlier for earlier, later in islice(combinations(days, 2), PAIRS)]
        return np.column_stack([np.asarray(column, dtype="float64") for column in numbers])


class EffectEncoder(TransformerMixin, BaseEstimator):
    """Turn columns of category codes into the effect of each category on the mean of the target.

    The effects of all columns are estimated together: each column explains what the others leave,
    so that the effect of a user does not depend on which items they rated. Each effect is shrunk
    towards 0 by how much a mean of so few rows varies; a new category has effect 0. A numeric target
    or two classes give one column per feature, several classes one per class. As in scikit-learn's
    TargetEncoder, which treats each column alone, `fit_transform` encodes each row with what the
    other folds of `cv` teach.
    """

    def __init__(self, cv: Any = 5) -> None:
        self.cv = cv

    def fit(self, codes: np.ndarray, target: Any) -> "EffectEncoder":
        numbers, places = as_numbers(target), as_places(codes)
        self.effects_ = find_effects(numbers, places, places.max(axis=0) + 1)
        return self

    def fit_transform(self, codes: np.ndarray, target: Any) -> np.ndarray:
        self.fit(codes, target)
        numbers, places = as_numbers(target), as_places(codes)
        result = np.empty((len(places), places.shape[1] * numbers.shape[1]))
        for inside, others in check_cv(self.cv).split(places):
            effects = find_effects(numbers[inside], places[inside], places.max(axis=0) + 1)
            result[others] = take(effects, places[others])
        return result

    def transform(self, codes: np.ndarray) -> np.ndarray:
        return take(self.effects_, as_places(codes))


class SlopeEncoder(TransformerMixin, BaseEstimator):
    """Turn columns of categories and of numbers into what the numbers mean to each category.

    If a price matters more to one shop than to another, boosting needs many rows of each shop to
    find it. The result has a column per column of `categories` (per class, as in EffectEncoder): the
    sum of each standardised number times what the category adds to the slope of all rows. Slopes are
    shrunk as effects are, and `fit_transform` encodes each row with what the other folds of `cv`
    teach; columns that explain nothing there are left out.
    """

    def __init__(self, categories: list[str], cv: Any = 5) -> None:
        self.categories = categories
        self.cv = cv

    def fit(self, features: pd.DataFrame, target: Any) -> "SlopeEncoder":
        self.fit_transform(features, target)
        return self

    def fit_transform(self, features: pd.DataFrame, target: Any) -> np.ndarray:
        self.codes_ = encode_ordinal(MISSING, UNKNOWN).fit(features[self.categories])
        scaled = make_pipeline(SimpleImputer(), StandardScaler())
        self.numbers_ = scaled.fit(features.drop(columns=self.categories))
        numbers, (places, terms) = as_numbers(target), self._split(features)
        sizes = places.max(axis=0) + 1
        rest = numbers - predict_line(terms, numbers, terms)
        self.pairs_, self.slopes_ = find_slopes(rest, places, terms, sizes)
        added, gain = np.empty((len(sizes), *numbers.shape)), np.empty(places.shape)
        for inside, others in check_cv(self.cv).split(places):
            rest = numbers - predict_line(terms[inside], numbers[inside], terms)
            found = find_slopes(rest[inside], places[inside], terms[inside], sizes)
            levels, part = add_slopes(*found, places[others], terms[others])
            added[:, others] = part
            left = rest[others] - levels.sum(axis=0)
            gain[others] = (part * (2 * left - part)).sum(axis=2).T
        # Twice the standard error: what is found by chance does not help.
        self.kept_ = np.flatnonzero(gain.mean(axis=0) > 2 * gain.std(axis=0) / len(gain) ** 0.5)
        return np.hstack([added[0, :, :0], *added[self.kept_]])

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        _, added = add_slopes(self.pairs_, self.slopes_, *self._split(features))
        return np.hstack([added[0, :, :0], *added[self.kept_]])

    def _split(self, features: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        numbers = self.numbers_.transform(features.drop(columns=self.categories)).clip(-FAR, FAR)
        places = as_places(self.codes_.transform(features[self.categories]))
        return places, np.column_stack([np.ones(len(numbers)), numbers])


class TextEncoder(TransformerMixin, BaseEstimator):
    """Turn a column of free text into its main components and a prediction of the target.

    Texts become weighted counts of character n-grams (tf-idf). From these come COMPONENTS columns
    of a truncated singular value decomposition, and the target as predicted by a ridge regression:
    one column for a numeric target or two classes, else one per class. As in EffectEncoder,
    `fit_transform` predicts each row from the other folds of `cv`; if that explains nothing of the
    target, as for names of persons, there are no components. Each column has at most LEVELS distinct
    numbers, see find_levels.
    """

    def __init__(self, cv: Any = 5, random_state: int | None = None) -> None:
        self.cv = cv
        self.random_state = random_state

    def fit(self, texts: pd.Series, target: Any) -> "TextEncoder":
        self.fit_transform(texts, target)
        return self

    def fit_transform(self, texts: pd.Series, target: Any) -> np.ndarray:
        rows = np.arange(len(texts))
        if len(rows) > TEXT_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, TEXT_ROWS, replace=False))
        counter = HashingVectorizer(
            analyzer="char_wb",
            # The shortest n-grams capture the first letter of a code, with the blank before it.
            ngram_range=(2, 4),
            n_features=NGRAMS,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )
        self.ngrams_ = make_pipeline(counter, TfidfTransformer())
        counts = self.ngrams_.fit_transform(texts.iloc[rows].fillna(""))
        numbers = as_numbers(target)[rows]
        self.target_ = Ridge().fit(counts, numbers)
        fold = np.empty(len(texts), dtype=int)
        for number, (_, others) in enumerate(check_cv(self.cv).split(texts)):
            fold[others] = number
        predicted, explains = predict_others(counts, numbers, fold[rows])
        svd = TruncatedSVD(min(COMPONENTS, len(rows)), random_state=self.random_state)
        self.components_ = svd.fit(counts) if explains else None

        result = self._encode(texts)
        result[rows, -predicted.shape[1] :] = predicted
        levels = [find_levels(column) for column in result[rows].T]
        self.cuts_, self.levels_ = map(np.array, zip(*levels, strict=True))
        return self._level(result)

    def transform(self, texts: pd.Series) -> np.ndarray:
        return self._level(self._encode(texts))

    def _level(self, numbers: np.ndarray) -> np.ndarray:
        columns = zip(numbers.T, self.cuts_, self.levels_, strict=True)
        return np.column_stack(
            [levels[np.searchsorted(cuts, column)] for column, cuts, levels in columns]
        )

    def _encode(self, texts: pd.Series) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), TEXT_ROWS):
            counts = self.ngrams_.transform(texts.iloc[start : start + TEXT_ROWS].fillna(""))
            part = self.target_.predict(counts).reshape(counts.shape[0], -1)
            if self.components_ is not None:
                part = np.hstack([self.components_.transform(counts), part])
            parts.append(part)
        return np.vstack(parts)


def predict_others(counts: Any, numbers: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return what a ridge regression on the other folds predicts, and whether it explains anything.

    `counts` and `numbers` have a row per text. Only differences within a fold need an explanation:
    folds that are groups or periods have different means.
    """
    predicted, left, spread = np.empty_like(numbers), 0.0, 0.0
    for number in np.unique(fold):
        inside = fold == number
        ridge = Ridge().fit(counts[~inside], numbers[~inside])
        predicted[inside] = ridge.predict(counts[inside]).reshape(inside.sum(), -1)
        left += (numbers[inside] - predicted[inside]).var(axis=0).sum()
        spread += numbers[inside].var(axis=0).sum()
    return predicted, left < spread


def find_levels(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where to cut a column into LEVELS parts of about equal size, and their means.

    Each cut is in the middle of the widest gap near its position. Boosting cuts at quantiles: if
    there are more numbers than bins, a cut between two groups can lie at the edge of one. New
    texts lie nearer to the middle than the fitted ones, and can then be on the wrong side of it.

    >>> cuts, levels = find_levels(np.array([0.0, 1.0, 5.0]))
    >>> cuts.tolist(), levels.tolist()
    ([0.5, 3.0], [0.0, 1.0, 5.0])
    """
    numbers = np.sort(numbers)
    gaps = np.diff(numbers)
    runs = [run for run in np.array_split(np.arange(len(gaps)), LEVELS - 1) if len(run)]
    last = np.array([run[gaps[run].argmax()] for run in runs], dtype=int)
    first = np.append(0, last + 1)
    means = np.add.reduceat(numbers, first) / np.diff(np.append(first, len(numbers)))
    return (numbers[last] + numbers[last + 1]) / 2, means


def as_places(codes: Any) -> np.ndarray:
    """Return the positions of categories in a list of effects, which begins with MISSING."""
    return np.asarray(codes, dtype=int) - MISSING


def take(effects: list[np.ndarray], places: np.ndarray) -> np.ndarray:
    return np.hstack([effect[place] for effect, place in zip(effects, places.T, strict=True)])


def find_effects(numbers: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Return the effect of each column's categories on the mean of `numbers`, given all others.

    `places` has the position of each row's category in each column, and `sizes` the number of
    categories of each column. Each list has a row per category and a column per target, 0 without
    rows.
    """
    rest = numbers - numbers.mean(axis=0)
    effects = [np.zeros((size, numbers.shape[1])) for size in sizes]
    for _ in range(ROUNDS if len(effects) > 1 else 1):
        for effect, place in zip(effects, places.T, strict=True):
            rest += effect[place]
            effect[:] = shrink_means(rest, place, len(effect))
            rest -= effect[place]
    return effects


def predict_line(terms: np.ndarray, numbers: np.ndarray, others: np.ndarray) -> np.ndarray:
    return Ridge().fit(terms, numbers).predict(others).reshape(len(others), -1)


def find_slopes(
    numbers: np.ndarray, places: np.ndarray, terms: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the pairs of columns of `places` and `terms` that explain most, and their slopes.

    The first term is 1: its slopes are the levels of the categories. The others are numbers. For
    the rest, see find_effects.
    """
    pairs = np.array(list(np.ndindex(len(sizes), terms.shape[1])))
    alone = [
        shrink_means(numbers, places[:, column], sizes[column], terms[:, [term]])
        for column, term in pairs
    ]
    explained = [
        np.square(terms[:, [term]] * slope[places[:, column]]).sum()
        for (column, term), slope in zip(pairs, alone, strict=True)
    ]
    # At least one, to keep the shape
    number = np.clip(np.count_nonzero(explained), 1, SLOPES)
    most = np.argsort(explained)[::-1][:number]
    pairs, slopes = pairs[most], [np.zeros_like(alone[pair]) for pair in most]
    rest = numbers.copy()
    for _ in range(ROUNDS):
        for (column, term), slope in zip(pairs, slopes, strict=True):
            place, by = places[:, column], terms[:, [term]]
            rest += by * slope[place]
            slope[:] = shrink_means(rest, place, len(slope), by)
            rest -= by * slope[place]
    return pairs, slopes


def add_slopes(
    pairs: np.ndarray, slopes: list[np.ndarray], places: np.ndarray, terms: np.ndarray
) -> np.ndarray:
    """Return what the levels, then the slopes, of each column's categories add to each row."""
    added = np.zeros((2, places.shape[1], len(places), slopes[0].shape[1]))
    for (column, term), slope in zip(pairs, slopes, strict=True):
        added[min(term, 1), column] += terms[:, [term]] * slope[places[:, column]]
    return added


def shrink_means(
    numbers: np.ndarray, place: np.ndarray, size: int, by: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean of `numbers` in each category, shrunk towards 0, more with fewer rows.

    With `by`, it is the slope of `numbers` on this column, which goes through 0.

    This is the best linear prediction of a random effect: n b / (n b + w) times the mean of n rows,
    for the variances b between and w within categories, from an analysis of variance of categories
    of unequal size (Searle, Casella, McCulloch: Variance Components, 1992, 3.6).

    >>> shrink_means(np.array([[-4.0], [-2.0], [3.0], [3.0]]), np.array([0, 0, 1, 1]), 3).ravel().round(2)
    array([-2.92,  2.92,  0.  ])
    """
    by = np.ones((len(place), 1)) if by is None else by
    count = np.bincount(place, by[:, 0] ** 2, size)[:, None]
    sums = [np.bincount(place, column, size) for column in (by * numbers).T]
    means = np.column_stack(sums) / np.maximum(count, np.finfo(float).tiny)
    rows, groups = count.sum(), np.count_nonzero(count)
    within = ((numbers - by * means[place]) ** 2).sum(axis=0) / max(len(place) - groups, 1)
    spread = (count * means**2).sum(axis=0) - (groups - 1) * within
    between = np.maximum(spread / max(rows - (count**2).sum() / max(rows, 1), 1), 0)
    weight = count * between
    return means * weight / np.maximum(weight + within, np.finfo(float).tiny)


def is_smooth(numbers: np.ndarray, values: np.ndarray) -> bool:
    """Return whether adjacent `values`, such as ages, have similar means of `numbers`.

    The mean of each value is compared with the means of its two neighbours. If the means follow a
    line, the squared difference is on average what the rows within the values explain; half as much
    again is allowed, plus what few values add by chance. Of two values, neither is between others.
    """
    groups, place = np.unique(values, return_inverse=True)
    if len(groups) < 3:
        return True
    count = np.bincount(place)[:, None]
    means = np.column_stack([np.bincount(place, column) for column in numbers.T]) / count
    within = ((numbers - means[place]) ** 2).sum(axis=0) / max(len(place) - len(groups), 1)
    away = means[1:-1] - (means[:-2] + means[2:]) / 2
    chance = within * (1 / count[1:-1] + (1 / count[:-2] + 1 / count[2:]) / 4)
    with np.errstate(over="ignore"):  # rows within a value may not differ at all
        ratio = (away**2 / np.maximum(chance, np.finfo(float).tiny)).mean()
    return bool(ratio < 1.5 + 4 * np.sqrt(2 / len(away)))


def as_numbers(target: Any) -> np.ndarray:
    """Return a column of numbers for a regression or two classes, else one for each class."""
    target = pd.Series(np.asarray(target))
    if pd.api.types.is_float_dtype(target):
        return target.to_numpy()[:, None]
    members = pd.get_dummies(target).to_numpy(dtype="float64")
    return members[:, 1:] if members.shape[1] == 2 else members


def stretches(index: pd.Index, number: int) -> np.ndarray:
    """Return the period of each row, from 0, the oldest; periods have equal numbers of rows.

    Rows are in any order: `split` leaves those of a large table in the order of the file.
    """
    stretch = np.empty(len(index), dtype=int)
    stretch[np.argsort(index, kind="stable")] = np.arange(len(index)) * number // len(index)
    return stretch


def cross_fitting(index: pd.Index, seed: int) -> Any:
    """Return the folds of encoders that learn from the target, by the key of the rows (see Rows).

    As in the split, no group is on both sides; times are cut into consecutive periods.
    """
    folds = min(5, index.nunique() if index.name == "group" else len(index))
    if index.name == "group" and folds > 1:
        fold = np.empty(len(index), dtype=int)
        for number, (_, others) in enumerate(GroupKFold(folds).split(index, groups=index)):
            fold[others] = number
        return PredefinedSplit(fold)
    if index.name == "time":
        return PredefinedSplit(stretches(index, folds))
    return KFold(max(folds, 2), shuffle=True, random_state=seed)


def forget_folds(columns: ColumnTransformer) -> None:
    """Remove the folds from a fitted encoder: with groups, they hold a number per row."""
    for _, branch, _ in [*columns.transformers, *columns.transformers_]:
        if isinstance(branch, Pipeline):
            folds = [key for key in branch.get_params() if key.endswith("__cv")]
            branch.set_params(**dict.fromkeys(folds, 5))


def kinds_of(features: pd.DataFrame, max_categories: int) -> dict[str, list[str]]:
    """Return the columns of each kind: `numbers`, `times`, `categories`, `many` and `texts`.

    `categories` are texts with up to `max_categories` values in the rows to fit, `many` are texts
    with more values that repeat, and `texts` are texts with values that hardly repeat; `repeated`
    are those of them that repeat at all. Empty columns have no kind.
    """
    kinds: dict[str, list[str]] = {}
    for name, column in features.items():
        if column.isna().all():
            continue  # a fold may hold none of a column's values
        kind = "numbers"
        if pd.api.types.is_datetime64_any_dtype(column):
            kind = "times"
        elif not pd.api.types.is_numeric_dtype(column):
            values, distinct = column.count(), column.nunique(dropna=False)
            kind = "many" if values >= REPEATS * distinct else "texts"
            if distinct <= max_categories and values >= TWICE * distinct:
                kind = "categories"
            elif kind == "texts" and values >= TWICE * distinct:
                kinds.setdefault("repeated", []).append(name)
        kinds.setdefault(kind, []).append(name)
    return kinds


def is_code(column: pd.Series, few: int, target: Any) -> bool:
    """Return whether the numbers in a column name something, such as shops.

    These are integers with more than `few` repeated values between which the mean of the `target`
    jumps.
    """
    known = column.notna().to_numpy()
    numbers = column.to_numpy()[known]
    distinct = len(np.unique(numbers))
    if distinct <= few or len(numbers) < REPEATS * distinct or (numbers % 1).any():
        return False
    return not is_smooth(as_numbers(target)[known], numbers)


def encoder_of(
    features: pd.DataFrame,
    target: Any,
    takes_gaps: bool,
    scale: bool,
    max_categories: int,
    seed: int,
) -> ColumnTransformer:
    """Return an unfitted encoder of `features`, the rows to fit, and their `target`.

    Models that accept gaps are made of trees: they get numbers unchanged, unless these are too near
    to each other for them (see is_narrow), and categories as codes, in the first columns, in which
    a value missing from the rows to fit is a gap. For others, gaps are filled and marked, categories
    are one-hot encoded, times are periodic, and `scale` standardises all other columns. Too many
    categories for this become their effects on the target (see EffectEncoder); trees also keep the
    codes, for effects that depend on other features, and get what numbers mean to each category that
    has few rows (see SlopeEncoder). Numbers that are codes also get effects: trees tell a few of them
    apart on their own. Free text is encoded by TextEncoder.
    """
    kinds = kinds_of(features, max_categories)
    few = max_categories if takes_gaps else 2
    codes = [name for name in kinds.get("numbers", []) if is_code(features[name], few, target)]
    cv = cross_fitting(features.index, seed)
    numbers: list[Any] = []
    narrow = [name for name in kinds.get("numbers", []) if takes_gaps and is_narrow(features[name])]
    if not takes_gaps:
        filled = SimpleImputer(strategy="median", add_indicator=True)
        numbers = [filled, StandardScaler()] if scale else [filled]
    scaled = [StandardScaler()] if scale and not takes_gaps else []
    categories: Any = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    coded = kinds.get("categories", [])
    if takes_gaps:
        categories = encode_ordinal(np.nan, np.nan)
        coded = coded + kinds.get("many", [])
    effects = [encode_ordinal(MISSING, UNKNOWN), EffectEncoder(cv)]
    coarse = kinds.get("many", []) + kinds.get("repeated", []) + codes
    sloped, slopes = find_sloped(features, target, kinds, codes) if takes_gaps else ([], [])
    branches: list[tuple[str, list[Any], Any]] = [
        ("categories", [categories], coded),
        ("numbers", numbers, [name for name in kinds.get("numbers", []) if name not in narrow]),
        ("narrow", [StandardScaler()], narrow),
        ("times", [Calendar(periodic=not takes_gaps), *numbers], kinds.get("times", [])),
        ("many", [*effects, *scaled], coarse),
        ("slopes", [SlopeEncoder(sloped, cv)], sloped + slopes),
    ]
    for number, name in enumerate(kinds.get("texts", [])):
        branches.append((f"text {number}", [TextEncoder(cv, seed), *scaled], name))
    return ColumnTransformer(
        [
            (name, make_pipeline(*steps) if steps else "passthrough", columns)
            for name, steps, columns in branches
            if columns
        ]
    )


def find_sloped(
    features: pd.DataFrame, target: Any, kinds: dict[str, list[str]], codes: list[str]
) -> tuple[list[str], list[str]]:
    """Return the columns of categories, and those of numbers, for a SlopeEncoder; none if too many.

    Categories that boosting splits on its own are not among them.
    """
    sloped = kinds.get("many", []) + codes
    for name in kinds.get("categories", []):
        if REPEATS <= rows_per_value(features[name]) < FREQUENT:
            sloped.append(name)
    slopes = [name for name in kinds.get("numbers", []) if name not in codes]
    if not sloped or not slopes:
        return [], []
    classes = 1 if pd.api.types.is_float_dtype(target) else len(np.unique(target))
    values = features[sloped].nunique().sum() * (len(slopes) + 1)
    cells = classes * max(len(features) * len(sloped), values)
    return (sloped, slopes) if cells <= SLOPE_CELLS else ([], [])


def is_narrow(numbers: pd.Series) -> bool:
    """Return whether trees may take different numbers for one, as in a tiny unit, or far from 0.

    scikit-learn's trees compute in single precision, and see no difference below 1e-7; they stop
    where the variance of the target is below 1e-16.
    """
    return 0 < numbers.std() < NARROW * max(1, abs(numbers.mean()))


def encode_ordinal(missing: float, unknown: float) -> OrdinalEncoder:
    return OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=missing
    )


def codes_of(columns: ColumnTransformer, features: pd.DataFrame, bins: int) -> list[int]:
    """Return the positions of the columns of an encoder that are categorical.

    They are codes of `features`, the rows to fit. Columns with more values than boosting has `bins`
    stay numeric, and so do columns whose values have few rows: scikit-learn's boosting ignores all
    categories with fewer than 10 rows.
    """
    names = {kind: names for kind, _, names in columns.transformers}.get("categories", [])
    return [
        place
        for place, name in enumerate(names)
        if rows_per_value(features[name]) >= FREQUENT and features[name].nunique() <= bins
    ]


def rows_per_value(column: pd.Series) -> float:
    return column.count() / column.nunique()
