"""The pages that people look at, in a real browser that has no network."""

import itertools
import os
import re
import struct
from pathlib import Path

import pandas as pd
import pytest
import yaml
from browser import Browser, missing
from helpers import MODELS, ROOT, Project, need, run
from markdown_it import MarkdownIt

# Where `make docs` keeps the screenshots; otherwise, they go to a temporary folder.
DOCS = os.environ.get("DOCS")
REVISIONS = ["main", *MODELS[1:]]
# What makes a page load something: a `$schema` is only a name.
LOADS = r'(?:src|href)="?https?:'

# About as GitHub shows a file
STYLE = """
body { max-width: 948px; margin: 0 auto; padding: 16px 26px; background: white; color: #1f2328;
       font: 16px/1.5 system-ui, sans-serif; }
h1, h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; }
table { border-collapse: collapse; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; }
code, pre { background: #f6f8fa; }
img { max-width: 100%; }
"""
# The colors of a plot's visible marks, one for each mark
COLORS = """
[...document.getElementById("ID").querySelectorAll("svg.marks g.role-mark > path")].flatMap(path => {
  const {width, height} = path.getBBox(), {opacity, fill, stroke} = getComputedStyle(path);
  const drawn = [fill, stroke].filter(paint => !["none", "rgba(0, 0, 0, 0)"].includes(paint));
  return width + height > 0 && opacity > 0 ? drawn.slice(0, 1) : [];
})
"""
# As people name things. The plots have at most so many: see plots.py.
CLASSES = [f"customer who has left in {1990 + year}" for year in range(20)]
FEATURES = [f"measurement {number} in the last month before" for number in range(30)]
DRAW = """
import pandas as pd
from pathlib import Path
from support.report import draw_pictures
names = ["confusion", "importance"]
draw_pictures({name: pd.read_csv(f"results/plots/{name}.csv") for name in names}, Path("results/plots"))
"""


@pytest.fixture(scope="module")
def browser():
    need(missing())
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def iris(tmp_path_factory, compared) -> Project:
    """The default project with two experiments, the last in the workspace; not to be changed."""
    last = compared[MODELS[-1]]
    project = last.copy(tmp_path_factory.mktemp("iris") / last.path.name)
    project.run("python src/offline_plots.py")
    return project


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory, bake) -> Project:
    """A regression with an experiment; not to be changed."""
    folder = tmp_path_factory.mktemp("diabetes")
    project = bake(folder, task="regression", project_slug="diabetes")
    project.set("models.random_forest.n_estimators", 5)
    project.repro()
    project.commit("Random forest")
    project.run("dvc exp run --name ridge --set-param train.model=ridge")
    project.run("python src/offline_plots.py")
    return project


def page_of(project: Project, command: str = "show") -> Path:
    """Return the page that `dvc plots` writes."""
    path = project.path / "dvc_plots/index.html"
    assert project.run(f"dvc plots {command}").splitlines()[-1] == path.as_uri()
    return path


