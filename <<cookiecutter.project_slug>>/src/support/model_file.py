"""Save and load a fitted pipeline."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from support.models import innermost
from support.params import InputError, first_line, load_params

import skops.io
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

MODEL = Path("models/model.skops")

# Types that a model file may contain in addition to those that skops trusts (scikit-learn's
# estimators, NumPy's arrays) and those of evaluate.trusted_types in params.yaml: parts of some
# scikit-learn estimators, and our encoders. None of them runs code when it is loaded. Trees hold
# raw indices, which scikit-learn does not check: a forged file could crash the process that
# predicts with it.
TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
    "support.encoders.Calendar",
    "support.encoders.EffectEncoder",
    "support.encoders.SlopeEncoder",
    "support.encoders.TextEncoder",
]


def save(estimator: BaseEstimator, path: Path) -> None:
    """Write `estimator` in skops format, the same bytes for the same estimator.

    skops names the members of its zip archive after memory addresses, repeats these as `__id__`
    and `file` in schema.json, and stamps each member with the time. Here addresses become numbers
    in order of appearance, and every member has ZipInfo's default date, 1980-01-01. The thread
    count that HistGradientBoosting stores, which is not used again, is set to 1.
    """
    numbers: dict[str, int] = {}

    def renumber(node: dict[str, Any]) -> dict[str, Any]:
        if "__loader__" in node:
            for key in ("__id__", "file"):
                if key in node:
                    address, dot, suffix = str(node[key]).partition(".")
                    number = numbers.setdefault(address, len(numbers) + 1)
                    node[key] = f"{number}.{suffix}" if dot else number
        if node.get("__class__") == "_BinMapper":
            node["content"]["content"]["n_threads"]["content"] = "1"
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


def check_types(estimator: Pipeline) -> None:
    """Raise InputError if skops cannot save `estimator`, or `load` would refuse it.

    The error lists untrusted types as a line to paste. The check decides whether a stage stops, not
    its output, so dvc.yaml need not declare the parameter.
    """
    known = load_params("evaluate", {"trusted_types": list})["trusted_types"]
    name = type(innermost(estimator)).__name__
    try:
        types = set(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)))
    except Exception as error:  # noqa: BLE001, an object may raise anything when it is saved
        raise InputError(f"params.yaml: skops cannot save {name}: {first_line(error)}") from None
    if missing := types - {*TRUSTED, *known}:
        raise InputError(
            f"params.yaml: {name} is saved with types that are not trusted. If you know its package, "
            "write under evaluate:",
            f"  trusted_types: [{', '.join(sorted(missing | set(known)))}]",
        )


def check_size(path: Path) -> None:
    """Raise ValueError for a file that unpacks to far more than its size: `save` packs nothing.

    SciPy, however, packs sparse matrices, each into its own archive.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > size:
            raise ValueError("its parts are packed")
        for name in archive.namelist():
            if name.endswith(".npz"):
                with zipfile.ZipFile(archive.open(name)) as matrix:
                    if sum(part.file_size for part in matrix.infolist()) > 100 * size:
                        raise ValueError(f"{name} takes too much memory")


def load(path: Path, trusted_types: list[str]) -> BaseEstimator:
    """Read a model that `save` wrote. Nothing in the file is executed.

    `trusted_types` comes from the section `evaluate` of params.yaml.

    Raises InputError when the file is missing, is not a skops file, needs a package that is not
    installed, or contains types that neither skops, TRUSTED nor `trusted_types` lists.
    """
    trusted = [*TRUSTED, *trusted_types]
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file: run `dvc repro`, or `dvc pull` to fetch it")
    try:
        check_size(path)
        estimator = skops.io.load(path, trusted=trusted)
        if not isinstance(estimator, Pipeline | VotingClassifier | VotingRegressor):
            raise TypeError(f"it holds a {type(estimator).__name__}")
        return estimator
    except FileNotFoundError:
        raise InputError(f"{path} not found: run `dvc repro`, or `dvc pull` to fetch it") from None
    except UntrustedTypesFoundException:
        types = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted))
        raise InputError(
            f"{path} contains types that are not trusted: {', '.join(types)}. If you know "
            "them and where the file comes from, add them to evaluate.trusted_types in params.yaml"
        ) from None
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{path}: {first_line(error)}; `pip install -r requirements.txt` may help"
        ) from None
    except Exception as error:  # noqa: BLE001, skops may raise anything for a damaged file
        raise InputError(
            f"{path} is not a model that src/train.py saved: {first_line(error)}"
        ) from None
