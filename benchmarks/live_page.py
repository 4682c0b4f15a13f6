"""Frames a second of the live page in headless Chromium on one core, and time to its first frame.

Run ``python benchmarks/live_page.py``. The browser, with all its processes, and this script share
one core. Two networks 2-64-64-2 train on 60 rows in batches of 30, network B with dropout. Other
load on that core lowers the frames, so the processor time for a frame is measured too: 60 frames
need less than 16.7 ms.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import processor
from playwright.sync_api import sync_playwright

PAGE = Path(__file__).parents[1] / "docs" / "live" / "index.html"
SETTINGS = "rows=60&batch=30&b.keep=0.5"
WARM_UP_S = 3

COUNT_FRAMES = """
globalThis.frames = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message) {
  if (message.kind === "drawn") frames.push(performance.now());
  return post.call(this, message);
};
"""
FIRST_FRAME = """
new Promise((then) => {
  const look = () => frames.length ? then(frames[0]) : setTimeout(look, 5);
  look();
})
"""
STEP = "Number(document.getElementById('progress').textContent.match(/\\d+/)[0])"


def processor_seconds(root: int) -> float:
    """Return the processor time of a process and of all that it started."""
    parents, seconds = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        seconds[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def inside(process: int) -> bool:
        while process > 1:
            if process == root:
                return True
            process = parents.get(process, 0)
        return False

    return sum(each for process, each in seconds.items() if inside(process))


def first_frame(browser: Any) -> float:
    """Return the milliseconds from the start of loading to the first frame."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(COUNT_FRAMES)
    page.goto(PAGE.as_uri())
    found = page.evaluate(FIRST_FRAME)
    page.close()
    return float(found)


def training(browser: Any, speed: int, seconds: float) -> str:
    """Return a line about the frames while both networks train."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(COUNT_FRAMES)
    page.goto(f"{PAGE.as_uri()}#{SETTINGS}&speed={speed}")
    page.evaluate(FIRST_FRAME)
    page.click("#play")
    page.wait_for_timeout(1000 * WARM_UP_S)
    page.evaluate("frames.length = 0")
    step, used = page.evaluate(STEP), processor_seconds(os.getpid())
    page.wait_for_timeout(1000 * seconds)
    times = page.evaluate("frames")
    steps, used = page.evaluate(STEP) - step, processor_seconds(os.getpid()) - used
    page.close()
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0])
    between = [after - before for before, after in pairwise(times)]
    late = sum(each > 25 for each in between) / len(between)
    return (
        f"{rate:5.1f} frames a second, {100 * late:.0f} % of them late; "
        f"{1000 * used / len(times):4.1f} ms of processor time for a frame; "
        f"{steps / seconds:4.0f} steps a second"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, default=0, help="the core that is used")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-quic"]
        )
        print(
            f"{processor()}, 1 core, Chromium {browser.version}, Python {platform.python_version()}"
        )
        print(f"load before: {os.getloadavg()[0]:.1f} processes")
        firsts = [first_frame(browser) for _ in range(5)]
        median, most = statistics.median(firsts), max(firsts)
        print(f"first frame after {median:.0f} ms (5 loads, {most:.0f} at most)")
        for speed in (1, 5):
            print(f"at most {speed} steps a frame: {training(browser, speed, options.seconds)}")
        browser.close()


if __name__ == "__main__":
    main()
