"""Each finding is told of a table that has it, and not of one that has not."""

from pathlib import Path
from typing import Any

from support.columns import Column
from support.findings import CODES, Evidence, Finding, check_folds, find
from support.metrics import baseline, score_numbers, tidy
from support.params import InputError
from support.rows import Rows
from support.search import edges
from support.summary import Values, tell_identifier
from train import edges_of_best

import numpy as np
import pandas as pd
import pytest
from helpers import TRAIN, TREE, evaluate, train

MODELS = TREE | {
    "deep": {"class": "sklearn.tree.DecisionTreeClassifier"},
    "shallow": {"class": "sklearn.linear_model.LogisticRegression", "C": 0.001},
    "forest of trees": {"class": "sklearn.ensemble.RandomForestClassifier", "n_estimators": 10},
    "hasty": {"class": "sklearn.linear_model.LogisticRegression", "max_iter": 1},
    "net": {
        "class": "sklearn.neural_network.MLPClassifier",
        "max_iter": 1,
        "batch_size": 5000,
        "hidden_layer_sizes": [2],
    },
    "forest": {"class": "sklearn.ensemble.RandomForestRegressor", "n_estimators": 10},
}


def look(rows: pd.DataFrame, others: pd.DataFrame, model: str, **more: Any) -> Evidence:
    """Return the evidence of a model that is fitted to `rows`, on `others`."""
    estimator, fitted, _ = train(rows, MODELS, TRAIN | {"model": model})
    scores, intervals, plots = evaluate(estimator, others)
    found = {
        "test": others,
        "training": rows.iloc[:, -1:],
        "first": pd.concat([rows, others]).sample(frac=1, random_state=0),
        "baseline": tidy(baseline(rows.iloc[:, -1], others.iloc[:, -1])),
        "fitted": fitted["training"],
        "trials": fitted["trials"],
    }
    found |= more
    parts = {name: Rows(found.pop(name)) for name in ("test", "training", "first")}
    return Evidence(**parts, scores=scores, intervals=intervals, plots=plots, **found)


def told(evidence: Evidence) -> dict[str, str]:
    return {finding.code: finding.seen for finding in find(evidence)}


def codes(table: pd.DataFrame, model: str, **more: Any) -> dict[str, str]:
    """Return the findings of a model fitted to the first half of `table`, on the other."""
    half = len(table) // 2
    return told(look(table[:half], table[half:], model, **more))


@pytest.fixture
def noise() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.normal(size=(400, 4)), columns=["a", "b", "c", "d"])


@pytest.fixture
def clean(noise) -> pd.DataFrame:
    """Two features tell the target, each half of it, but for some noise."""
    return noise[["a", "b"]].assign(y=noise["a"] + noise["b"] + 0.5 * noise["c"])


@pytest.fixture
def labelled(clean) -> pd.DataFrame:
    return clean.assign(y=np.where(clean["y"] > 0, "up", "down"))


def test_a_clean_table_has_no_findings(clean, labelled):
    assert codes(clean, "linear") == {}
    assert codes(labelled, "tree") == {}


def test_a_finding_is_muted_by_its_code(noise):
    evidence = look(noise[:200], noise[200:], "linear")
    found = [finding.code for finding in find(evidence)]
    assert len(found) > 1 and set(found) <= set(CODES)
    assert [finding.code for finding in find(evidence, found[:1])] == found[1:]
    with pytest.raises(InputError, match="findings.mute holds 'over-fit'; did you mean 'overfit'"):
        find(evidence, ["over-fit"])


@pytest.mark.parametrize("rounded", [False, True])
def test_features_that_add_up_to_the_target_are_named(noise, rounded):
    table = noise.assign(total=3.0 * noise["a"] + noise["c"])
    if rounded:
        table["total"] = table["total"].round(1)
    assert codes(table, "linear")["leak-sum"].startswith("a, c add up")
    table["total"] += np.random.default_rng(1).normal(0, 0.5, 400)
    assert "leak-sum" not in codes(table, "linear")


def test_a_feature_that_alone_tells_the_target_is_named(noise, labelled):
    """Whatever the model makes of it."""
    table = labelled.assign(copy=np.where(labelled["y"] == "up", 5.5, 7), y=labelled["y"])
    table = table[["a", "b", "copy", "y"]]
    for model in ("tree", "machine"):
        assert codes(table, model)["leak-feature"].startswith("copy alone")
    mixed = table.assign(copy=np.where(np.arange(400) % 10 == 0, 9, table["copy"]))
    assert "leak-feature" not in codes(mixed, "tree")
    rare = noise.assign(y=np.where(np.arange(400) % 80 == 0, "rare", "usual"))
    assert "leak-feature" not in codes(rare, "tree"), "the largest class is no leak"


