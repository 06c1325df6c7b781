"""Let the page of `dvc plots` work without internet, in this clone.

pip install vl-convert-python
python src/offline_plots.py

DVC's own page loads Vega, which draws the plots, from the internet each time it is opened. This
writes a page template that holds Vega, and names it in .dvc/config.local; git ignores both. To
return to DVC's own page: `dvc config --local --unset plots.html_template`.
"""

import subprocess
import sys
from pathlib import Path

from support.params import InputError

# Next to the setting that names it, relative to .dvc: removing one removes the other.
TEMPLATE = Path(".dvc/plots.html")

# The page calls vegaEmbed for each plot, with {} if the plot's table has no rows. $schema says
# Vega-Lite 5; later versions draw it as well, with a warning.
EMBED = """
const options = {
  renderer: "svg",
  actions: {export: true, source: false, compiled: false, editor: false},
  config: {
    font: "system-ui, sans-serif",
    axis: {labelFlush: false, labelFontSize: 12, labelSeparation: 6, titleFontSize: 13},
    header: {labelFontSize: 13},
    legend: {labelFontSize: 12, titleFontSize: 12, labelLimit: 300},
    title: {fontSize: 15},
  },
};
window.vegaEmbed = (plot, {$schema, ...spec}) => {
  if (Object.keys(spec).length) return vegaEmbed(plot, spec, options);
  document.querySelector(plot).textContent = `${plot.slice(1)} has no rows`;
};
"""

# https://dvc.org/doc/command-reference/plots/show#example-offline-html-template
# Without {scripts}, which is where DVC puts the links to Vega.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>DVC plots</title>
  {refresh_tag}
  <style>
    body { margin: 1.5rem; background: white; color: #222; font-family: system-ui, sans-serif; }
    main { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
    .vega-bind { font-size: small; }
  </style>
  <script>
  (() => {
  "use strict";
  JAVASCRIPT
  })();
  </script>
</head>
<body>
  <main>
  {plot_divs}
  </main>
</body>
</html>
"""


def page_template() -> str:
    """Return an HTML page for DVC to fill in, with Vega, Vega-Lite and Vega-Embed inside.

    Raises InputError when vl-convert-python is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise InputError("Vega comes with vl-convert: pip install vl-convert-python") from None

    bundle = vl_convert.javascript_bundle(EMBED)
    # Equivalent in a JavaScript string, but does not end the script element.
    return PAGE.replace("JAVASCRIPT", bundle.replace("</script", r"<\/script"))


def main() -> None:
    if not TEMPLATE.parent.is_dir():
        raise InputError(f"no .dvc in {Path.cwd()}: run from the project's root folder")
    TEMPLATE.write_text(page_template(), encoding="utf-8", newline="\n")
    command = ["config", "--local", "plots.html_template", TEMPLATE.name]
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"`dvc {' '.join(command)}`: {done.stderr.strip().splitlines()[0]}")
    print("`dvc plots show` and `dvc plots diff` now write pages that need no internet")


if __name__ == "__main__":
    main()
