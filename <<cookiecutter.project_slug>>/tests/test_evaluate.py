"""Scores, the data of plots, and the report."""

from evaluate import read_training
from prepare import prepare
from support.findings import Finding
from support.logs import encoding, hyperparameters, write_metrics_csv
from support.metrics import CLASSIFICATION, REGRESSION, baseline
from support.plots import precision_recall, roc
from support.reader import Table
from support.report import classes_section, columns_section, draw_pictures, write_report
from support.rows import Rows
from support.schema import Schema, Writer

import numpy as np
import pandas as pd
import pytest
from helpers import PREPARE, evaluate, fit
from sklearn.metrics import average_precision_score, roc_auc_score


def test_evaluate_scores_each_row(estimator, table):
    wrong = table.assign(label=["b"] * 6 + list(table["label"][6:]))
    metrics, _, plots = evaluate(estimator, wrong)
    assert metrics["accuracy"] == 0.75
    cells = plots["confusion"].set_index(["actual", "predicted"])["count"].to_dict()
    assert cells == {("a", "a"): 6, ("a", "b"): 0, ("b", "a"): 6, ("b", "b"): 12}


def test_findings_see_the_first_rows_however_they_were_written(table, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluate.PREPARED", tmp_path / "prepared")
    monkeypatch.setattr("evaluate.TRAIN", tmp_path / "train")
    table[:18].to_parquet(tmp_path / "train", index=False)
    with Writer(tmp_path / "prepared") as writer:
        for some in (table[:0], table[:2], table[2:]):
            writer.write(some.reset_index(drop=True))
        writer.finish(Schema({}, [], {}))
    data = {"columns": [], "rows": {"dropped": {"duplicate": 0}}}
    training, first = read_training(Rows(table[18:]), data)
    pd.testing.assert_frame_equal(first.table, table)
    assert len(training) == 18


def test_every_metric_has_its_name(estimator, table):
    metrics, *_ = evaluate(estimator, table)
    assert list(metrics) == CLASSIFICATION
    numbers = table.assign(label=table["x"] / 2)
    metrics, *_ = evaluate(fit(numbers, model="linear"), numbers)
    assert list(metrics) == REGRESSION


def test_curves_hold_the_points_of_scikit_learns(table):
    """At a false positive rate or a recall that the curve passes through, its value is the same."""
    noisy = table.assign(x=table["x"].sample(frac=1, random_state=0).to_numpy())
    estimator = fit(noisy)
    *_, plots = evaluate(estimator, noisy)
    scores = estimator.predict_proba(noisy[["x", "y"]])[:, 1]
    one = noisy["label"].eq("b")
    rates = plots["roc"]["true_positive_rate"].tolist()
    assert (rates[0], rates[-1]) == (0, 1)
    assert np.mean(rates) == pytest.approx(roc_auc_score(one, scores), abs=0.02)
    area = plots["precision_recall"]["precision"].mean()
    assert area == pytest.approx(average_precision_score(one, scores), abs=0.1)
    assert plots["calibration"]["rows"].sum() == len(noisy)
    stated = (plots["calibration"]["probability"] * plots["calibration"]["rows"]).sum()
    assert stated == pytest.approx(scores.sum())


@pytest.mark.parametrize("labels", ["abc", "abcd"])
def test_scores_of_pairs_of_classes_make_no_curve(table, labels):
    data = table.assign(label=list(labels) * (24 // len(labels)))
    spec = {"tree": {"class": "sklearn.svm.SVC", "decision_function_shape": "ovo"}}
    *_, plots = evaluate(fit(data, spec), data)
    assert plots["roc"].empty and plots["precision_recall"].empty


def test_curves_that_are_not_defined_have_no_points():
    assert roc({}).empty and precision_recall({}).empty


def test_importance_finds_the_feature_that_matters(estimator, table):
    *_, plots = evaluate(estimator, table)
    assert plots["importance"]["feature"].tolist() == ["x", "y"]
    assert plots["importance"]["importance"].tolist()[1] == 0
    assert plots["importance"]["importance"].tolist()[0] > 0.2


def test_plot_data_is_bounded():
    """Many rows, many classes, many features."""
    rows, classes = 1500, 25
    label = np.arange(rows) % classes
    many = pd.DataFrame({f"x{n}": (label + n) % classes for n in range(40)}).assign(label=label)
    for target in (label, label.astype(float)):
        model = "tree" if target is label else "linear"
        table = many.assign(label=target)
        *_, plots = evaluate(fit(table[:600], model=model), table)
        assert plots["importance"].shape[0] == 30
        assert max(map(len, plots.values())) <= 1000
    *_, plots = evaluate(fit(many[:600]), many)
    assert plots["confusion"]["count"].sum() == rows
    assert set(plots["confusion"]["actual"]) >= {"0", "(other)"}


def test_a_model_without_probabilities_has_curves_and_no_calibration(table):
    spec = {"tree": {"class": "sklearn.svm.SVC"}}
    for labels in (["a", "b"], ["a", "b", "c"]):
        data = table.assign(label=labels * (24 // len(labels)))
        metrics, _, plots = evaluate(fit(data, spec), data)
        assert "log_loss" not in metrics
        assert plots["calibration"].empty
        assert plots["roc"].notna().all(axis=None)


def test_report_shows_what_is_in_a_name(table, tmp_path):
    name = "a_b *c* | <d>\ne\x01"
    prepared = table.rename(columns={"x": name})
    odd = prepared.assign(when="12:30 sharp", size=["s", "S"] * 12)
    odd[[name, "when", "size", "y", "label"]].to_csv(tmp_path / "t.csv", index=False)
    params = PREPARE | {"raw": str(tmp_path / "t.csv")}
    data = prepare(Table(params["raw"], params), params, tmp_path / "prepared.parquet")
    estimator = fit(prepared)
    metrics, intervals, plots = evaluate(estimator, prepared)
    metrics |= {"baseline": {"accuracy": 0.5}}
    pictures = draw_pictures(plots, tmp_path)
    assert pictures == ["confusion", "roc", "precision_recall", "calibration", "importance"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    draw_pictures(plots, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    metrics |= {"training": {"accuracy": 1.0}, "cv": {"accuracy": 0.75}, "search": {"C": 1}}
    text = write_report(
        metrics=metrics,
        hyperparameters=hyperparameters(estimator),
        data=data,
        rows={"training": 17, "test": 7},
        pictures=pictures,
        plots=plots,
        intervals=intervals | {"accuracy": {"low": 0.625, "high": 1.0}},
        folds={"accuracy": 0.125},
        trials={"number": 21},
        encoding=encoding(estimator),
        findings=[Finding("leak-feature", f"{name} alone tells", "drop it")],
        ranking=pd.DataFrame({"model": ["tree"]}),
    )
    assert text.index("- `leak-feature`: a_b \\*c\\*") < text.index("## Scores")
    assert "\n| a_b \\*c\\* \\| \\<d\\> e | feature | integer | 0 | 24 |\n" in text
    header = "Test | 95 % interval | Training | Cross-validation | Without features"
    assert f"\n|  | {header} |\n" in text
    assert "\n| accuracy | 1 | 0.625 to 1 | 1 | 0.75 ± 0.12 | 0.5 |\n" in text
    assert "best of 21 in cross-validation, so that score is optimistic" in text
    assert "\n| numbers | nothing: as they are | 2 |\n" in text
    assert "\n- size: has values that differ in case alone, such as 's' and 'S'" in text
    unset = [key for key, value in estimator[-1].get_params().items() if value is None]
    assert "random_state" not in unset and len(unset) > 2
    assert not any(f"\n| {key} | None |" in text for key in unset)
    assert all(f"(plots/{picture}.svg)" in text for picture in pictures)


def test_what_the_report_leaves_out_is_said(tmp_path):
    random = np.random.default_rng(0)
    names = [f"class {number}" for number in range(25)]
    table = pd.DataFrame(random.normal(size=(500, 18))).add_prefix("x")
    table["label"] = random.choice(names, 500, p=np.arange(45, 20, -1) / 825)
    estimator = fit(table)
    *_, plots = evaluate(estimator, table)
    assert "\n\n5 more are in `results/plots/classes.csv`." in classes_section(plots["classes"])
    assert "more are in" not in classes_section(plots["classes"][:20])
    draw_pictures(plots, tmp_path)
    frequent = [f"{one} ({n} rows)" for one, n in table["label"].value_counts().items()][:9]
    for name in ("roc", "precision_recall"):
        text = (tmp_path / f"{name}.svg").read_text()
        assert "The 9 most frequent classes" in text
        places = [text.index(f"{one}</text>") for one in frequent]
        assert places == sorted(places), "as the legend has them"
    assert "The first 15" in (tmp_path / "importance.svg").read_text()
    line = {"name": "x", "role": "feature", "type": "number", "missing": 0, "distinct": 2}
    columns = [{**line, "notes": ["odd"] * (n > 50)} for n in range(200)]
    section = columns_section({"columns": columns, "notes": []})
    assert section.count("100 more are in `results/data.json`.") == 1
    assert section.endswith("\n\n49 more are in `results/data.json`.")


def test_each_class_has_its_line_and_its_curve(table, tmp_path):
    three = table.assign(label=["a"] * 12 + ["b"] * 9 + ["c"] * 3)
    estimator = fit(three.replace({"label": {"c": "b"}}).assign(label=three["label"]))
    *_, plots = evaluate(estimator, three)
    classes = plots["classes"].set_index("class")
    assert classes["rows"].to_dict() == {"a": 12, "b": 9, "c": 3}
    predicted = estimator.predict(three[["x", "y"]])
    assert classes["predicted"].to_dict() == pd.Series(predicted).value_counts().to_dict()
    assert classes.loc["a", "recall"] == np.mean(predicted[:12] == "a")
    drawn = plots["roc_classes"].groupby("class").size()
    assert sorted(drawn.index) == ["a (12 rows)", "b (9 rows)", "c (3 rows)"]
    draw_pictures(plots, tmp_path)
    assert "c (3 rows)" in (tmp_path / "roc.svg").read_text(encoding="utf-8")


def test_a_class_may_have_any_name(table):
    for names in (["red", "blue", "(other)"], ["((other))", "(other)", "nan"]):
        data = table.assign(label=names * 8)
        *_, plots = evaluate(fit(data), data)
        assert plots["confusion"]["count"].sum() == 24
    many = pd.DataFrame({"x": np.arange(300.0)})
    many["label"] = np.where(many["x"] % 30 == 0, "(other)", "c" + (many["x"] % 30).astype(str))
    confusion = evaluate(fit(many), many)[-1]["confusion"]
    assert confusion["count"].sum() == 300 and "((other))" in set(confusion["actual"])


def test_the_baseline_knows_no_feature(table):
    known, actual = pd.Series(["a", "a", "b"]), pd.Series(["a", "b", "b", "b"])
    scores = baseline(known, actual)
    assert scores["accuracy"] == 0.25 and scores["roc_auc"] == 0.5
    assert scores["log_loss"] == pytest.approx(-np.log([2 / 3, 1 / 3, 1 / 3, 1 / 3]).mean())
    numbers = baseline(pd.Series([1.0, 3.0]), pd.Series([1.0, 5.0]))
    assert numbers["mae"] == 2 and numbers["r2"] == pytest.approx(-0.25)


def test_metrics_are_listed_in_dagshubs_columns(tmp_path):
    write_metrics_csv({"r2": 0.5, "cv": {"r2": 0.25, "mae": 2}}, tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text() == (
        'Name,Value,Timestamp,Step\n"r2",0.5,0,1\n"cv.r2",0.25,0,1\n"cv.mae",2,0,1\n'
    )


def test_hyperparameters_include_defaults(estimator, table):
    logged = hyperparameters(estimator)
    assert logged["model_class"] == "DecisionTreeClassifier"
    assert logged["model"]["max_depth"] == 2
    assert logged["model"]["criterion"] == "gini"
    linear = fit(table.assign(label=table["x"] / 2), model="linear")
    assert hyperparameters(linear)["model_class"] == "Ridge"
    assert list(logged["model"])[:2] == ["max_depth", "random_state"], "those that were set first"


def test_errors_are_told_by_the_size_of_the_target(table):
    numbers = table.assign(label=table["x"] / 2)
    *_, plots = evaluate(fit(numbers[:12], model="linear"), numbers)
    errors = plots["errors"]
    predicted = fit(numbers[:12], model="linear").predict(numbers[["x", "y"]])
    assert errors["rows"].sum() == len(numbers)
    assert (errors["from"][0], errors["to"].iloc[-1]) == (0, 11.5)
    assert (errors["from"][1:].to_numpy() > errors["to"][:-1]).all()
    last = numbers["label"] >= errors["from"].iloc[-1]
    wrong = predicted[last] - numbers["label"][last]
    assert errors["mean_error"].iloc[-1] == pytest.approx(wrong.mean())
    assert errors["mae"].iloc[-1] == pytest.approx(wrong.abs().mean())
    assert errors["median_absolute_error"].iloc[-1] == pytest.approx(wrong.abs().median())


def test_curves_are_those_of_the_class_that_is_named(table):
    """Whichever is the positive class, a model with and one without probabilities agree with it."""
    noisy = table.assign(x=table["x"].sample(frac=1, random_state=0).to_numpy())
    machine = {"tree": {"class": "sklearn.svm.SVC"}}
    for models in (None, machine):
        estimator = fit(noisy, models) if models else fit(noisy)
        curves, area = {}, {}
        for name in ("a", "b"):
            *_, plots = evaluate(estimator, noisy, name)
            curves[name] = plots["precision_recall"]["precision"].tolist()
            area[name] = plots["roc"]["true_positive_rate"].mean()
            assert plots["roc_classes"]["class"].unique().tolist() == [f"{name} (12 rows)"]
        assert curves["a"] != curves["b"]
        assert area["a"] == pytest.approx(area["b"], abs=0.05) and area["a"] > 0.6
    flipped = noisy.replace({"label": {"a": "b", "b": "a"}})
    *_, plots = evaluate(fit(flipped), flipped, "b")
    *_, others = evaluate(fit(noisy), noisy, "a")
    pd.testing.assert_frame_equal(plots["roc"], others["roc"])
    pd.testing.assert_frame_equal(plots["calibration"], others["calibration"])
