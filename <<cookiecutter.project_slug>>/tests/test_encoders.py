"""What becomes of each kind of column."""

from itertools import pairwise

from support import model_file
from support.encoders import (
    COMPONENTS,
    Calendar,
    EffectEncoder,
    SlopeEncoder,
    TextEncoder,
    cross_fitting,
    encoder_of,
    is_code,
    kinds_of,
)

import numpy as np
import pandas as pd
import pytest
from helpers import TRAIN
from helpers import fit as fit_entry
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

MODELS = {
    "boosting": {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "max_iter": 50},
    "ridge": {"class": "sklearn.linear_model.Ridge"},
    "classifier": {"class": "sklearn.ensemble.HistGradientBoostingClassifier", "max_iter": 50},
    "logistic": {"class": "sklearn.linear_model.LogisticRegression"},
    "forest": {"class": "sklearn.ensemble.RandomForestClassifier", "n_estimators": 20},
}
WORDS = ["sun", "rain", "hail", "fog", "snow", "wind", "storm", "cloud", "frost", "dew", "ice"]


def fit(table: pd.DataFrame, model: str):
    """Return an entry fitted to all rows, without cross-validation."""
    search = TRAIN["search"] | {"folds": 0}
    return fit_entry(table, MODELS, model=model, max_categories=40, search=search)


@pytest.fixture
def mixed() -> pd.DataFrame:
    """300 rows with a column of each kind, with gaps, and a target of two classes."""
    random = np.random.default_rng(0)
    times = pd.Timestamp("2024-02-28") + pd.to_timedelta(random.integers(0, 9000, 300), unit="h")
    table = pd.DataFrame(
        {
            "number": random.normal(size=300),
            "time": times.astype("datetime64[us]"),
            "category": random.choice(list("abc"), 300),
            "many": [f"shop {n}" for n in random.integers(0, 50, 300)],
            "text": [" ".join(random.choice(WORDS, 6)) for _ in range(300)],
        }
    )
    for column in table:
        table.loc[random.integers(0, 300, 20), column] = None
    return table.assign(label=np.where(table["text"].str.contains("storm"), "yes", "no"))


def score_of(table: pd.DataFrame, model: str) -> float:
    """Return R² or ROC AUC on 30 % of the rows."""
    rows, others = train_test_split(table, test_size=0.3, random_state=0)
    estimator = fit(rows, model)
    features, target = others.iloc[:, :-1], others.iloc[:, -1]
    if hasattr(estimator, "classes_"):
        return roc_auc_score(target, estimator.predict_proba(features)[:, 1])
    return r2_score(target, estimator.predict(features))


def test_a_column_has_the_kind_of_what_it_holds(mixed):
    kinds = kinds_of(mixed.iloc[:, :-1], 40)
    assert kinds == {
        "numbers": ["number"],
        "times": ["time"],
        "categories": ["category"],
        "many": ["many"],
        "texts": ["text"],
    }
    assert kinds_of(mixed[["many"]], 60) == {"categories": ["many"]}


def test_texts_of_few_rows_are_no_categories():
    """Their words say what a column for each of them could not."""
    notes = pd.DataFrame({"note": [f"note {n} of a day" for n in range(30)]})
    assert kinds_of(notes, 40) == {"texts": ["note"]}
    twice = pd.concat([notes] * 2)
    assert kinds_of(twice, 40) == {"categories": ["note"]}
    assert kinds_of(twice, 20) == {"texts": ["note"], "repeated": ["note"]}


@pytest.mark.parametrize("classes", [False, True])
def test_numbers_are_codes_if_the_target_jumps_between_them(classes):
    random = np.random.default_rng(1)
    shop, age = random.integers(100, 160, 3000), random.integers(18, 90, 3000)
    target = random.normal(size=60)[shop - 100] + np.sin(age / 15) + random.normal(size=3000)
    target = pd.Series(np.where(target > 0, "high", "low") if classes else target)
    table = pd.DataFrame({"shop": shop, "age": age, "noise": random.integers(0, 90, 3000)})
    table["size"] = random.normal(size=3000)
    gaps = table.astype("float64").mask(random.random(table.shape) < 0.1)
    for rows in (table, gaps):
        assert [name for name in rows if is_code(rows[name], 40, target)] == ["shop"]
    # Too few values, or too few rows of each
    assert not is_code(table["shop"], 60, target)
    assert not is_code(table["shop"][:250], 40, target[:250])
    # Two values have none between them.
    assert not is_code(table["shop"] % 2, 1, target)