@pytest.mark.parametrize("kind", ["number", "date"])
def test_gaps_that_tell_the_target_are_a_leak(labelled, kind):
    paid = pd.Series(np.random.default_rng(0).uniform(5, 90, 400).round(2))
    if kind == "date":
        paid = pd.Timestamp("2024-01-01") + pd.to_timedelta(paid, unit="D")
    table = labelled.assign(paid=paid.where(labelled["y"] == "up"))[["a", "b", "paid", "y"]]
    found = codes(table, "tree", training=table[["paid", "y"]], first=table[["paid", "y"]])
    assert found["leak-feature"] == "paid alone tells the target"
    some = np.random.default_rng(1).random(400) < 0.5
    table["paid"] = paid.where(some)
    found = codes(table, "tree", training=table[["paid", "y"]], first=table[["paid", "y"]])
    assert "leak-feature" not in found


def test_a_copy_of_a_target_with_a_long_tail_is_a_leak(noise):
    price = np.exp(2 * noise["a"] + 9)
    for copy in (price / 1.2, np.log(price), -price):
        table = noise[["b"]].assign(copy=copy, price=price)
        assert codes(table, "forest")["leak-feature"] == "copy alone tells the target"
    blurred = price * np.exp(0.5 * noise["c"])
    assert "leak-feature" not in codes(noise[["b"]].assign(near=blurred, price=price), "forest")
    levels = np.random.default_rng(0).integers(0, 12, 400)
    steps = noise[["b"]].assign(code=levels, y=np.sin(levels * 7.0) + 0.01 * noise["c"])
    for scale in (1, 1e-9):
        table = steps.assign(y=steps["y"] * scale)
        assert codes(table, "forest")["leak-feature"] == "code alone tells the target"
    # Of few different values: too few for an order, and for the tail in a tree
    count = pd.Series(np.random.default_rng(0).lognormal(1.5, 1, 240)).clip(upper=45).round()
    counts = noise[["b"]][:240].assign(net=(count * 0.84).round(), count=count)
    assert counts["net"].nunique() < 50
    assert codes(counts, "forest")["leak-feature"] == "net alone tells the target"


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_words_that_tell_the_target_are_a_leak(share):
    """Wherever they are in the text; not if some texts lack them."""
    random = np.random.default_rng(0)
    won = random.random(600) < 0.5
    said = won ^ (random.random(600) < share)
    texts = [
        f"contract signed by {n}" if one else f"{n} went to another shop"
        for n, one in zip(random.permutation(600), said, strict=True)
    ]
    table = pd.DataFrame({"a": random.normal(size=600), "note": texts})
    table["note"] = table["note"].astype("str")
    found = codes(table.assign(y=np.where(won, "won", "lost")), "deep")
    numbers = codes(table.assign(y=10.0 * won + 0.1 * table["a"]), "forest")
    for one in (found, numbers):
        assert (one.get("leak-feature") == "note alone tells the target") == (share == 0)


def test_times_and_factors_that_give_the_target_are_named(noise):
    table = noise.abs() + 0.1
    started = pd.Timestamp("2024-03-01") + pd.to_timedelta(noise["a"] * 1e6, unit="s")
    table["start"], table["end"] = started, started + pd.to_timedelta(table["b"] * 3600, unit="s")
    hours = (table["end"] - table["start"]).dt.total_seconds() / 3600
    trips = table[["c", "start", "end"]]
    assert codes(trips.assign(hours=hours), "forest")["leak-sum"].startswith("start, end add up")
    late = hours + 0.2 * noise["d"]
    assert "leak-sum" not in codes(trips.assign(hours=late), "forest")
    sales = table[["a", "b", "c"]]
    product = sales["a"] * sales["c"]
    assert codes(sales.assign(y=product), "forest")["leak-sum"].startswith("a, c multiply to")
    assert "leak-sum" not in codes(sales.assign(y=product * table["d"] ** 0.2), "forest")


def test_a_sum_is_named_beside_a_column_of_gaps(noise):
    table = noise.assign(d=noise["d"].where(np.arange(400) % 20 == 0))
    table["total"] = table["a"] + 2 * table["b"]
    assert codes(table, "forest")["leak-sum"].startswith("a, b add up")