def plots_of(project: Project) -> dict[str, dict]:
    """Return each plot of dvc.yaml by the id that it has in the page."""
    plots = yaml.safe_load((project.path / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    named = {name: plot for entry in plots for name, plot in entry.items()}
    return {re.sub(r"[/.]", "_", name): plot for name, plot in named.items()}


def rows_of(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.path / f"results/plots/{name}.csv")


def colors_of(browser: Browser, plot: str) -> list[str]:
    return browser.evaluate(COLORS.replace("ID", plot))


def texts_of(browser: Browser, plot: str) -> list[dict]:
    return browser.texts(f"document.getElementById('{plot}').querySelector('svg.marks')")


def errors(browser: Browser) -> list[str]:
    """Return what the console shows, but for what Vega-Lite remarks on DVC's templates."""
    return [line for line in browser.messages if not line.startswith("warning: WARN ")]


def overlap(one: list, other: list) -> bool:
    """Tell whether two rectangles, each at its own angle, overlap: no side keeps them apart."""
    for corners in (one, other):
        for (x, y), (next_x, next_y) in itertools.pairwise(corners):
            across = [[(next_y - y) * a - (next_x - x) * b for a, b in two] for two in (one, other)]
            if max(across[0]) <= min(across[1]) or max(across[1]) <= min(across[0]):
                return False
    return True


def unreadable(texts: list[dict]) -> list[str]:
    """Return what is wrong with the texts of a picture: small, cut, or over one another."""
    wrong = [f"{text['text']}: {text['size']:.0f} px" for text in texts if text["size"] < 10]
    wrong += [f"{text['text']}: cut" for text in texts if not text["inside"]]
    return wrong + [
        f"{one['text']} over {other['text']}"
        for one, other in itertools.combinations(texts, 2)
        if overlap(one["corners"], other["corners"])
    ]


def check_page(browser: Browser, project: Project, drawn: dict[str, tuple[int, int]]) -> None:
    """Check the page that is open.

    `drawn` says of each plot how many marks it has of a revision, and of how many revisions.
    """
    assert errors(browser) == []
    assert {url.split(":")[0] for url in browser.requested} == {"file"}
    plots = plots_of(project)
    divs = browser.evaluate("[...document.querySelectorAll('main > div')].map(div => div.id)")
    assert divs == list(plots)
    for name, plot in plots.items():
        short = name.removeprefix("results_plots_").removesuffix("_csv")
        marks, revisions = drawn.pop(short)
        colors = colors_of(browser, name)
        assert len(colors) >= marks * revisions
        # The matrices stand side by side, and are colored by their numbers.
        assert len(set(colors)) == revisions or short == "confusion"
        texts = texts_of(browser, name)
        assert {plot["title"], plot["x_label"], plot["y_label"]} <= {text["text"] for text in texts}
        assert unreadable(texts) == []
    assert not drawn


def check_picture(path: Path) -> None:
    """Check the size of a screenshot in PNG: https://www.w3.org/TR/png-3/#11IHDR"""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert 1000 <= width <= 1400 and 600 <= height <= 1600
    # An empty page of that size takes 5 kB.
    assert 30_000 < len(content) < 200_000


def test_a_comparison_of_classifiers(browser, iris, tmp_path):
    browser.open(page_of(iris, f"diff {' '.join(REVISIONS)}"), width=1260)
    curves = {"roc": (1, 3), "precision_recall": (1, 3)}
    # svc states no probabilities: its calibration is missing, beside those of the others.
    check_page(
        browser,
        iris,
        {"confusion": (9, 3), **curves, "calibration": (1, 2), "importance": (3, 3)},
    )
    matrices = {text["text"] for text in texts_of(browser, "results_plots_confusion_csv")}
    assert {*REVISIONS, *rows_of(iris, "confusion")["actual"], "15"} <= matrices
    bars = {text["text"] for text in texts_of(browser, "results_plots_importance_csv")}
    assert {*REVISIONS, *rows_of(iris, "importance")["feature"]} <= bars
    picture = Path(DOCS or tmp_path) / "plots.png"
    browser.screenshot(picture)
    check_picture(picture)


def test_a_comparison_of_regressions(browser, diabetes):
    browser.open(page_of(diabetes, "diff main ridge"))
    points = len(rows_of(diabetes, "predictions"))
    check_page(
        browser,
        diabetes,
        {"predictions": (points, 2), "residuals": (points, 2), "importance": (9, 2)},
    )


def test_a_plot_without_rows_says_so(browser, iris):
    assert rows_of(iris, "calibration").empty
    browser.open(page_of(iris))
    assert errors(browser) == []
    empty = [name for name in plots_of(iris) if not colors_of(browser, name)]
    assert empty == ["results_plots_calibration_csv"]
    said = browser.evaluate(f"document.getElementById('{empty[0]}').textContent")
    assert said.strip() == "results_plots_calibration_csv has no rows"


def test_dvcs_own_page_needs_the_internet_and_shows_nothing_without(browser, project):
    path = page_of(project)
    assert re.search(LOADS, path.read_text(encoding="utf-8"))
    browser.open(path)
    assert any(url.startswith("https://") for url in browser.requested)
    assert any("vegaEmbed is not defined" in line for line in errors(browser))
    assert not any(colors_of(browser, name) for name in plots_of(project))


def test_each_clone_has_its_own_page_and_git_none(iris, tmp_path):
    assert "plots.html" not in iris.run("git status --porcelain")
    assert not re.search(LOADS, page_of(iris).read_text(encoding="utf-8"))

    run(["git", "clone", "--quiet", iris.path, tmp_path / "clone"], tmp_path, iris.env)
    clone = Project(tmp_path / "clone", iris.env)
    assert re.search(LOADS, page_of(clone).read_text(encoding="utf-8"))
    clone.run("python src/offline_plots.py")
    clone = Project(clone.path.rename(tmp_path / "moved"), iris.env)
    assert not re.search(LOADS, page_of(clone).read_text(encoding="utf-8"))
    assert clone.run("git status --porcelain") == ""
    clone.run("dvc config --local --unset plots.html_template")
    assert re.search(LOADS, page_of(clone).read_text(encoding="utf-8"))


def test_offline_plots_says_in_one_line_what_is_missing(project, tmp_path):
    (tmp_path / "vl_convert.py").write_text("raise ImportError")
    without = Project(project.path, {**project.env, "PYTHONPATH": str(tmp_path)})
    output = without.run("python src/offline_plots.py", status=1)
    assert output.endswith(": pip install vl-convert-python\n") and output.count("\n") == 1
    assert not (project.path / ".dvc/plots.html").exists()

    output = Project(project.path / "src", project.env).run("python offline_plots.py", status=1)
    assert "run from the project's root folder" in output and output.count("\n") == 1

    (project.path / ".dvc/config.local").write_text("[plots")
    output = project.run("python src/offline_plots.py", status=1)
    assert "configuration error" in output and output.count("\n") == 1


def report_of(project: Project) -> Path:
    """Return the project's report as HTML, beside it."""
    report = project.path / "results/report.md"
    body = MarkdownIt("commonmark").enable("table").render(report.read_text(encoding="utf-8"))
    head = f'<meta charset="utf-8"><title>Report</title><style>{STYLE}</style>'
    page = report.with_suffix(".html")
    page.write_text(f"<!DOCTYPE html><html>{head}<body>{body}</body></html>", encoding="utf-8")
    return page


def pictures_of(browser: Browser) -> dict[str, int]:
    """Return the width of each picture in the page that is open; 0 when it does not load."""
    pairs = "[...document.images].map(image => [image.getAttribute('src'), image.naturalWidth])"
    return dict(browser.evaluate(pairs))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iris", ["confusion", "roc", "precision_recall", "calibration", "importance"]),
        ("diabetes", ["predictions", "residuals", "importance"]),
    ],
)
def test_the_report_and_its_pictures(browser, request, tmp_path, name, expected):
    project = request.getfixturevalue(name).copy(tmp_path / name)
    project.run("git checkout --quiet --force .")
    browser.open(page := report_of(project), width=1000)
    assert browser.messages == []
    pictures = pictures_of(browser)
    assert list(pictures) == [f"plots/{name}.svg" for name in expected]
    assert all(width > 300 for width in pictures.values())
    # Scores, classes or errors by size, hyperparameters, encoding and columns
    assert browser.evaluate("document.querySelectorAll('table').length") == 5
    assert not re.search(r"[|*]", browser.evaluate("document.body.innerText"))
    if name == "iris":
        # Down to the first row of pictures
        end = browser.evaluate("Math.round(document.images[0].getBoundingClientRect().bottom)")
        picture = Path(DOCS or tmp_path) / "report.png"
        browser.screenshot(picture, height=end + 16)
        check_picture(picture)

    for source in pictures:
        browser.open(project.path / "results" / source)
        assert browser.messages == []
        texts = browser.texts("document.documentElement")
        assert len(texts) >= 8 and unreadable(texts) == []

    (project.path / "results" / source).unlink()
    browser.open(page)
    assert pictures_of(browser) == {**pictures, source: 0}
    assert any("ERR_FILE_NOT_FOUND" in line for line in browser.messages)


@pytest.mark.parametrize("classes", [2, 3, 10, 20])
def test_long_names_stay_readable(browser, iris, tmp_path, classes):
    project = iris.copy(tmp_path / "long")
    folder = project.path / "results/plots"
    pairs = itertools.product(CLASSES[:classes], repeat=2)
    confusion = pd.DataFrame(pairs, columns=["actual", "predicted"])
    confusion["count"] = 123_456
    confusion.to_csv(folder / "confusion.csv", index=False)
    importance = pd.DataFrame({"feature": FEATURES, "importance": range(1, 31)})
    importance.to_csv(folder / "importance.csv", index=False)
    browser.open(page_of(project))
    for name in ("confusion", "importance"):
        assert unreadable(texts_of(browser, f"results_plots_{name}_csv")) == []

    src = {**project.env, "PYTHONPATH": "src"}
    Project(project.path, src).run(["python", "-c", DRAW])
    for name in ("confusion", "importance"):
        browser.open(folder / f"{name}.svg")
        assert unreadable(browser.texts("document.documentElement")) == []


def test_the_readme_shows_the_pictures():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("plots.png", "report.png"):
        assert re.search(rf"!\[[^\]]+\]\(docs/{name}\)", readme)
        check_picture(ROOT / "docs" / name)