@pytest.mark.parametrize("bins", [20, 255])
def test_categories_are_as_many_as_boosting_has_bins(bins):
    random = np.random.default_rng(0)
    shop = random.integers(0, 30, 900)
    table = pd.DataFrame({"shop": [f"s{n}" for n in shop], "x": random.normal(size=900)})
    target = pd.Series(random.normal(size=30)[shop])
    entry = MODELS["boosting"] | {"max_bins": bins}
    estimator = fit_entry(
        table.assign(y=target), {"boosting": entry}, model="boosting", max_categories=40
    )
    categories = estimator["model"].is_categorical_
    assert (categories is not None and categories.any()) == (bins > 30)
    assert r2_score(target, estimator.predict(table)) > 0.5


@pytest.mark.parametrize("number", [5, 30, 300])
@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_shops_that_are_numbers_have_their_own_level(model, number):
    random = np.random.default_rng(2)
    shop, x = random.integers(0, number, 6000), random.normal(size=6000)
    level = random.normal(size=number) * 3
    table = pd.DataFrame({"shop": shop, "x": x, "y": level[shop] + x + random.normal(size=6000)})
    assert score_of(table, model) > 0.85
    assert score_of(table.assign(shop=table["shop"].map("shop {}".format)), model) > 0.85


def test_a_text_that_explains_nothing_is_one_column():
    random = np.random.default_rng(6)
    letters = random.choice(list("abcdefghijklmnopqrstuvwxyz"), (200, 9))
    names, target = pd.Series(["".join(row) for row in letters]), random.normal(size=200)
    assert TextEncoder().fit_transform(names, target).shape == (200, 1)
    names[::2] += " plus"
    target[::2] += 3
    assert TextEncoder().fit_transform(names, target).shape == (200, COMPONENTS + 1)


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_a_season_returns_in_the_next_year(model):
    random = np.random.default_rng(4)
    time = pd.Series(pd.date_range("2022-07-01", periods=900, freq="D", unit="us"))
    wave = 3 * np.sin(2 * np.pi * time.dt.day_of_year / 365)
    table = pd.DataFrame({"time": time, "y": wave + random.normal(size=900)})
    estimator = fit(table[:500], model)
    assert r2_score(wave[500:], estimator.predict(table[500:][["time"]])) > 0.85


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_the_days_between_two_times_are_a_feature(model):
    random = np.random.default_rng(3)
    start = pd.Timestamp("2023-01-01") + pd.to_timedelta(random.integers(0, 9000, 2000), unit="h")
    days = random.gamma(2, 3, 2000)
    times = {"start": start, "end": start + pd.to_timedelta(days, unit="D")}
    table = pd.DataFrame(times).astype("datetime64[us]").assign(y=days + random.normal(size=2000))
    assert score_of(table, model) > 0.9


@pytest.mark.parametrize("model", ["classifier", "logistic"])
def test_words_decide_a_class(model):
    random = np.random.default_rng(1)
    weights = random.normal(0, 2, len(WORDS))
    chosen = random.integers(0, len(WORDS), (2000, 8))
    texts = [" ".join(np.array(WORDS)[row]) for row in chosen]
    label = np.where(weights[chosen].sum(axis=1) > 8 * weights.mean(), "yes", "no")
    assert score_of(pd.DataFrame({"text": texts, "label": label}), model) > 0.95


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_the_first_letter_of_a_code_drives_a_target(model):
    random = np.random.default_rng(1)
    first, level = random.integers(0, 26, 2000), random.normal(size=26)
    codes = [f"{chr(65 + n)}{random.integers(1000)}" for n in first]
    table = pd.DataFrame({"code": codes, "y": level[first] + random.normal(0, 0.1, 2000)})
    assert score_of(table, model) > 0.85


