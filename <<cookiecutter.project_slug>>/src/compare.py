"""Stage compare: training table and an entry of `models` -> its cross-validation scores.

dvc.yaml runs it for each entry that train.compare names: python src/compare.py ENTRY
"""

import json
import sys

from support.cluster import workers
from support.params import InputError, load_params, nearest
from support.rows import Rows
from support.search import (
    COMPARED,
    EXPECTED,
    TRAIN,
    check_rows,
    folds_of,
    print_candidates,
    search,
)

import pandas as pd
from threadpoolctl import threadpool_limits


def main() -> None:
    if len(sys.argv) != 2:
        raise InputError("usage: compare.py ENTRY, one of `models` in params.yaml")
    name, params, models = sys.argv[1], load_params("train", EXPECTED), load_params("models")
    if name not in models:
        raise InputError(f"params.yaml: train.compare holds {name!r}{nearest(name, models)}")
    rows = Rows(pd.read_parquet(TRAIN))
    check_rows(rows, params)
    folds = folds_of(rows, params)
    with threadpool_limits(1, user_api="blas"), workers(rows.table, folds):
        candidates = search(name, models[name], rows, folds, params)
    print_candidates(candidates, params["search"]["metric"])
    # Times differ from run to run.
    stored = [{key: one[key] for key in one if key != "seconds"} for one in candidates]
    COMPARED.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"spec": models[name], "candidates": stored}, indent=2) + "\n"
    (COMPARED / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
