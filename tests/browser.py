"""Pages in headless Chromium, without network: what they say, load and look like."""

import base64
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

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


def missing() -> list[str]:
    """Return the Debian packages that `Browser` needs and that are not installed."""
    return [] if shutil.which("chromium") else ["chromium"]


class Browser:
    """Chromium, and a page in it.

    Talks the DevTools protocol over file descriptors, which takes no package and no port:
    https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, profile: Path, env: dict[str, str]):
        self.socket, pipe = socket.socketpair()
        self.socket.settimeout(60)
        options = [f"--user-data-dir={profile}", "--headless", "--remote-debugging-pipe"]
        # As root, as in a container, whose /dev/shm may be small
        options += ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options += ["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND"]
        # It reads commands from descriptor 3 and answers on 4.
        command = ["sh", "-c", 'exec chromium "$@" 3<&0 4>&0 </dev/null', "sh", *options]
        with (profile / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=log, stderr=log)
        pipe.close()
        self.received = b""
        self.sent = 0
        self.session: dict[str, str] = {}
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.call("Browser.close")
        self.process.wait(timeout=30)
        self.socket.close()

    def receive(self) -> dict:
        while b"\0" not in self.received:
            part = self.socket.recv(1 << 20)
            assert part, "Chromium ended; its log is in its profile"
            self.received += part
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, **params: Any) -> dict:
        """Send a command and return its result; events in between are kept."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params, **self.session}
        self.socket.sendall(json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.sent:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of what it promises."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path: Path, width: int = 1200) -> None:
        """Open a file, and wait until it is drawn: nothing has changed in it for a while."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState == 'complete'")
        before, size = None, self.evaluate("document.documentElement.outerHTML.length")
        deadline = time.monotonic() + 60
        while size != before:
            assert time.monotonic() < deadline, f"{path} keeps changing"
            time.sleep(0.5)
            before, size = size, self.evaluate("document.documentElement.outerHTML.length")

    def wait(self, expression: str) -> None:
        deadline = time.monotonic() + 60
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.05)

    def messages(self) -> list[str]:
        """Return what the console shows of the page: errors, warnings, anything else."""
        found = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.consoleAPICalled":
                values = [str(arg.get("value", arg.get("description"))) for arg in params["args"]]
                found.append(f"{params['type']}: {' '.join(values)}")
            elif event["method"] == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", details).get("description", details["text"]))
            elif event["method"] == "Log.entryAdded":
                entry = params["entry"]
                found.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
        return found

    def requested(self) -> list[str]:
        """Return the address of everything that the page asked for."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def screenshot(self, path: Path, height: int | None = None) -> None:
        """Save the page as PNG: all of it, or so many pixels from its top."""
        width, full = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height or full, "scale": 1}
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))

    def texts(self, svg: str) -> list[dict]:
        """Return the visible texts of an SVG: `text`, `size` in pixels, `corners`, and `inside` it.

        The corners are those of the letters, without the space above and below them.
        """
        return self.evaluate(f"({TEXTS})({svg})")