def test_boosting_cuts_between_groups_of_texts_not_at_the_edge_of_one():
    """It has fewer bins than there are rows."""
    label = np.random.default_rng(900).choice(["gone", "here"], 900)
    texts = [f"Parcel {n} is {word}." for n, word in enumerate(label)]
    table = pd.DataFrame({"text": texts, "label": label})
    learnt, others = train_test_split(table, test_size=0.3, random_state=0)
    assert (fit(learnt, "classifier").predict(others[["text"]]) == others["label"]).all()


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_each_of_many_categories_has_its_own_level(model):
    random = np.random.default_rng(1)
    level, shop = random.normal(0, 3, 200), random.integers(0, 200, 4000)
    table = pd.DataFrame({"shop": [f"s{n}" for n in shop], "x": random.normal(size=4000)})
    assert score_of(table.assign(y=level[shop] + random.normal(size=4000)), model) > 0.8


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_users_and_items_share_the_target(model):
    """Each user has rated ten items, whose levels differ as much as those of users."""
    random = np.random.default_rng(1)
    user, item = random.integers(0, 400, 4000), random.integers(0, 200, 4000)
    level = random.normal(size=400)[user] + random.normal(size=200)[item]
    names = {"user": [f"u{n}" for n in user], "item": [f"i{n}" for n in item]}
    # Each alone, as TargetEncoder has them, gives 0.90 and 0.89.
    assert score_of(pd.DataFrame(names).assign(y=level), model) > 0.95


def test_boosting_finds_that_an_effect_depends_on_the_category():
    random = np.random.default_rng(1)
    shop, x = random.integers(0, 100, 6000), random.normal(size=6000)
    level, slope = random.normal(size=(2, 100))
    table = pd.DataFrame({"shop": [f"s{n}" for n in shop], "x": x})
    # Without the codes it is 0.62.
    assert score_of(table.assign(y=level[shop] + slope[shop] * x), "boosting") > 0.8


def sloping(number: int, rows: int, seed: int) -> pd.DataFrame:
    """Shops, each with its own slope of y on x."""
    random = np.random.default_rng(seed)
    shop, x = random.integers(0, number, rows), random.normal(size=rows)
    names = ["".join(letters) for letters in random.choice(list("abcdefghij"), (number, 8))]
    y = random.normal(size=number)[shop] * x + 0.3 * random.normal(size=rows)
    return pd.DataFrame({"shop": np.array(names)[shop], "x": x, "y": y})


@pytest.mark.parametrize(("number", "rows"), [(30, 600), (45, 1000), (300, 6000)])
def test_each_of_many_categories_has_its_own_slope(number, rows):
    table = sloping(number, rows, 1)
    # By the codes alone it is at most 0.25, and 0.77 for two classes.
    assert score_of(table, "boosting") > 0.6
    label = np.where(table.pop("y") > 0, "up", "down")
    assert score_of(table.assign(label=label), "classifier") > 0.82


def test_slopes_that_differ_by_chance_are_no_columns():
    table = sloping(100, 2000, 2)
    features, y = table[["shop", "x"]], table["y"]
    features.insert(1, "noise", np.random.default_rng(0).permutation(features["shop"]))
    encoder = SlopeEncoder(["shop", "noise"], cross_fitting(table.index, 0))
    encoded = encoder.fit_transform(features, y)
    assert encoded.shape == (2000, 1)
    assert r2_score(y, encoded[:, 0]) > 0.8
    np.testing.assert_allclose(encoder.transform(features)[:, 0], encoded[:, 0], atol=1.5)
    assert encoder.fit_transform(features[["noise", "x"]].assign(shop="a"), y).shape == (2000, 0)
    # A new shop and a gap have the slope of all.
    encoder.fit(features, y)
    new = pd.DataFrame({"shop": ["new", None], "noise": ["new", None], "x": [1.0, None]})
    assert not encoder.transform(new).any()


def test_effects_are_those_of_balanced_means():
    """With each pair once, what a category adds is its mean, drawn to 0, less the mean of all."""
    codes = np.array([[row, column] for row in range(30) for column in range(20)])
    level = np.arange(30.0)[codes[:, 0]] ** 2 + np.cos(codes[:, 1])
    encoded = EffectEncoder().fit(codes, level).transform(codes)
    np.testing.assert_allclose(encoded.sum(axis=1), level - level.mean(), atol=1e-6)
    classes = np.array(["a", "b", "c"])[codes[:, 1] % 3]
    assert EffectEncoder(3).fit_transform(codes, classes).shape == (600, 6)


