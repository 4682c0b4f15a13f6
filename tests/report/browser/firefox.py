"""Firefox without a display, driven over Marionette, the protocol that it speaks itself.

Marionette is JSON over a socket: ``[0, id, command, parameters]`` and ``[1, id, error, result]``,
each after its length in bytes and a colon. It needs no further program.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from driver import CHARTS_DRAWN, OVERFLOW, TAB_STOP, WIDTHS, Seen, axe, found_by_axe

START_S, ANSWER_S = 90, 190
PREFS = {
    "marionette.port": 0,  # a free one, which it writes to its profile
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "app.update.disabledForTesting": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "extensions.update.enabled": False,
    "ui.prefersReducedMotion": 1,
}
# where axe-core looks: a width moves things, a scheme colours them, and Chromium has each with each
LOOKED_AT = (("desktop", "light"), ("phone", "dark"))
TAB, RIGHT, ESCAPE = "\ue004", "\ue014", "\ue00c"


def firefox() -> str | None:
    """Return the path of Firefox, where there is one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One window of Firefox."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self._left, self._id = b"", 0
        self._message()  # it greets first
        found = self.call("WebDriver:NewSession", {"acceptInsecureCerts": False})
        self.version = found["capabilities"]["browserVersion"]
        self.call("WebDriver:SetTimeouts", {"script": 1000 * (ANSWER_S - 10)})

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(self, command: str, parameters: dict | None = None):
        """Send a command, and return its result."""
        self._id += 1
        text = json.dumps([0, self._id, command, parameters or {}]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._message()
        if error:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result.get("value", result) if isinstance(result, dict) else result

    def _message(self):
        while b":" not in self._left:
            self._left += self._received()
        size, _, self._left = self._left.partition(b":")
        while len(self._left) < int(size):
            self._left += self._received()
        text, self._left = self._left[: int(size)], self._left[int(size) :]
        return json.loads(text)

    def _received(self) -> bytes:
        found = self._socket.recv(1 << 20)
        if not found:
            raise RuntimeError("Firefox closed the connection")
        return found

    def run(self, script: str, *args):
        """Run the body of a function in the page, and return what it returns; it may await."""
        return self.call(
            "WebDriver:ExecuteAsyncScript",
            {
                "script": "const done = arguments[arguments.length - 1];"
                f"(async (...args) => {{{script}}})(...arguments)"
                ".then((found) => done([found]), (error) => done([null, String(error)]));",
                "args": list(args),
                "newSandbox": False,
            },
        )[0]

    def inside(self, script: str, *args):
        """Run the body of a function in the browser itself, not in the page."""
        self.call("Marionette:SetContext", {"value": "chrome"})
        try:
            return self.call("WebDriver:ExecuteScript", {"script": script, "args": list(args)})
        finally:
            self.call("Marionette:SetContext", {"value": "content"})

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a page, and wait until its figures are drawn."""
        self.inside("Services.console.reset()")
        self.call("WebDriver:Navigate", {"url": page.resolve().as_uri() + fragment})
        drawn = "document.documentElement.dataset.drawn === 'yes'"
        wait = "new Promise((then) => setTimeout(then, 50))"
        self.run(f"for (let at = 0; at < 600 && !({drawn}); at++) await {wait};")

    def messages(self) -> list[str]:
        """Return the errors and warnings of the page's own scripts, style and policy."""
        return self.inside(
            "return Services.console.getMessageArray()"
            ".filter((each) => each instanceof Ci.nsIScriptError"
            " && each.sourceName.startsWith('file:'))"
            ".map((each) => each.category + ': ' + each.errorMessage)"
        )

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a width, which can be less than a window's least."""
        self.call("WebDriver:SetWindowRect", {"width": max(width, 600), "height": height + 100})
        self.inside(
            "const style = gBrowser.selectedBrowser.style;"
            "for (const side of ['min-width', 'max-width'])"
            " style.setProperty(side, arguments[0] + 'px');",
            width,
        )
        for _ in range(100):
            if self.run("return innerWidth") == width:
                break
            time.sleep(0.05)
        time.sleep(0.25)  # the charts follow

    def scheme(self, name: str) -> None:
        """Prefer light or dark, as a system does."""
        self.inside(
            "Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override',"
            " arguments[0])",
            int(name == "light"),
        )

    def keys(self, *pressed: str) -> None:
        """Press keys one after another."""
        actions = [{"type": kind, "value": key} for key in pressed for kind in ("keyDown", "keyUp")]
        self.call(
            "WebDriver:PerformActions",
            {"actions": [{"type": "key", "id": "keys", "actions": actions}]},
        )

    def move(self, *points: tuple[float, float]) -> None:
        """Move the pointer along points of the window."""
        steps = [
            {"type": "pointerMove", "x": int(x), "y": int(y), "duration": 0} for x, y in points
        ]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self.call("WebDriver:PerformActions", {"actions": [pointer | {"actions": steps}]})

    def picture(self) -> bytes:
        """Return the whole page as a PNG."""
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", {"full": True}))


@contextmanager
def running_firefox(prefs: dict | None = None):
    """Start Firefox with a fresh profile, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        lines = [
            f"user_pref({json.dumps(k)}, {json.dumps(v)});\n"
            for k, v in (PREFS | (prefs or {})).items()
        ]
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        command = [firefox(), "--headless", "--no-remote", "--profile", folder, "--marionette"]
        command += ["--remote-allow-system-access"]  # for the sizes, the scheme and the console
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = None
        try:
            found = Firefox(_port(profile, process))
            yield found
        finally:
            if found is not None:
                found.close()
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def look(started: Firefox, page: Path, out: Path | None = None) -> Seen:
    """Open a page, and find out what is wrong with it, as in Chromium."""
    seen = Seen()
    started.resize(1280)
    started.scheme("light")
    started.open(page)
    seen.charts = started.run("return document.querySelectorAll('.chart').length")
    seen.drawn = started.run(
        f"return ({CHARTS_DRAWN})([...document.querySelectorAll('.chart svg')])"
    )
    seen.reached = _tab_order(started)
    if seen.charts:
        seen.tooltip, seen.spoken = _pointer(started), _arrows(started)
    started.run("document.activeElement.blur()")
    for name, width in WIDTHS.items():
        started.resize(width)
        seen.overflow[name] = started.run(f"return {OVERFLOW}")
        for scheme in ("light", "dark"):
            started.scheme(scheme)
            if out is not None:
                picture = out / f"{page.stem}-firefox-{name}-{scheme}.png"
                picture.write_bytes(started.picture())
            if axe() is not None and (name, scheme) in LOOKED_AT:
                started.run(axe().read_text(encoding="utf-8") + "; window.axe = axe;")
                found = started.run(
                    "return await window.axe.run(document, {resultTypes: ['violations']})"
                )
                seen.violations[f"{name}, {scheme}"] = found_by_axe(found)
    seen.console = started.messages()
    seen.requests = started.run(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )
    return seen


def _said(started: Firefox) -> str:
    return started.run(
        "const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.innerText"
    )


def _pointer(started: Firefox) -> str:
    """Move the pointer over the first chart, a line at a time, until it says something."""
    left, top, width, height, inner = started.run(
        "const tip = document.getElementById('tip'); window.said = '';"
        "new MutationObserver(() => { if (!tip.hidden) window.said ||= tip.innerText; })"
        ".observe(tip, {attributes: true, childList: true});"
        "const chart = document.querySelector('.chart'); chart.scrollIntoView({block: 'center'});"
        "const box = chart.getBoundingClientRect();"
        "return [box.left, box.top, box.width, box.height, innerWidth]"
    )
    for down in range(4, int(height), 8):
        places = (left + width * at / 100 for at in range(10, 100, 4))
        started.move(*((each, top + down) for each in places if 0 <= each < inner))
        if said := started.run("return window.said"):
            return said
    return ""


def _arrows(started: Firefox) -> str:
    """Walk two points on with the arrow keys, in the first chart; return what is said."""
    started.move((0, 0))
    started.run("document.querySelector('.chart').focus()")
    started.keys(RIGHT)
    first = _said(started)
    started.keys(RIGHT)
    second = _said(started)
    started.keys(ESCAPE)
    return second if second != first and not _said(started) else ""


def _tab_order(started: Firefox) -> set[str]:
    """Press Tab from the top to the end; return the kinds of things that had the focus."""
    started.run(
        "window.reached = new Set();"
        f"addEventListener('focusin', () => window.reached.add({TAB_STOP}));"
    )
    stops = started.run("return document.querySelectorAll('a, button, summary, [tabindex]').length")
    started.keys(*[TAB] * (stops + 5))
    return set(started.run("return [...window.reached]"))


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    written = profile / "MarionetteActivePort"
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        if written.exists() and (text := written.read_text(encoding="utf-8").strip()):
            return int(text)
        time.sleep(0.1)
    raise RuntimeError("Firefox did not start")
