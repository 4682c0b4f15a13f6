"""Frames a second of the live page on one core, Chromium and Firefox, and time to the first frame.

Run ``python benchmarks/live_page.py``. The browser, without a display and with all its processes,
and this script share one core. Two networks 2-64-64-2 train on 60 rows in batches of 30, network B
with dropout, and the plots of both are in sight. Other load on that core lowers the frames, so the
processor time for a frame is measured too: of all processes, and of the page's own thread. 60
frames leave 16.7 ms for each.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import processor
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "live" / "index.html"
SETTINGS = "rows=60&batch=30&b.keep=0.5"
WARM_UP_S = 3
WORKERS = ("DedicatedWorker", "DOM Worker")  # the thread of the page's worker, by browser

# the page tells its worker of each picture that it has drawn
COUNT_FRAMES = """
globalThis.drawnAt = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message) {
  if (message.kind === "drawn") drawnAt.push(performance.now());
  return post.call(this, message);
};
"""
FIRST_FRAME = """
new Promise((then) => {
  const look = () => drawnAt.length ? then(drawnAt[0]) : setTimeout(look, 5);
  look();
})
"""
TRAIN = "document.getElementById('sides').scrollIntoView(), document.getElementById('play').click()"
STEP = "Number(document.getElementById('progress').textContent.match(/\\d+/)[0])"


def seconds_of(stat: Path) -> tuple[int, float]:
    """Return the parent and the processor time of a process, or of a thread."""
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_seconds(root: int) -> tuple[float, float]:
    """Return the processor time of a process and of all that it started, and of the page's thread.

    The page's thread is the first one of the process that has a worker.
    """
    parents, seconds, page = {}, {}, 0.0
    for path in Path("/proc").glob("[0-9]*"):
        process = int(path.name)
        try:
            parents[process], seconds[process] = seconds_of(path / "stat")
        except OSError:  # it has ended
            continue

    def inside(process: int) -> bool:
        while process > 1:
            if process == root:
                return True
            process = parents.get(process, 0)
        return False

    for process in [each for each in seconds if inside(each)]:
        threads = Path(f"/proc/{process}/task")
        names = [(each / "comm").read_text() for each in threads.iterdir()]
        if any(name.startswith(WORKERS) for name in names):
            page += seconds_of(threads / str(process) / "stat")[1]
    return sum(each for process, each in seconds.items() if inside(process)), page


def first_frame(browser: Any) -> float:
    """Return the milliseconds from the start of loading to the first frame."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(COUNT_FRAMES)
    page.goto(PAGE.as_uri())
    found = page.evaluate(FIRST_FRAME)
    page.close()
    return float(found)


def training(evaluate: Callable[[str], Any], wait: Callable[[float], None], seconds: float) -> str:
    """Return a line about the frames while both networks train."""
    evaluate(TRAIN)
    wait(WARM_UP_S)
    evaluate("drawnAt.length = 0")
    step, (used, own) = evaluate(STEP), processor_seconds(os.getpid())
    wait(seconds)
    times = evaluate("drawnAt")
    steps, (used_then, own_then) = evaluate(STEP) - step, processor_seconds(os.getpid())
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0])
    between = [after - before for before, after in pairwise(times)]
    late = sum(each > 25 for each in between) / len(between)
    return (
        f"{rate:5.1f} frames a second, {100 * late:.0f} % of them late; processor time for a frame "
        f"{1000 * (used_then - used) / len(times):4.1f} ms, of the page's thread "
        f"{1000 * (own_then - own) / len(times):3.1f} ms; {steps / seconds:4.0f} steps a second"
    )


def in_chromium(speed: int, browser: Any, seconds: float) -> str:
    """Return the line about training in Chromium."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(COUNT_FRAMES)
    page.goto(f"{PAGE.as_uri()}#{SETTINGS}&speed={speed}")
    page.evaluate(FIRST_FRAME)
    found = training(page.evaluate, lambda each: page.wait_for_timeout(1000 * each), seconds)
    page.close()
    return found


def in_firefox(speed: int, started: Any, seconds: float) -> str:
    """Return the line about training in Firefox."""
    started.resize(1280)
    # another fragment alone would load nothing, and count each frame twice
    started.call("WebDriver:Navigate", {"url": "about:blank"})
    started.open(PAGE, f"#{SETTINGS}&speed={speed}")

    def evaluate(expression: str) -> Any:
        """Run a script of the page itself; Firefox keeps those of a driver apart."""
        keep = f"document.body.dataset.found = JSON.stringify(({expression}) ?? null)"
        started.run(
            "const made = document.createElement('script'); made.textContent = args[0];"
            "document.body.append(made); made.remove();",
            keep,
        )
        return json.loads(started.run("return document.body.dataset.found"))

    evaluate(f"(() => {{{COUNT_FRAMES}}})()")
    wait = "await new Promise((then) => setTimeout(then, 1000 * args[0]))"
    return training(evaluate, lambda each: started.run(wait, each), seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, default=0, help="the core that is used")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    print(f"{processor()}, 1 core, Python {platform.python_version()}")
    print(f"load before: {os.getloadavg()[0]:.1f} processes")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-quic"]
        )
        print(f"Chromium {browser.version}")
        firsts = [first_frame(browser) for _ in range(5)]
        median, most = statistics.median(firsts), max(firsts)
        print(f"first frame after {median:.0f} ms (5 loads, {most:.0f} at most)")
        for speed in (1, 5):
            print(f"at most {speed} steps a frame: {in_chromium(speed, browser, options.seconds)}")
        browser.close()
    sys.path.insert(0, str(ROOT / "tests" / "report" / "browser"))
    firefox = importlib.import_module("firefox")
    if firefox.firefox() is None:
        print("no Firefox")
        return
    with firefox.running_firefox({"ui.prefersReducedMotion": 0}) as started:
        print(f"Firefox {started.version}")
        for speed in (1, 5):
            print(f"at most {speed} steps a frame: {in_firefox(speed, started, options.seconds)}")


if __name__ == "__main__":
    main()