@pytest.mark.parametrize("model", ["boosting", "ridge"])
def test_hour_and_weekday_drive_a_load(model):
    random = np.random.default_rng(1)
    minutes = pd.to_timedelta(random.integers(0, 500_000, 4000), unit="min")
    times = pd.Series(pd.Timestamp("2023-03-01") + minutes).astype("datetime64[us]")
    load = 10 * np.sin(2 * np.pi * times.dt.hour / 12) + 8 * (times.dt.day_of_week >= 5)
    table = pd.DataFrame({"time": times, "load": load + random.normal(size=4000)})
    assert score_of(table, model) > 0.9


def test_no_category_is_cut_off():
    """24 hours as a text: each keeps what it says."""
    hours = np.arange(2400) % 24
    table = pd.DataFrame({"hour": [f"{n:02}h" for n in hours], "y": np.sin(hours * 7.0)})
    assert min(score_of(table, model) for model in ("boosting", "ridge")) > 0.99


def test_categories_of_few_rows_each_are_not_lost():
    kind = np.arange(240) % 30
    table = pd.DataFrame({"kind": [f"k{n:02}" for n in kind], "y": np.where(kind < 15, 1.0, 2.0)})
    assert score_of(table, "boosting") > 0.8


def test_boosting_gets_gaps_and_categories_as_they_are(mixed):
    estimator = fit(mixed, "classifier")
    assert estimator["model"].categorical_features == [0]
    encoded = estimator["columns"].transform(mixed.iloc[:, :-1])
    for column, name in enumerate(["category", "many", "number"]):
        assert (np.isnan(encoded[:, column]) == mixed[name].isna()).all()
    assert set(encoded[~np.isnan(encoded[:, 0]), 0]) == {0, 1, 2}


def test_a_linear_model_gets_filled_and_scaled_columns_and_marks_of_gaps(mixed):
    estimator = fit(mixed, "logistic")
    encoded = estimator["columns"].transform(mixed.iloc[:, :-1])
    assert not np.isnan(encoded).any()
    number, mark = encoded[:, 4], encoded[:, 5]  # behind a, b, c, and a gap
    assert number.mean() == pytest.approx(0) and number.std() == pytest.approx(1)
    assert set(mark > 0) == {True, False} and ((mark > 0) == mixed["number"].isna()).all()


@pytest.mark.parametrize("model", ["classifier", "logistic", "forest"])
def test_gaps_and_unknown_values_in_new_rows_never_fail(mixed, model):
    estimator = fit(mixed, model)
    new = mixed.iloc[:3, :-1].copy()
    new["number"] = [None, 1e30, -5]
    new["time"] = pd.to_datetime(["9999-12-31", None, "0001-01-01"], format="ISO8601")
    new[["category", "many"]] = [["new", "new"], [None, None], ["a", "shop 1"]]
    new["text"] = ["", None, "unseen"]
    assert len(estimator.predict(new.astype(mixed.iloc[:, :-1].dtypes))) == 3


@pytest.mark.parametrize("model", ["classifier", "logistic"])
def test_a_fold_without_a_value_in_a_column_is_fitted(mixed, model):
    for column in mixed.columns[:-1]:
        empty = mixed.copy()
        empty[column] = empty[column].where(empty.index < 0)
        assert len(fit(empty, model).predict(mixed.iloc[:, :-1])) == 300


