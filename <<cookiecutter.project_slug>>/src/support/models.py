"""Create, build and fit the models that params.yaml describes."""

import pkgutil
import warnings
from typing import Any, TypeAlias

from support.encoders import codes_of, encoder_of, forget_folds, is_narrow
from support.params import InputError, first_line
from support.rows import Rows

from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

# Packages whose classifiers accept only the classes 0, 1, 2 ...
NUMBERED = ["xgboost"]
# Arguments that keep a package from printing a line per tree, unless the entry sets them
QUIET = {"lightgbm": {"verbose": -1}}
# A model, or several models by name, to average
Model: TypeAlias = BaseEstimator | dict[str, BaseEstimator]
# Boosting accepts at most as many categories per feature as bins, this many by default.
BINS = 255
HIST_GRADIENT_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def create(name: str, spec: dict[str, Any], setting: dict[str, Any], params: Any) -> BaseEstimator:
    """Return the model of `spec`, unfitted.

    `spec` is an entry of `models` in params.yaml: `class`, the dotted path of an estimator, and its
    keyword arguments, which the arguments in `setting` replace. From `params`, the section `train`,
    `seed` becomes its random_state, and `class_weight`, unless it is `none`, its class_weight, if
    neither sets them.

    Raises InputError when the class cannot be imported or does not take an argument.
    """
    if not isinstance(spec, dict) or "class" not in spec:
        raise InputError(f"params.yaml: models.{name} needs a `class`, an estimator's dotted path")
    arguments = {key: value for key, value in spec.items() if key not in ("class", "search")}
    arguments |= setting
    path = str(spec["class"])
    package = path.partition(".")[0]
    if package == "catboost":
        raise InputError(
            f"params.yaml: models.{name} ({path}): skops saves no such model in the same bytes twice; "
            "take HistGradientBoosting, XGBoost or LightGBM"
        )
    arguments = QUIET.get(package, {}) | arguments
    try:
        model = pkgutil.resolve_name(path)(**arguments)
        defaults = {"random_state": params["seed"], "class_weight": params["class_weight"]}
        if params["class_weight"] == "none":
            del defaults["class_weight"]
        elif not weighs_classes(model) and not weighs_rows(model):
            # Not all classes check this themselves.
            raise TypeError("it takes no class_weight; set train.class_weight to none")
        # Not the arguments again: a function may take other arguments than its model.
        known = model.get_params().keys() - arguments.keys()
        model.set_params(**{key: defaults[key] for key in defaults.keys() & known})
        get_tags(model)  # raises unless it is an estimator
    except Exception as error:  # noqa: BLE001, each package raises its own
        raise InputError(f"params.yaml: models.{name} ({path}): {first_line(error)}") from None
    return model


def package_of(model: BaseEstimator) -> str:
    return type(model).__module__.partition(".")[0]


def weighs_classes(model: BaseEstimator) -> bool:
    return "class_weight" in model.get_params()


def weighs_rows(model: BaseEstimator) -> bool:
    return is_classifier(model) and has_fit_parameter(model, "sample_weight")


def build(model: BaseEstimator, rows: Rows, params: dict[str, Any]) -> Pipeline:
    """Return an unfitted pipeline: an encoder of the features of `rows` to fit, then `model`.

    `params` is the section `train` of params.yaml. With `scale_target`, the target of a regression
    is standardised, unless the model needs a positive target, or accepts gaps: trees need no
    scaling, except of numbers in tiny units.
    """
    tags = get_tags(model)
    takes_gaps = tags.input_tags.allow_nan
    limit, seed = params["max_categories"], params["seed"]
    features = rows.features
    columns = encoder_of(features, rows.target, takes_gaps, params["scale"], limit, seed)
    codes = codes_of(columns, features, getattr(model, "max_bins", BINS))
    by_type = getattr(model, "categorical_features", None) == "from_dtype"
    if isinstance(model, HIST_GRADIENT_BOOSTING) and by_type and codes:
        model.set_params(categorical_features=codes)
    positive = tags.target_tags.positive_only
    scaled = params["scale_target"] and is_regressor(model) and not positive
    if scaled and (not takes_gaps or is_narrow(rows.target)):
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    if is_classifier(model) and package_of(model) in NUMBERED:
        # It numbers the classes of each training table; a vote of one is the model's own.
        model = VotingClassifier([("classifier", model)], voting="soft")
    return Pipeline([("columns", columns), ("model", model)])


def fit(model: Model, rows: Rows, params: dict[str, Any]) -> BaseEstimator:
    """Return the pipeline of `model` fitted to `rows`.

    For several models, it averages their pipelines: the probabilities, or the numbers.

    Raises ValueError with the first line of the model's error.
    """
    features, target = rows.features, rows.target
    if isinstance(model, dict):
        members = {name: fit(one, rows, params) for name, one in model.items()}
        frozen = [(name, FrozenEstimator(one)) for name, one in members.items()]
        classify = all(is_classifier(one) for one in members.values())
        vote = VotingClassifier(frozen, voting="soft") if classify else VotingRegressor(frozen)
        return vote.fit(features, target)
    arguments: dict[str, Any] = {}
    try:
        estimator = build(clone(model), rows, params)
        if package_of(model) == "lightgbm":
            # XGBoost takes codes as numbers: as categories, its scores were no better.
            arguments["model__categorical_feature"] = codes_of(estimator["columns"], features, BINS)
            tell_unknown(model)
        if params["class_weight"] != "none" and not weighs_classes(model):
            weights = compute_sample_weight(params["class_weight"], target)
            arguments["model__sample_weight"] = weights
        estimator.fit(features, target, **arguments)
    except Exception as error:
        # Each package raises its own exceptions.
        raise ValueError(first_line(error)) from error
    forget_folds(estimator["columns"])
    return estimator


def tell_unknown(model: BaseEstimator) -> None:
    """Warn of arguments of a model of LightGBM that may be misspelt: it ignores unknown ones."""
    known = {**type(model)().get_params(), **QUIET["lightgbm"]}
    if unknown := model.get_params().keys() - known.keys():
        warnings.warn(
            f"{type(model).__name__} has no argument {', '.join(sorted(unknown))}: write its own "
            "names, as LightGBM ignores those that it does not know",
            stacklevel=1,
        )


def innermost(estimator: BaseEstimator) -> BaseEstimator:
    """Return the model in a fitted pipeline, without the wrappers of `build`, or the average."""
    if not isinstance(estimator, Pipeline):
        return estimator
    model = estimator["model"]
    if isinstance(model, VotingClassifier):
        # A voting estimator from the user has other members.
        return model.named_estimators_.get("classifier", model)
    return model.regressor_ if isinstance(model, TransformedTargetRegressor) else model
