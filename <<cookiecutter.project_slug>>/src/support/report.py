"""The plots as images, and a Markdown report that git hosts render."""

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from support.findings import Finding
from support.intervals import LEVEL
from support.plots import CLASSES

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The same bytes for everyone: no user settings, ids from a fixed salt, no date. Text stays text.
mpl.rcdefaults()
mpl.rcParams.update({"svg.hashsalt": "0", "svg.fonttype": "none"})
# The report lists at most this many columns; data.json lists all.
COLUMNS = 100
COLOR, FAINT = "#3b6ea5", "#b0b0b0"
# The bars of a picture
BARS = 15
# Steps of an axis whose numbers may be long
STEPS = 4
# The size of a plot between its axes, in inches
SIDE = 3


def draw_confusion(axes: Axes, table: pd.DataFrame) -> None:
    counts = table.pivot(index="actual", columns="predicted", values="count")
    # pivot sorts, and would move the last row
    order = table["actual"].unique()
    counts = counts.loc[order, order]
    shares = counts.div(counts.sum(axis="columns").clip(lower=1), axis="index")
    # In inches, so that the largest count has room in its cell
    side = len(order) * (0.2 + 0.08 * len(str(counts.max(axis=None))))
    if side > SIDE:
        axes.figure.set_size_inches(side, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [shorten(label) for label in order]
    axes.set_xticks(range(len(order)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(order)), labels)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares.iloc[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=color)
    axes.set(title="Confusion matrix", xlabel="Predicted class", ylabel="Actual class")


def draw_curves(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the curve of each class; the table's columns are the class, x and y."""
    classes = table["class"].unique()
    for label in classes:
        _, x, y = table[table["class"] == label].to_numpy(dtype=object).T
        color = COLOR if len(classes) == 1 else None
        axes.plot(x.astype(float), y.astype(float), color=color, label=shorten(label))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def of_classes(table: pd.DataFrame) -> str:
    """Return which classes have a curve, if not all have one."""
    left_out = table.attrs.get("left_out")
    return f"\nThe {table['class'].nunique()} most frequent classes" if left_out else ""


def draw_roc(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--")
    draw_curves(axes, table)
    axes.set(
        title=f"ROC{of_classes(table)}", xlabel="False positive rate", ylabel="True positive rate"
    )


def draw_precision_recall(axes: Axes, table: pd.DataFrame) -> None:
    draw_curves(axes, table)
    title = f"Precision and recall{of_classes(table)}"
    axes.set(title=title, xlabel="Recall", ylabel="Precision", ylim=(0, 1.05))


def draw_calibration(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--")
    axes.plot(table["probability"], table["fraction"], color=COLOR, marker="o")
    axes.set(title="Calibration", xlabel="Stated probability", ylabel="Fraction that was right")


def draw_importance(axes: Axes, table: pd.DataFrame) -> None:
    title, first = table.attrs.get("title", "Permutation importance"), table[:BARS]
    title += f"\nThe first {BARS}" * (len(table) > BARS)
    table = first[::-1]
    axes.barh(range(len(table)), table["importance"], color=COLOR)
    axes.set_yticks(range(len(table)), [shorten(name) for name in table["feature"]])
    axes.set(title=title, xlabel="Loss of score")
    axes.locator_params(axis="x", nbins=STEPS)


def draw_predictions(axes: Axes, table: pd.DataFrame) -> None:
    ends = [table[["actual", "predicted"]].min().min(), table[["actual", "predicted"]].max().max()]
    axes.plot(ends, ends, color=FAINT, linestyle="--")
    axes.scatter(table["actual"], table["predicted"], s=10, color=COLOR, alpha=0.6, linewidths=0)
    axes.set(title="Predicted against actual", xlabel="Actual value", ylabel="Predicted value")
    axes.locator_params(axis="x", nbins=STEPS)


def draw_residuals(axes: Axes, table: pd.DataFrame) -> None:
    axes.axhline(0, color=FAINT, linestyle="--")
    axes.scatter(table["predicted"], table["residual"], s=10, color=COLOR, alpha=0.6, linewidths=0)
    axes.set(title="Residuals", xlabel="Predicted value", ylabel="Actual - predicted")
    axes.locator_params(axis="x", nbins=STEPS)


# The function that draws each table of plots.plot_data
PICTURES = {
    "confusion": {"confusion": draw_confusion},
    "roc_classes": {"roc": draw_roc},
    "precision_recall_classes": {"precision_recall": draw_precision_recall},
    "calibration": {"calibration": draw_calibration},
    "predictions": {"predictions": draw_predictions, "residuals": draw_residuals},
    "importance": {"importance": draw_importance},
}


def one_line(text: object) -> str:
    """Return a text on one line, without control characters, which XML forbids."""
    return "".join(letter for letter in " ".join(str(text).split()) if letter.isprintable())


def shorten(name: str, length: int = 30) -> str:
    """Return a name on one line, without characters that Matplotlib takes for mathematics."""
    name = one_line(name).replace("$", r"\$")
    return name if len(name) <= length else f"{name[: length - 1]}…"


def draw_pictures(tables: dict[str, pd.DataFrame], folder: Path) -> list[str]:
    """Write an image, NAME.svg, of each plot that has rows; return the names."""
    names = []
    for table_name, table in tables.items():
        for name, draw_on in PICTURES.get(table_name, {}).items():
            if table.dropna().empty:
                continue
            figure = Figure(figsize=(SIDE, SIDE))
            draw_on(figure.add_axes((0, 0, 1, 1)), table)
            with warnings.catch_warnings():
                # The viewer of the image has a font for the text, even if Matplotlib does not.
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                metadata = {"Date": None, "Creator": None}
                # Tight: the axes keep their size, and names get the space that they need.
                path = folder / f"{name}.svg"
                figure.savefig(path, format="svg", bbox_inches="tight", metadata=metadata)
            names.append(name)
    return names


def escape(text: object) -> str:
    """Return a text on one line, escaped for Markdown."""
    # An underscore within a word means nothing in GitHub's Markdown.
    special = r"[\\`*\[\]<>#|$~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    return re.sub(special, r"\\\g<0>", one_line(text))


def more(total: int, shown: int, file: str) -> str:
    """Return a line on what a list of at most `shown` items leaves out; "" for nothing."""
    return f"\n\n{total - shown} more are in `results/{file}`." if total > shown else ""


def table_of(header: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table in Markdown; all columns but the first are right-aligned."""
    cells = [[escape(cell) for cell in row] for row in rows]
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *cells])


def number(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.4g}"


def findings_section(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    lines = [f"- `{code}`: {escape(seen)}; {escape(advice)}" for code, seen, advice in findings]
    return "## Findings\n\n" + "\n".join(lines)


def scores_section(
    metrics: dict[str, Any],
    intervals: dict[str, dict[str, float]],
    folds: dict[str, float],
    trials: dict[str, Any],
) -> str:
    """Return the metrics of each part side by side, with notes on them.

    `metrics` are those of results/metrics.json, `intervals` those of the test, `folds` the standard
    deviations over the folds, and `trials` says how the model was found, see train.train.
    """
    parts = {"training": "Training", "cv": "Cross-validation", "baseline": "Without features"}
    parts = {part: title for part, title in parts.items() if part in metrics}
    rows = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            continue
        row = {part: number(metrics[part].get(name)) for part in parts}
        if row.get("cv") and name in folds:
            row["cv"] += f" ± {folds[name]:.2g}"
        between = intervals.get(name)
        span = f"{between['low']:.4g} to {between['high']:.4g}" if between else ""
        rows.append([name, f"{value:.4g}", span, *row.values()])
    text = table_of(["", "Test", f"{LEVEL} % interval", *parts.values()], rows)
    return f"## Scores\n\n{text}\n\n{' '.join(score_notes(metrics, intervals, trials))}".rstrip()


def score_notes(
    metrics: dict[str, Any], intervals: dict[str, dict[str, float]], trials: dict[str, Any]
) -> list[str]:
    """Return what a reader of the scores has to know; the arguments are those of scores_section."""
    notes = []
    if intervals:
        notes.append(
            f"In about {LEVEL} of 100 such tests, the interval contains the score on new rows "
            "(bootstrap over test rows, groups or periods); in fewer for losses and errors that a few "
            "rows dominate."
        )
    if "precision" in metrics:
        notes.append(
            f"Precision, recall, F1, ROC AUC and average precision are of {trials['positive']}."
            if trials.get("positive", "") != ""
            else "Precision, recall and F1 are means over the classes; so are ROC AUC and average "
            "precision, but with two classes, these are of the second by name (see `train.positive`)."
        )
    if "cv" in metrics:
        notes.append("± is the standard deviation over the folds.")
    if "search" in metrics:
        notes.append(
            f"The model is the best of {trials['number']} in cross-validation, so that score is "
            "optimistic; the test took no part in the choice."
        )
    return notes


def classes_section(classes: pd.DataFrame) -> str:
    cells = [
        [cell if isinstance(cell, str) else number(cell) for cell in row]
        for row in classes[:CLASSES].astype({"class": str}).itertuples(index=False)
    ]
    rest = more(len(classes), CLASSES, "plots/classes.csv")
    return f"## Classes\n\n{table_of(list(classes.columns), cells)}{rest}"


def errors_section(errors: pd.DataFrame, target: str) -> str:
    cells = [[number(cell) for cell in row] for row in errors.itertuples(index=False)]
    text = table_of([name.replace("_", " ") for name in errors.columns], cells)
    return f"## Errors by size\n\nIn the unit of {escape(target)}, by its actual value.\n\n{text}"


def ranking_section(ranking: pd.DataFrame) -> str:
    cells = [[row[0], *map(number, row[1:])] for row in ranking.itertuples(index=False)]
    return f"## Models in cross-validation\n\n{table_of(list(ranking.columns), cells)}"


def columns_section(data: dict[str, Any]) -> str:
    """Return a line for each column and each note of `data`, the report of stage prepare."""
    columns = data["columns"]
    header = ["", "Role", "Type", "Missing", "Distinct"]
    lines = table_of(header, [list(line.values())[:5] for line in columns[:COLUMNS]])
    notes = [
        *data["notes"],
        *(f"{one['name']}: {note}" for one in columns for note in one["notes"]),
    ]
    lines += more(len(columns), COLUMNS, "data.json")
    listed = "".join(f"\n- {escape(note)}" for note in notes[:COLUMNS])
    listed += more(len(notes), COLUMNS, "data.json")
    return f"## Columns\n\n{lines}" + (f"\n{listed}" if listed else "")


def title_section(model: str, data: dict[str, Any], rows: dict[str, int]) -> str:
    columns = data["columns"]
    target = escape(next(line["name"] for line in columns if line["role"] == "target"))
    number = sum(line["role"] in ("feature", "time") for line in columns)
    features = f"{number} feature{'s' * (number > 1)}"
    dropped = [f"{number} {why}" for why, number in data["rows"]["dropped"].items() if number]
    kept = f"{data['rows']['raw']} rows" + (f" (dropped: {', '.join(dropped)})" if dropped else "")
    return f"""# {model} for {target}

Predicts **{target}** from {features} of `{data["source"]}`: {kept},
{rows["training"]} for training, {rows["test"]} for the test."""


REPRODUCE = """## Reproduce

In the commit that holds this report:

```sh
pip install -r requirements.txt
dvc pull {source}.dvc
dvc repro --force
```"""


def write_report(
    metrics: dict[str, Any],
    hyperparameters: dict[str, Any],
    data: dict[str, Any],
    rows: dict[str, int],
    pictures: Sequence[str],
    plots: dict[str, pd.DataFrame],
    intervals: dict[str, dict[str, float]],
    folds: dict[str, float],
    trials: dict[str, Any],
    encoding: Sequence[Sequence[str]],
    findings: Sequence[Finding],
    ranking: pd.DataFrame,
) -> str:
    """Return the report in Markdown.

    `metrics` and `hyperparameters` are those of the results, `data` is the report of stage
    prepare, `rows` the size of the `training` and the `test` table, and `pictures` names the images
    in the folder plots/ next to the report. `plots` has the tables of plots.plot_data, `encoding` a
    line for each kind of column, `ranking` the table of train.ranking; for `intervals`, `folds`
    and `trials`, see `scores_section`.
    """
    target = next(line["name"] for line in data["columns"] if line["role"] == "target")
    gallery = "\n".join(f"![{name}](plots/{name}.svg)" for name in pictures)
    # XGBoost, for one, has forty without a value.
    valued = [(name, one) for name, one in hyperparameters["model"].items() if one is not None]
    settings = table_of(["", "Value"], valued)
    encoded = table_of(["Columns", "Encoded by", "Number"], encoding)
    sections = [
        title_section(hyperparameters["model_class"], data, rows),
        findings_section(findings),
        scores_section(metrics, intervals, folds, trials),
        classes_section(plots["classes"]) if "classes" in plots else "",
        errors_section(plots["errors"], target) if "errors" in plots else "",
        ranking_section(ranking) if len(ranking) > 2 else "",
        f"## Plots\n\n{gallery}",
        f"## Hyperparameters\n\n{settings}\n\n`results/params.yml` also names those without a value.",
        f"## Encoding\n\n{encoded}",
        columns_section(data),
        REPRODUCE.format(source=data["source"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
