"""Predict the target of new rows: python src/predict.py new.csv [-o predictions.csv]"""

import argparse
import os
import sys

from support.models import MODEL, load, text_features
from support.params import InputError, load_params
from support.tables import convert, first_text, read_csv, select

import pandas as pd
from sklearn.pipeline import Pipeline


def predict(estimator: Pipeline, table: pd.DataFrame, source: str, dates: str) -> pd.DataFrame:
    """Return a row for each row of `table`: its other columns, then the prediction.

    `table` must hold every feature; columns that are no feature, such as an identifier, are
    carried over. `prediction` is followed by a column `probability of CLASS` for each class,
    if the model gives probabilities. Missing values are filled as in training. `source` is the
    file's name, for messages, and `dates` the format of dates.

    Raises InputError for a missing feature, or a text where the model takes a number.
    """
    if table.empty:
        raise InputError(f"{source} has no rows")
    names = list(estimator.feature_names_in_)
    features = select(table, names, source).copy()
    for name in [name for name in names if name not in text_features(estimator)]:
        kind, features[name] = convert(features[name], dates)
        if kind == "text":
            raise InputError(f"{source}, {first_text(table[name])}, but the model takes a number")
    result = table.drop(columns=names).assign(prediction=estimator.predict(features))
    if hasattr(estimator, "predict_proba"):
        probabilities = estimator.predict_proba(features)
        for label, column in zip(estimator.classes_, probabilities.T, strict=True):
            result[f"probability of {label}"] = column
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Predict the target of the rows of a CSV file.")
    parser.add_argument("table", help="CSV file with the features; other columns are kept")
    parser.add_argument("-o", "--output", help="CSV file to write (default: print)")
    arguments = parser.parse_args()

    estimator = load(MODEL, **load_params("evaluate", {"trusted_types": list}))
    params = load_params("prepare")
    table = read_csv(arguments.table, params, text=text_features(estimator))
    result = predict(estimator, table, arguments.table, params["dates"])
    try:
        result.to_csv(arguments.output or sys.stdout, index=False, lineterminator="\n")
    except BrokenPipeError:
        # The reader, `head` for instance, has had enough. Python would complain when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise InputError(f"cannot write {arguments.output or 'to stdout'}: {error}") from None


if __name__ == "__main__":
    main()
