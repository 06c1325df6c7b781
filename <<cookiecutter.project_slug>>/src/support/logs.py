"""Hyperparameters and metrics in the formats of DagsHub's logger."""

import csv
import inspect
from pathlib import Path
from typing import Any

from support.models import innermost

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline


def hyperparameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the model's class and every effective hyperparameter, those that were set first.

    The hyperparameters of an average are its models by name.

    The layout is that of DagsHub's logger: `model_class`, and `model` from get_params(), in which
    all values except numbers, booleans, None and strings become strings. scikit-learn gives
    deprecated parameters, which have no effect, the value "deprecated".
    """
    model = innermost(estimator)
    settings = model.get_params()
    if not isinstance(estimator, Pipeline):
        members = estimator.named_estimators_.items()
        settings = {name: innermost(one.estimator) for name, one in members}
    plain = (bool, int, float, str, type(None))
    values = {
        name: value if isinstance(value, plain) else " ".join(str(value).split())
        for name, value in settings.items()
        if not (isinstance(value, str) and value == "deprecated")
    }
    arguments = inspect.signature(type(model)).parameters
    defaults = {name: argument.default for name, argument in arguments.items()}
    # Compare strings: NaN is not equal to itself.
    values = dict(
        sorted(values.items(), key=lambda item: str(item[1]) == str(defaults.get(item[0])))
    )
    return {"model_class": type(model).__name__, "model": values}


def write_metrics_csv(metrics: dict[str, Any], path: Path) -> None:
    """Write metrics as DagsHub's logger does; those of a part are called `part.name`.

    There are four columns; all values that are not numbers are quoted, except in the header.
    Timestamp is in epoch milliseconds, and always 0: with the time of the run, the file and the
    commit would differ each time.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("Name,Value,Timestamp,Step\n")
        rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for name, value in metrics.items():
            parts = value if isinstance(value, dict) else {"": value}
            # A setting from a search may be text.
            parts = {key: one for key, one in parts.items() if isinstance(one, int | float)}
            rows.writerows([f"{name}.{key}".rstrip("."), one, 0, 1] for key, one in parts.items())


def encoding(estimator: BaseEstimator) -> list[list[str]]:
    """Return the kinds of columns of a fitted pipeline: name, steps of the encoder, and number.

    For an average, they are the kinds of its members.
    """
    if not isinstance(estimator, Pipeline):
        members = [encoding(one.estimator) for one in estimator.named_estimators_.values()]
        return [
            list(line) for line in dict.fromkeys(tuple(line) for some in members for line in some)
        ]
    lines = []
    for kind, branch, columns in estimator["columns"].transformers_:
        steps = [type(step).__name__ for _, step in getattr(branch, "steps", [])]
        number = 1 if isinstance(columns, str) else len(columns)
        if kind != "remainder":
            lines.append([kind, ", ".join(steps) or "nothing: as they are", str(number)])
    return lines
