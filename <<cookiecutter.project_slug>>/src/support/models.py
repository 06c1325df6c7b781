"""Build, save and load estimators."""

import io
import json
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

from support.params import InputError, first_line

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from skops.io.exceptions import UntrustedTypesFoundException

MODEL = Path("models/model.skops")

# Types that a model file may contain beyond those that skops trusts by itself (scikit-learn's
# estimators, NumPy's arrays) and those of evaluate.trusted_types in params.yaml: what some
# estimators of scikit-learn are made of. None of them runs code when it is loaded. Trees hold
# raw indices, which scikit-learn does not check: a forged file could crash the process that
# predicts with it.
TRUSTED = [
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
]
# Packages whose classifiers take no classes but 0, 1, 2 ...
NUMBERED = ["xgboost"]


def create(
    name: str, spec: dict[str, Any], setting: dict[str, Any], class_weight: str, seed: int
) -> BaseEstimator:
    """Return the model of `spec`, unfitted.

    `spec` is an entry of `models` in params.yaml: `class`, the dotted path of an estimator, and
    its keyword arguments, which those of `setting` replace. `seed` becomes its random_state, and
    `class_weight`, unless `none`, its class_weight, if neither gives them.

    Raises InputError when the class cannot be imported or does not take an argument.
    """
    if not isinstance(spec, dict) or "class" not in spec:
        raise InputError(f"params.yaml: models.{name} needs a `class`, an estimator's dotted path")
    arguments = {key: value for key, value in spec.items() if key not in ("class", "search")}
    arguments |= setting
    path = str(spec["class"])
    try:
        model = pkgutil.resolve_name(path)(**arguments)
        defaults = {"random_state": seed} if "random_state" in model.get_params() else {}
        if class_weight != "none":
            # Not all say so themselves.
            if "class_weight" not in model.get_params():
                raise TypeError("it takes no class_weight; set train.class_weight to none")
            defaults["class_weight"] = class_weight
        # Not the arguments again: a function may take others than the model that it returns.
        model.set_params(**{key: defaults[key] for key in defaults.keys() - arguments.keys()})
        get_tags(model)  # raises unless it is an estimator
    except Exception as error:  # noqa: BLE001, each package raises its own
        raise InputError(f"params.yaml: models.{name} ({path}): {first_line(error)}") from None
    return model


def build(
    model: BaseEstimator, features: pd.DataFrame, scale: bool, max_categories: int
) -> Pipeline:
    """Return an unfitted pipeline: preprocessing of `features`, then `model`.

    Gaps among numbers take the median; with `scale`, numbers are standardised, and so is the
    target of a regression. Each text gets a column for each of its `max_categories` most frequent
    values in `features`, which should be the rows to fit; other values have 0 in all of them.
    """
    texts = features.select_dtypes("str").columns.tolist()
    numbers = [column for column in features if column not in texts]
    steps: list[tuple[str, BaseEstimator]] = [
        # Kept though empty: a fold may hold no value of a column that has some elsewhere.
        ("impute", SimpleImputer(strategy="median", keep_empty_features=True))
    ]
    if scale:
        steps.append(("scale", StandardScaler()))
    if scale and is_regressor(model):
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    if is_classifier(model) and type(model).__module__.partition(".")[0] in NUMBERED:
        # It numbers the classes of each table that it is fitted to; a vote of one is its own.
        model = VotingClassifier([("classifier", model)], voting="soft")
    # Given its categories, the encoder keeps no others. By its own max_categories it would keep
    # every text of the table, and search them all for each prediction.
    encoder = OneHotEncoder(
        categories=[frequent(features[name], max_categories) for name in texts],
        handle_unknown="ignore",
        sparse_output=False,
    )
    branches = [("numbers", Pipeline(steps), numbers), ("texts", encoder, texts)]
    columns = ColumnTransformer([branch for branch in branches if branch[2]])
    return Pipeline([("columns", columns), ("model", model)])


def frequent(texts: pd.Series, number: int) -> np.ndarray:
    """Return the `number` most frequent values, sorted; a gap counts as one and comes last."""
    counts = texts.value_counts(sort=False, dropna=False)
    # Stable: which of equally frequent values are in does not depend on the processor.
    values = counts.sort_values(ascending=False, kind="stable").index[:number]
    return values.sort_values().to_numpy(dtype=object)


def text_features(estimator: Pipeline) -> list[str]:
    """Return the features that a fitted `estimator` takes as text; the others are numbers."""
    branches = {name: columns for name, _, columns in estimator["columns"].transformers}
    return branches.get("texts", [])


def innermost(estimator: Pipeline) -> BaseEstimator:
    """Return the model in a fitted pipeline, without what `build` put around it."""
    model = estimator["model"]
    if isinstance(model, VotingClassifier):
        # A vote of the user's own has other members.
        return model.named_estimators_.get("classifier", model)
    return model.regressor_ if isinstance(model, TransformedTargetRegressor) else model


def save(estimator: BaseEstimator, path: Path) -> None:
    """Write `estimator` in skops format, the same bytes for the same estimator.

    skops names the members of its zip archive after memory addresses, repeats these as `__id__`
    and `file` in schema.json, and stamps each member with the time. Here addresses become
    numbers in order of appearance, and every member has ZipInfo's default date, 1980-01-01.
    """
    numbers: dict[str, int] = {}

    def renumber(node: dict[str, Any]) -> dict[str, Any]:
        if "__loader__" in node:
            for key in ("__id__", "file"):
                if key in node:
                    address, dot, suffix = str(node[key]).partition(".")
                    number = numbers.setdefault(address, len(numbers) + 1)
                    node[key] = f"{number}.{suffix}" if dot else number
        return node

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as dumped:
        members = {name: dumped.read(name) for name in dumped.namelist()}
    schema = json.loads(members.pop("schema.json"), object_hook=renumber)

    # Stored, not compressed: zlib's output differs between its versions.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:

        def write(name: str, content: bytes) -> None:
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # Unix; the default is the system that runs this
            archive.writestr(info, content)

        for name, content in members.items():
            address, _, suffix = name.partition(".")
            write(f"{numbers[address]}.{suffix}", content)
        write("schema.json", json.dumps(schema).encode())


def load(path: Path, trusted_types: list[str]) -> Pipeline:
    """Read a model that `save` wrote. Nothing in the file is executed.

    `trusted_types` comes from the section `evaluate` of params.yaml.

    Raises InputError when the file is missing, is no skops file, needs a package that is not
    installed, or contains types that neither skops, TRUSTED nor `trusted_types` lists.
    """
    trusted = [*TRUSTED, *trusted_types]
    try:
        return skops.io.load(path, trusted=trusted)
    except FileNotFoundError:
        raise InputError(f"{path} not found: run `dvc repro`, or `dvc pull` to fetch it") from None
    except UntrustedTypesFoundException:
        types = set(skops.io.get_untrusted_types(file=path)) - set(trusted)
        raise InputError(
            f"{path} contains types that are not trusted: {', '.join(sorted(types))}. If you know "
            "them and where the file comes from, add them to evaluate.trusted_types in params.yaml"
        ) from None
    except (ImportError, AttributeError) as error:
        raise InputError(f"{path}: {error}; `pip install -r requirements.txt` may help") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a model that src/train.py saved: {error}") from None
