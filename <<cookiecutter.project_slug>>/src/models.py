"""Build, save and load estimators."""

import io
import json
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

import skops.io
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

from params import InputError

MODEL = Path("models/model.skops")

# Types that a model file may contain beyond those that skops trusts by itself (scikit-learn's
# estimators, NumPy's arrays). None of them runs code when it is loaded. Tree holds the nodes of
# decision trees and forests as raw indices, which scikit-learn does not check: a forged file
# could crash the process that predicts with it.
TRUSTED = ["sklearn.tree._tree.Tree"]


def build(name: str, spec: dict[str, Any], scale: bool, seed: int) -> Pipeline:
    """Return an unfitted pipeline: standardise if `scale`, then the model that `spec` describes.

    `spec` is an entry of `models` in params.yaml: `class`, the dotted path of an estimator, and
    its keyword arguments. `seed` becomes its random_state unless `spec` gives one.

    Raises InputError when the class cannot be imported or does not take an argument.
    """
    if not isinstance(spec, dict) or "class" not in spec:
        raise InputError(f"params.yaml: models.{name} needs a `class`, an estimator's dotted path")
    arguments = dict(spec)
    path = str(arguments.pop("class"))
    try:
        model = pkgutil.resolve_name(path)(**arguments)
        if "random_state" in model.get_params() and "random_state" not in arguments:
            model.set_params(random_state=seed)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InputError(f"params.yaml: models.{name} ({path}): {error}") from None
    steps: list[tuple[str, BaseEstimator]] = [("model", model)]
    if scale:
        steps.insert(0, ("scale", StandardScaler()))
    return Pipeline(steps)


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


def load(path: Path) -> Pipeline:
    """Read a model that `save` wrote. Nothing in the file is executed.

    Raises InputError when the file is missing, is no skops file, or contains types that
    neither skops nor TRUSTED lists.
    """
    try:
        return skops.io.load(path, trusted=TRUSTED)
    except FileNotFoundError:
        raise InputError(f"{path} not found: run `dvc repro`, or `dvc pull` to fetch it") from None
    except UntrustedTypesFoundException:
        types = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
        raise InputError(
            f"{path} contains types that are not trusted: {', '.join(sorted(types))}. "
            "If you know them and where the file comes from, add them to TRUSTED in src/models.py"
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a model that src/train.py saved: {error}") from None