@pytest.mark.parametrize("model", ["classifier", "logistic"])
def test_encoders_are_saved_in_the_same_bytes_and_load_without_more_trust(mixed, tmp_path, model):
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        estimator = fit(mixed, model)
        model_file.save(estimator, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    features = mixed.iloc[:, :-1]
    loaded = model_file.load(paths[0], [])
    assert (loaded.predict_proba(features) == estimator.predict_proba(features)).all()


def test_slopes_are_saved_in_the_same_bytes_and_load_without_more_trust(tmp_path):
    table = sloping(45, 1000, 1)
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        estimator = fit(table, "boosting")
        model_file.save(estimator, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    loaded = model_file.load(paths[0], [])
    assert (loaded.predict(table[["shop", "x"]]) == estimator.predict(table[["shop", "x"]])).all()


def test_parts_of_the_calendar_that_vary_become_columns():
    times = pd.Series(pd.to_datetime(["2024-01-01 06:00", "2024-01-09 18:00", None]))
    table = pd.DataFrame({"time": times.astype("datetime64[us]")})
    calendar = Calendar().fit(table)
    assert calendar.parts_ == [["day_of_year", "day", "day_of_week", "hour"]]
    days = 54 * 365 + 13  # from 1970, with leap days
    expected = [[days + 0.25, 1, 1, 0, 6], [days + 8.75, 9, 9, 1, 18], [np.nan] * 5]
    np.testing.assert_array_equal(calendar.transform(table), expected)


def test_periodic_parts_join_the_ends_of_a_day():
    hours = pd.to_datetime([f"2024-01-01 {hour:02}:00" for hour in range(24)])
    table = pd.DataFrame({"time": hours.astype("datetime64[us]")})
    waves = Calendar(periodic=True).fit(table).transform(table)[:, 1:]
    step = [np.linalg.norm(waves[hour] - waves[hour - 1]) for hour in range(24)]
    assert step == pytest.approx([step[0]] * 24)


@pytest.mark.parametrize("name", ["group", "time", None])
def test_encoders_that_learn_from_the_target_keep_groups_and_times_together(name):
    index = pd.Index(np.random.default_rng(0).permutation(60) // 5, name=name)
    folds = [others for _, others in cross_fitting(index, 0).split(index)]
    assert np.sort(np.concatenate(folds)).tolist() == list(range(60))
    kept = [set(index[rows]) for rows in folds]
    if name == "group":
        assert sum(map(len, kept)) == 12
    if name == "time":
        assert all(max(one) <= min(other) for one, other in pairwise(kept))


def test_a_group_is_not_encoded_by_its_own_target():
    """Each shop is one group: what others teach of a shop is nothing."""
    random = np.random.default_rng(0)
    shops = np.repeat(np.arange(60), 6)
    table = pd.DataFrame({"shop": [f"s{n}" for n in shops]}, index=pd.Index(shops, name="group"))
    target = random.normal(size=60)[shops]
    encoder = encoder_of(table, target, takes_gaps=False, scale=False, max_categories=3, seed=0)
    assert not encoder.fit_transform(table, target).any()
    by_rows = encoder_of(table.reset_index(drop=True), target, False, False, 3, 0)
    encoded = by_rows.fit_transform(table, target)[:, 0]
    assert np.corrcoef(encoded, target)[0, 1] > 0.9


def test_a_group_does_not_learn_its_own_slope():
    table = sloping(60, 1200, 1)
    features, y = table[["shop", "x"]], table["y"]
    shop = pd.Index(table["shop"], name="group")
    encoder = SlopeEncoder(["shop"], cross_fitting(shop, 0))
    assert encoder.fit_transform(features, y).shape == (1200, 0)


def test_a_regression_of_whole_numbers_is_no_classification():
    table = pd.DataFrame({"shop": [f"s{n % 60}" for n in range(600)], "y": np.arange(600.0) % 60})
    estimator = fit(table, "ridge")
    assert estimator["columns"].transform(table[["shop"]]).shape == (600, 1)
    assert estimator.score(table[["shop"]], table["y"]) > 0.99


def test_what_a_text_says_of_its_own_row_is_learnt_from_others():
    random = np.random.default_rng(0)
    texts = pd.Series(["".join(random.choice(list("abcdefghij"), 12)) for _ in range(200)])
    noise = random.normal(size=200)
    encoder = TextEncoder(cv=cross_fitting(texts.index, 0), random_state=0)
    inside = encoder.fit_transform(texts, noise)[:, -1]
    assert abs(np.corrcoef(inside, noise)[0, 1]) < 0.3
    assert np.corrcoef(encoder.transform(texts)[:, -1], noise)[0, 1] > 0.8
