"""The tables of the benchmark: public ones that packages ship, and three made up ones."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

ROWS = 6000


def packaged(path: str, target: str, drop: list[str] | None = None, **options) -> pd.DataFrame:
    """Return a table that a package ships, typed as `prepare` types it, the target last."""
    package, _, rest = path.partition("/")
    spec = find_spec(package)
    assert spec and spec.submodule_search_locations, f"{package} is not installed"
    file = Path(spec.submodule_search_locations[0], rest)
    table = pd.read_csv(file, **options).drop(columns=drop or []).dropna(subset=target)
    for name in table.select_dtypes("datetime"):
        table[name] = table[name].astype("datetime64[us]")
    for name in table.select_dtypes("bool"):
        table[name] = table[name].astype("float64")
    return table.assign(**{target: table.pop(target)})


def free_text(seed: int) -> pd.DataFrame:
    """Eight of 20 words a row; their weights decide the class."""
    random = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(random.choice(letters, random.integers(4, 9))) for _ in range(20)])
    chosen, weights = random.integers(0, 20, (ROWS, 8)), np.linspace(-2, 2, 20)
    odds = 1 / (1 + np.exp(-1.5 * weights[chosen].sum(axis=1)))
    texts = [" ".join(row) for row in words[chosen]]
    label = np.where(random.random(ROWS) < odds, "yes", "no")
    return pd.DataFrame({"text": texts, "noise": random.normal(size=ROWS), "label": label})


def shops(seed: int) -> pd.DataFrame:
    """300 shops, each with a level of its own."""
    random = np.random.default_rng(seed)
    level, shop = random.normal(0, 3, 300), random.integers(0, 300, ROWS)
    names = [f"shop {number:03}" for number in shop]
    sales = level[shop] + random.normal(size=ROWS)
    return pd.DataFrame({"shop": names, "noise": random.normal(size=ROWS), "sales": sales})


def load(seed: int) -> pd.DataFrame:
    """Hour and weekday of a timestamp drive a load."""
    random = np.random.default_rng(seed)
    minutes = pd.to_timedelta(random.integers(0, 365 * 24 * 60, ROWS), unit="min")
    time = pd.Series(pd.Timestamp("2023-01-01") + minutes).astype("datetime64[us]")
    angle, weekend = 2 * np.pi * time.dt.hour / 24, time.dt.day_of_week >= 5
    power = 10 * np.sin(2 * angle) + weekend * (4 + 6 * np.cos(angle)) + random.normal(0, 1.5, ROWS)
    return pd.DataFrame({"time": time, "noise": random.normal(size=ROWS), "power": power})


TABLES: dict[str, Callable[[int], pd.DataFrame]] = {
    "free text": free_text,
    "300 shops": shops,
    "hour and weekday": load,
    "penguins": lambda _: packaged("palmerpenguins/data/penguins.csv", "species"),
    "breast cancer": lambda _: load_breast_cancer(as_frame=True).frame.astype({"target": str}),
    "wine": lambda _: load_wine(as_frame=True).frame.astype({"target": str}),
    "seattle weather": lambda _: packaged(
        "vega_datasets/_data/seattle-weather.csv", "weather", parse_dates=["date"]
    ),
    "default": lambda _: packaged("ISLP/data/Default.csv", "default"),
    "orange juice": lambda _: packaged("ISLP/data/OJ.csv", "Purchase"),
    "caravan insurance": lambda _: packaged("ISLP/data/Caravan.csv", "Purchase"),
    "mammals' diet": lambda _: packaged("plotnine/data/msleep.csv", "vore"),
    "diabetes": lambda _: load_diabetes(as_frame=True).frame.astype({"target": float}),
    "hitters": lambda _: packaged("ISLP/data/Hitters.csv", "Salary"),
    "carseats": lambda _: packaged("ISLP/data/Carseats.csv", "Sales"),
    "cars' mileage": lambda _: packaged("ISLP/data/Auto.csv", "mpg"),
    "wages": lambda _: packaged("ISLP/data/Wage.csv", "wage", drop=["logwage"]),
    "bikes": lambda _: packaged("ISLP/data/Bikeshare.csv", "bikers", ["casual", "registered"]),
    "colleges": lambda _: packaged("ISLP/data/College.csv", "Grad.Rate"),
    "texan houses": lambda _: packaged("plotnine/data/txhousing.csv", "median", ["volume", "date"]),
    "diamonds": lambda _: packaged("plotnine/data/diamonds.csv", "price"),
}
# At least 170 rows of each class
MANY_CLASSES: dict[str, Callable[[], pd.DataFrame]] = {
    "digits, 10 classes": lambda: load_digits(as_frame=True).frame.astype({"target": str}),
    "diamonds' clarity, 8 classes": lambda: packaged("plotnine/data/diamonds.csv", "clarity"),
    "texan houses, 46 cities": lambda: packaged("plotnine/data/txhousing.csv", "city", ["date"]),
}
