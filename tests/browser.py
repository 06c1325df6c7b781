"""Pages in headless Chromium, without network: what they say, load and look like."""

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

TEXTS = """svg => {
  const outer = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].flatMap(text => {
    const {opacity, fontSize} = getComputedStyle(text);
    if (opacity == 0 || !text.textContent.trim()) return [];
    const {x, y, width, height} = text.getBBox(), matrix = text.getScreenCTM();
    const top = y + height / 5, bottom = y + height * 4 / 5;
    const corners = [[x, top], [x + width, top], [x + width, bottom], [x, bottom]].map(([x, y]) => {
      const point = new DOMPoint(x, y).matrixTransform(matrix);
      return [point.x, point.y];
    });
    return [{
      text: text.textContent.trim(),
      size: parseFloat(fontSize) * Math.hypot(matrix.a, matrix.b),
      corners,
      inside: corners.every(([x, y]) => x >= outer.left - 1 && x <= outer.right + 1
        && y >= outer.top - 1 && y <= outer.bottom + 1),
    }];
  });
}"""
# Whether nothing has changed in the page since the last time
STILL = """() => {
  const size = document.documentElement.outerHTML.length, still = size === window.size;
  window.size = size;
  return still;
}"""


def missing() -> list[str]:
    """Return the Debian packages that `Browser` needs and that are not installed."""
    return [] if shutil.which("chromium") else ["chromium"]


class Browser:
    """Debian's Chromium, and a page in it.

    `messages` are what the console shows of the page that was opened last: errors, warnings,
    anything else. `requested` are the addresses of everything that the page asked for.
    """

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND"],
        )
        self._page = self._chromium.new_page()
        self.messages: list[str] = []
        self.requested: list[str] = []
        self._page.on("console", lambda line: self.messages.append(f"{line.type}: {line.text}"))
        self._page.on("pageerror", lambda error: self.messages.append(str(error)))
        self._page.on("request", lambda request: self.requested.append(request.url))

    def close(self) -> None:
        self._chromium.close()
        self._playwright.stop()

    def open(self, path: Path, width: int = 1200) -> None:
        """Open a file, and wait until it is drawn."""
        self.messages.clear()
        self.requested.clear()
        self._page.set_viewport_size({"width": width, "height": 800})
        self._page.goto(path.as_uri())
        self._page.wait_for_function(STILL, polling=500)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self._page.evaluate(expression)

    def screenshot(self, path: Path, height: int | None = None) -> None:
        """Save the page as PNG: all of it, or so many pixels from its top."""
        width, full = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height or full}
        self._page.screenshot(path=path, full_page=True, clip=clip)

    def texts(self, svg: str) -> list[dict]:
        """Return the visible texts of an SVG: `text`, `size` in pixels, `corners`, and `inside` it.

        The corners are those of the letters, without the space above and below them.
        """
        return self.evaluate(f"({TEXTS})({svg})")