def test_a_sum_is_named_if_a_part_has_many_gaps(noise):
    gaps = np.arange(400) % 10 < 3
    table = noise.assign(a=(noise["a"] + 5).mask(gaps))
    zeros = table.assign(total=table["a"].fillna(0) + table["c"])
    assert codes(zeros, "forest")["leak-sum"].startswith("a, c add up")
    unknown = table.assign(total=noise["a"] + noise["c"])
    assert codes(unknown, "forest")["leak-sum"].startswith("a, c add up")
    blurred = zeros.assign(total=zeros["total"] + 0.5 * noise["d"])[["a", "b", "c", "total"]]
    assert "leak-sum" not in codes(blurred, "forest")


def test_a_score_that_is_too_good_is_told():
    """Two columns of three tell the class, neither by itself."""
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=800)})
    kind = np.arange(800) % 4
    table = table.assign(left=1.0 * (kind > 1), right=1.0 * (kind % 2), y=[f"k{n}" for n in kind])
    assert codes(table, "deep")["perfect-score"] == "balanced_accuracy is 1 on 400 test rows"
    table.loc[1::20, "y"] = "k0"
    assert "perfect-score" not in codes(table, "deep")
    assert "perfect-score" not in codes(table.iloc[1::3], "deep"), "few rows can be right by chance"


@pytest.fixture
def rare() -> pd.DataFrame:
    """In 2 of 100 rows, two features tell a class."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(4000, 4)), columns=["a", "b", "c", "d"])
    told = table["a"] + table["b"] + 0.6 * random.normal(size=4000)
    return table.assign(y=np.where(told > np.quantile(told, 0.98), "fraud", "fair"))


def test_a_rare_class_does_not_make_features_useless(rare):
    assert "useless-feature" not in codes(rare, "tree")
    found = codes(rare.assign(y=np.where(rare["a"] > 0, "up", "down")), "tree")
    assert found["useless-feature"].startswith(("b", "c", "d"))


def test_a_model_that_ranks_a_rare_class_is_told_from_one_that_knows_nothing(rare):
    rare["y"] = np.where(np.arange(4000) % 40 == 0, "fraud", "fair")
    rare["a"] += 2.0 * (rare["y"] == "fraud")
    evidence = look(rare[:2000], rare[2000:], "shallow")
    [finding] = [one for one in find(evidence) if one.code == "no-better-than-baseline"]
    assert finding.advice.startswith("but roc_auc is 0.9")
    evidence = look(rare[["b", "c", "y"]][:2000], rare[["b", "c", "y"]][2000:], "shallow")
    [finding] = [one for one in find(evidence) if one.code == "no-better-than-baseline"]
    assert finding.advice.startswith("the model found nothing")


def test_an_identifier_that_tells_the_target_is_named(noise):
    order = noise.sort_values("a", ignore_index=True)
    order["y"] = np.where(order["a"] + 0.2 * order["b"] > 0, "up", "down")
    table = order.assign(case=np.arange(1.0, 401))[["case", "c", "y"]]
    table = table.sample(frac=1, random_state=0)
    line = {"name": "case", "role": "feature", "notes": ["looks like an identifier: drop it"]}
    assert codes(table, "tree", columns=[line])["leak-identifier"].startswith("case looks")
    assert "leak-identifier" not in codes(table, "tree", columns=[line | {"notes": []}])
    mixed = table.assign(case=table["case"].sample(frac=1, random_state=1).to_numpy())
    assert "leak-identifier" not in codes(mixed, "tree", columns=[line])


def test_a_model_that_is_no_better_than_the_baseline_is_told_so(noise, clean):
    target = np.random.default_rng(2).normal(size=400)
    found = codes(noise.assign(y=target), "linear")
    assert found.keys() == {"no-better-than-baseline", "underfit"}
    assert "without any feature" in found["no-better-than-baseline"]
    slight = noise.assign(y=np.where(noise["a"] + 20 * target > 0, "up", "down"))
    evidence = look(slight[:380], slight[380:], "tree")
    better = evidence.baseline | {"balanced_accuracy": evidence.scores["balanced_accuracy"] - 0.01}
    evidence.baseline = better
    assert "no-better-than-baseline" in told(evidence), "by 0.01 on 20 rows is chance"


def test_a_model_that_remembers_is_told_from_one_that_learns(noise, labelled):
    mixed = np.random.default_rng(3).random(400) < 0.3
    table = labelled.assign(c=noise["c"], d=noise["d"])[["a", "b", "c", "d", "y"]]
    table.loc[mixed, "y"] = table.loc[mixed, "y"].map({"up": "down", "down": "up"})
    assert "overfit" in codes(table, "deep")
    assert not {"overfit", "underfit"} & codes(labelled, "tree").keys()


def test_a_target_that_never_changes_is_told(clean):
    constant = clean.assign(y=5.0)
    evidence = look(constant[:200], constant[200:], "linear")
    assert "r2" not in evidence.scores, "not 1.000"
    assert told(evidence) == {"constant-target": "y is 5.0 in every training and test row"}
    assert "constant-target" not in codes(clean, "linear")


def test_a_class_that_is_never_predicted_is_named(noise):
    label = np.where(noise["a"] > 0, "up", "down")
    label[::20] = "rare"
    table = noise.assign(label=label)
    evidence = look(table[:200], table[200:], "tree")
    assert "rare (10 test rows)" in told(evidence)["class-never-predicted"]
    for weight, advised in ("none", True), ("balanced", False):
        evidence.trials["class_weight"] = weight
        [advice] = [one.advice for one in find(evidence) if one.code == "class-never-predicted"]
        assert ("balanced" in advice) == advised


def test_a_class_that_training_does_not_have_is_named(labelled):
    labelled.loc[250:270, "y"] = "later"
    found = codes(labelled, "deep")
    assert "later (21 test rows)" in found["class-unseen"]
    assert "class-unseen" not in codes(labelled.sample(frac=1, random_state=0), "deep")


def test_a_target_far_from_all_others_is_named(clean):
    assert "target-far" not in codes(clean, "linear")
    assert "target-far" not in codes(clean.assign(y=np.exp(2 * clean["y"])), "linear")
    clean.loc[7, "y"] = 10_345_000
    assert "y is 1.0345e+07 in 1 of 400 rows" in codes(clean, "linear")["target-far"]


def test_later_targets_beyond_the_range_of_training_are_told(noise):
    """If the predictions stay inside: a line goes on."""
    hour = pd.date_range("2024-03-01", periods=400, freq="h", unit="us")
    table = noise[["a"]].assign(age=np.arange(400.0), hour=hour)
    growing = table.assign(y=0.3 * table["age"] + noise["b"])
    timed = growing.drop(columns="hour").set_index(hour.rename("time"))
    parts = timed[:300], timed[300:]
    outside = (parts[1]["y"] > parts[0]["y"].max()).mean()
    assert told(look(*parts, "forest"))["target-beyond"].startswith(f"{outside:.0%} of the later")
    assert "target-beyond" not in told(look(*parts, "linear"))
    mixed = timed.sample(frac=1, random_state=0)
    assert "target-beyond" not in told(look(mixed[:300], mixed[300:], "forest"))
    wave = timed.assign(y=np.sin(timed["age"] / 20) + 0.1 * timed["a"])
    assert "target-beyond" not in told(look(wave[:300], wave[300:], "forest"))
    # A column marks the test rows, which are later.
    rows, others = growing[:300], growing[300:]
    found = told(look(rows, others, "forest", training=rows[["hour", "y"]], first=growing))
    assert "target-beyond" in found
    high = growing.sort_values("y")
    high["hour"] = growing["hour"].sample(frac=1, random_state=0).to_numpy()
    parts = high[:300], high[300:]
    found = told(look(*parts, "forest", training=parts[0][["hour", "y"]], first=high))
    assert "target-beyond" not in found, "they are not later"


def test_two_times_are_no_twins_and_one_with_gaps_is_no_time_to_split_by(clean):
    start = pd.date_range("2024-01-01", periods=400, freq="h").astype("datetime64[us]")
    ends = start + pd.to_timedelta(np.random.default_rng(0).gamma(2, 3, 400), unit="h")
    table = clean.assign(start=start, end=ends.astype("datetime64[us]"))
    table = table[["a", "b", "start", "end", "y"]].sample(frac=1, random_state=0)
    found = codes(table, "forest", training=table[:200], first=table)
    assert "near-identical" not in found and "time-overlap" in found
    table.loc[::3, ["start", "end"]] = pd.NaT
    assert "time-overlap" not in codes(table, "forest", training=table[:200], first=table)


def notes_on(values: list[Any], kind: str, name: str = "case") -> list[str]:
    counts = Values(ordered=kind == "integer")
    counts.add(pd.Series(values))
    return tell_identifier(Column(name, kind=kind), counts)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_counter_with_a_gap_or_a_repeated_value_is_an_identifier(kind):
    counter = np.random.default_rng(0).permutation(300) + 7.0
    for change in (counter[0], np.nan, counter[1]):
        values = [change, *counter[1:]]
        assert "looks like an identifier" in notes_on(values, kind)[0]
        spread = [9.0 * value for value in values]
        assert notes_on(spread, kind) == [] != notes_on(spread, kind, "order_id")
        halves = [value + 0.5 * (value == counter[2]) for value in values]
        assert notes_on(halves, "number") == []
    assert notes_on([np.nan] * 10 + list(counter[10:]), kind, "order_id") == []
    assert notes_on(list(counter[20:30]) * 2 + list(counter), kind, "order_id") == []
    assert notes_on([1.0, 2.0, 3.0, 3.0, 5.0], kind) == [], "so few may be anything"
    ages = np.random.default_rng(0).integers(0, 300, 300)
    assert notes_on([float(n // 2) for n in range(30_000)], kind, "order_id") == []
    assert notes_on([float(age) for age in ages], kind) == []


def test_texts_that_nearly_all_differ_may_be_an_identifier():
    texts = [f"k{n}" for n in range(200)]
    for first in ("k0", None, "k7"):
        [note] = notes_on([first, *texts[1:]], "text")
        assert ("nearly each row" in note) == (first != "k0") and "identifier" in note
    assert notes_on([None] * 9 + texts, "text") == notes_on(texts[:9] + texts, "text") == []


def test_an_identifier_with_a_gap_that_tells_the_target_is_named(noise):
    order = noise.sort_values("a", ignore_index=True)
    order["case"] = np.arange(1.0, 401)
    order.loc[3, "case"] = np.nan
    order["y"] = np.where(order["a"] + 0.2 * order["b"] > 0, "up", "down")
    table = order[["case", "c", "y"]].sample(frac=1, random_state=0)
    line = {"name": "case", "role": "feature", "notes": notes_on(list(table["case"]), "number")}
    assert codes(table, "deep", columns=[line])["leak-identifier"].startswith("case looks")
    mixed = table.assign(y=table["y"].sample(frac=1, random_state=1).to_numpy())
    assert "leak-identifier" not in codes(mixed, "deep", columns=[line])


def test_names_are_no_identifier(noise):
    """They are in the order of the target by their first letter alone."""
    first = np.where(noise["a"] > 0, "Anna", "Zoe")
    table = pd.DataFrame({"name": [f"{a} M{n}" for n, a in enumerate(first)]})
    table["y"] = np.where(first == "Anna", "f", "m")
    columns = [{"name": "name", "role": "feature", "notes": ["looks like an identifier"]}]
    assert "leak-identifier" not in codes(table, "deep", columns=columns)
    table["name"] = table["name"].str.replace(" ", "")
    assert "leak-identifier" in codes(table, "deep", columns=columns)


def test_a_class_of_few_rows_is_named(labelled):
    table = labelled.assign(a=labelled["a"].where(labelled.index % 50 > 0, 9))
    table["y"] = table["y"].where(table["a"] < 9, "rare")
    assert codes(table, "deep")["rare-class"] == "hardly in the test: rare (4 test rows)"


def test_a_class_that_most_rows_are_of_is_told(labelled, noise):
    table = labelled.assign(y=np.where(labelled["a"] > 1, "up", "down"))
    share = (table["y"][200:] == "down").mean()
    assert codes(table, "tree")["imbalanced"].startswith(f"{100 * share:.3g}% of the rows are down")


def hours(labelled: pd.DataFrame) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=400, freq="h", unit="us")
    return labelled.assign(hour=times)[["a", "b", "hour", "y"]]


@pytest.mark.parametrize(
    ("in_order", "by_time", "code"),
    [(True, False, "time-order"), (False, False, "time-overlap"), (True, True, None)],
)
def test_times_that_are_split_at_random_are_told(labelled, in_order, by_time, code):
    table = hours(labelled)
    rows, others = (table[:200], table[200:]) if by_time else (table[::2], table[1::2])
    first = table if in_order else table.sample(frac=1, random_state=0)
    found = told(
        look(rows, others, "tree", training=rows[["hour", "y"]], first=first[["hour", "y"]])
    )
    assert {one for one in found if one.startswith("time-")} == ({code} if code else set())
    assert code is None or "hour" in found[code]


def test_times_of_day_have_no_order(labelled):
    table = hours(labelled)
    table["hour"] = pd.Timestamp(0) + (table["hour"] - table["hour"].dt.normalize())
    more = {"training": table[["hour", "y"]], "first": table[["hour", "y"]]}
    found = told(look(table[::2], table[1::2], "tree", **more))
    assert not {one for one in found if one.startswith("time-")}


def test_a_split_by_group_or_column_has_times_of_its_own(labelled):
    table = hours(labelled)
    more = {"training": table[["hour", "y"]], "first": table[["hour", "y"]]}
    group = pd.Index(np.arange(400) % 7, name="group")
    grouped = table.set_index(group)
    assert "time-order" not in told(look(grouped[::2], grouped[1::2], "tree", **more))
    line = {"name": "part", "role": "split", "notes": []}
    assert "time-order" not in told(look(table[::2], table[1::2], "tree", columns=[line], **more))


@pytest.mark.parametrize("target", ["number", "label"])
def test_rows_that_resemble_their_neighbours_are_told(noise, target):
    wave = np.sin(np.arange(400) / 15) + 0.2 * noise["b"]
    values = wave if target == "number" else np.where(wave > 0, "up", "down")
    table = noise[["a", "b"]].assign(y=values)
    model = "linear" if target == "number" else "tree"
    parts = table[::2], table[1::2]
    assert "row-order" in told(look(*parts, model, first=table[["y"]]))
    ordered = table.sort_values("y")[["y"]]
    assert "row-order" not in told(look(*parts, model, first=ordered)), "sorted by the target"
    mixed = table.sample(frac=1, random_state=0)[["y"]]
    assert "row-order" not in told(look(*parts, model, first=mixed))


def test_repeated_patients_on_both_sides_are_told():
    random = np.random.default_rng(0)
    patient = random.integers(0, 60, 1200)
    of_each = random.normal(size=(60, 3))
    table = pd.DataFrame(of_each[patient] + 0.2 * random.normal(size=(1200, 3)), columns=[*"abc"])
    table.insert(0, "patient", [f"p{n}" for n in patient])
    table["y"] = np.where(random.random(60) < 0.5, "ill", "well")[patient]
    assert "rows of one patient are alike" in codes(table, "deep")["shared-group"]
    numbered = table.assign(patient=patient, y=random.normal(size=60)[patient])
    assert "shared-group" in codes(numbered, "forest")
    few = numbered.groupby("patient").head(4).sample(frac=1, random_state=0)
    assert "shared-group" in codes(few, "forest")
    # A shop has its level, but each day is another.
    shops = table.assign(a=random.normal(size=1200), b=random.normal(size=1200))
    assert "shared-group" not in codes(shops, "deep")
    by_group = table.drop(columns="patient").set_index(pd.Index(table["patient"], name="group"))
    assert "shared-group" not in codes(by_group, "deep")


def test_repeated_patients_are_told_by_texts_and_in_spite_of_gaps():
    random = np.random.default_rng(1)
    patient = random.integers(0, 80, 900)
    of_each = pd.DataFrame(
        {"city": random.choice([*"abcdef"], 80), "sex": random.choice(["f", "m"], 80)}
    )
    table = of_each.iloc[patient].reset_index(drop=True)
    table["pulse"] = random.normal(size=900)
    table.insert(0, "patient", [f"p{n}" for n in patient])
    table["y"] = random.choice(["ill", "well", "gone"], 80)[patient]
    assert "rows of one patient are alike" in codes(table, "deep")["shared-group"]
    moved = table.assign(city=random.choice([*"abcdef"], 900))
    assert "shared-group" not in codes(moved, "deep"), "one of three is alike"
    constant = moved.assign(unit="mg")[["patient", "city", "sex", "unit", "pulse", "y"]]
    assert "shared-group" not in codes(constant, "deep"), "a constant is no likeness"
    levels = random.normal(size=(80, 2))[patient] + 0.1 * random.normal(size=(900, 2))
    numbers = pd.DataFrame(levels, columns=["height", "weight"]).assign(patient=1.0 * patient)
    numbers["y"] = random.normal(size=80)[patient]
    numbers.loc[5, "height"] = numbers.loc[7, "weight"] = numbers.loc[9, "patient"] = np.nan
    numbers = numbers[["patient", "height", "weight", "y"]]
    assert "rows of one patient are alike" in codes(numbers, "forest")["shared-group"]


def test_rows_that_are_in_both_parts_are_told(labelled):
    rows, others = labelled[:200], labelled[150:]
    assert told(look(rows, others, "tree", training=rows))["same-rows"].startswith(
        "20% of the test"
    )
    assert "same-rows" not in told(look(rows, labelled[200:], "tree", training=rows))


def test_rows_that_are_in_both_parts_by_chance_are_not_told():
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.choice([*"abc"], 900) for name in "uvw"})
    table["y"] = np.where(random.random(900) < 0.3 + 0.4 * (table["u"] == "a"), "in", "out")
    numbers = pd.DataFrame({"age": random.integers(18, 98, 1500)})
    numbers["pressure"] = random.normal(120, 10, 1500).round()
    numbers["y"] = random.choice(["in", "out"], 1500)
    assert numbers.nunique().prod() < 10 * len(numbers), "prepare keeps such rows"
    for one in (table, numbers):
        half = len(one) // 2
        assert "same-rows" not in codes(one, "tree", training=one[:half])


def spoil(fold: dict[str, float]) -> None:
    fold |= {"r2": -0.5, "median_absolute_error": 4 * fold["median_absolute_error"]}


def test_a_fold_unlike_the_others_is_told(clean):
    evidence = look(clean[:200], clean[200:], "linear")
    assert "fold-unlike" not in told(evidence)
    folds = evidence.trials["folds"]
    spoil(folds[1])
    assert told(evidence)["fold-unlike"].startswith("r2 of fold 2 is -0.5, of the others 0.")
    table = evidence.test.table
    evidence.test = Rows(table.set_index(pd.Index(range(len(table)), name="time")))
    folds[0], folds[1] = folds[1], folds[0]
    assert "fold-unlike" not in told(evidence), (
        "of times, the first fold has few rows to learn from"
    )
    folds[0], folds[1] = folds[1], folds[0]
    evidence.test = Rows(table)
    evidence.training = evidence.training.take(np.arange(27))
    assert "fold-unlike" not in told(evidence), "nine rows differ by chance"


def cross_validated(random: np.random.Generator, rows: int, tail: float, level: float) -> Evidence:
    """Return the folds of a line; targets may have a long tail, those of a fold another level."""
    x = random.normal(size=(rows, 3))
    y = x[:, 0] + x[:, 1] + 0.5 * x[:, 2]
    y = np.exp(tail * y) if tail else y
    fold = np.arange(rows) % 5
    y = y + level * y.std() * (fold == 3)
    folds = []
    for number in range(5):
        new = fold == number
        weights, *_ = np.linalg.lstsq(np.c_[x[~new, :2], np.ones((~new).sum())], y[~new])
        predicted = x[new, :2] @ weights[:2] + weights[2]
        folds.append(score_numbers(pd.Series(y[new]), predicted))
    table = Rows(pd.DataFrame({"x": x[:, 0], "y": y}))
    return Evidence(table, table, table, {}, {}, {}, {}, {}, trials={"folds": folds})


@pytest.mark.parametrize("rows", [16, 45, 90])
@pytest.mark.parametrize(("tail", "most"), [(0.0, 0.05), (1.0, 0.1)])
def test_folds_of_a_table_are_alike_also_if_few_or_skewed(rows, tail, most):
    random = np.random.default_rng(rows)
    tables = [cross_validated(random, rows, tail, level=0) for _ in range(60)]
    assert sum(any(check_folds(one)) for one in tables) <= most * len(tables)
    tables = [cross_validated(random, 160, 0.0, level=5) for _ in range(20)]
    assert sum(any(check_folds(one)) for one in tables) >= 0.8 * len(tables)


def test_a_feature_that_is_useless_is_named(clean, noise):
    table = clean.assign(c=noise["d"])[["a", "b", "c", "y"]]
    evidence = look(table[:200], table[200:], "linear")
    importance = evidence.plots["importance"].set_index("feature")["importance"]
    assert importance["c"] < 0.05 < importance["b"]
    evidence.plots["importance"].loc[importance.to_numpy() == importance["c"], "importance"] = -0.01
    assert told(evidence)["useless-feature"].startswith("c: shuffled")


def test_features_that_are_nearly_the_same_are_named(clean):
    table = clean.assign(mile=1.609 * clean["a"] + 0.001, other=np.exp(clean["b"]))
    table["colour"] = np.where(table["a"] > 0, "red", "blue")
    table["farbe"] = np.where(table["a"] > 0, "rot", "blau")
    table = table[["a", "b", "mile", "other", "colour", "farbe", "y"]].astype(
        {"colour": "str", "farbe": "str"}
    )
    found = codes(table, "linear")["near-identical"]
    assert found == "nearly the same: colour and farbe, a and mile, b and other"
    near = clean.assign(c=clean["a"] + 0.5 * clean["b"])[["a", "b", "c", "y"]]
    assert "near-identical" not in codes(near, "linear")


@pytest.mark.parametrize("share", [0.03, 0.4])
def test_equal_features_are_named_if_one_or_both_have_gaps(clean, share):
    gaps = np.random.default_rng(1).random(400) < share
    clean["colour"] = np.where(clean["a"] > 0, "red", "blue")
    table = clean.assign(kelvin=clean["a"] + 273.15, farbe=clean["colour"].map(str.upper))
    table = table[["kelvin", "a", "b", "colour", "farbe", "y"]].astype(
        {"colour": "str", "farbe": "str"}
    )
    holed = table.copy()
    holed.loc[gaps, ["kelvin", "colour"]] = np.nan
    evidence = look(holed[:200], holed[200:], "forest")
    [twins] = [one for one in find(evidence) if one.code == "near-identical"]
    assert twins.seen == "nearly the same: farbe and colour, a and kelvin"
    assert twins.advice.startswith("keep the first")
    holed.loc[gaps, ["a", "farbe"]] = np.nan
    assert codes(holed, "forest")["near-identical"] == (
        "nearly the same: colour and farbe, kelvin and a"
    )


def test_features_that_are_empty_together_are_no_twins(noise):
    table = pd.DataFrame(np.tile(noise["c"], (2, 1)).T, columns=["low", "y"]).assign(
        low=noise["a"], high=noise["b"], kind=np.where(noise["d"] > 0, "x", "y")
    )
    table["sort"] = np.where(noise["a"] > 0, "x", "y")
    table = table[["low", "high", "kind", "sort", "y"]].astype({"kind": "str", "sort": "str"})
    for filled in (12, 3):
        holed = table.copy()
        holed.loc[np.arange(400) % filled > 0, ["low", "high", "kind", "sort"]] = np.nan
        assert "near-identical" not in codes(holed, "forest")
    # Equal where both have values, which is in few rows: each has what the other lacks.
    halves = table.assign(high=table["low"].where(noise["d"] > -0.5))
    halves["low"] = table["low"].where(noise["d"] < 0.5)
    assert "near-identical" not in codes(halves, "forest")


def test_texts_that_do_not_repeat_are_no_twins(labelled):
    table = labelled.assign(note=[f"n{n}" for n in range(400)], mail=[f"m{n}" for n in range(400)])
    assert "near-identical" not in codes(table[["a", "b", "note", "mail", "y"]], "tree")


@pytest.mark.parametrize(
    ("value", "values", "edge"),
    [
        (990.0, {"low": 0.001, "high": 1000, "log": True}, True),
        (30.0, {"low": 0.001, "high": 1000, "log": True}, False),
        (30.0, {"low": 0.0, "high": 1000.0}, False),
        (63, {"low": 5, "high": 63}, True),
        (1, {"low": 1, "high": 20}, False),
        (20, {"low": 1, "high": 20}, True),
        (1.0, [0.3, 0.6, 1.0], False),
        (0.3, [0.3, 0.6, 1.0], True),
        (3, [3, 9], False),
        ("rbf", ["rbf", "linear", "poly"], False),
        (7, {"low": 7, "high": 7}, False),
    ],
)
def test_the_edge_of_a_search_is_where_something_lies_beyond(value, values, edge):
    assert bool(edges({"x": value}, {"x": values})) == edge


def test_a_fit_that_warns_is_told_and_nothing_reaches_the_terminal(labelled, capfd, recwarn):
    found = codes(labelled, "hasty")
    assert "converge" in found["not-converged"] and "fit-warning" not in found
    assert "not-converged" not in codes(labelled, "shallow")
    found = codes(labelled, "net")
    assert "batch_size" in found["fit-warning"] and "converge" in found["not-converged"]
    assert not recwarn.list and not capfd.readouterr().err


def test_a_best_setting_at_the_edge_is_told(labelled):
    spec = {"class": "sklearn.tree.DecisionTreeClassifier", "max_depth": 1}
    spec["search"] = {"max_depth": {"low": 2, "high": 3}}
    search = {"candidates": 2, "folds": 3, "metric": "accuracy"}
    _, fitted, _ = train(labelled, {"tree": spec}, TRAIN | {"search": search})
    depth = fitted["search"]["max_depth"]
    assert fitted["trials"]["edges"] == [f"max_depth={depth} of 2 to 3"]
    evidence = look(labelled[:200], labelled[200:], "tree", trials=fitted["trials"])
    assert told(evidence)["search-edge"].endswith(f"max_depth={depth} of 2 to 3")


def test_an_edge_that_another_setting_equals_is_not_told():
    def candidate(depth: int, score: float) -> dict[str, Any]:
        return {"model": "tree", "setting": {"depth": depth}, "scores": {"accuracy": score}}

    specs = {"tree": {"search": {"depth": {"low": 1, "high": 100}}}}
    for score, told in (0.75, []), (0.5, ["depth=100 of 1 to 100"]):
        ranked = [candidate(100, 0.75), candidate(50, score)]
        assert edges_of_best(ranked, specs, "accuracy") == told


def test_every_code_is_documented():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"`{code}`" not in readme] == []
    assert Finding._fields == ("code", "seen", "advice")
