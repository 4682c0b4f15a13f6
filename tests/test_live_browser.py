"""The live page in Chromium and Firefox, where they are: the tour, the sliders, the link."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "report" / "browser"))
import firefox

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "live" / "index.html"
CHROMIUM = shutil.which("chromium")
AXE = os.environ.get("AXE")
# with these, Playwright has frames for a tab behind another one
DRAWS_WHAT_IS_HIDDEN = [
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]
SMALL = "h1=16&h2=16&rows=40"

# The same functions in both browsers; `until` waits for something of the page.
TOOLS = """
const byId = (id) => document.getElementById(id);
const text = (id) => byId(id).innerText;
const step = () => Number(text("progress").match(/\\d+/)?.[0]);
const until = async (found) => {
  for (let at = 0; at < 600 && !found(); at++) await new Promise((then) => setTimeout(then, 50));
  if (!found()) throw new Error(`never: ${found}`);
};
"""
TOUR = f"""{TOOLS}
const seen = [];
byId("tour-set").click();
for (let stop = 1; stop <= 8; stop++) {{
  await until(() => step() >= 3 && text("key-b"));
  seen.push(text("tour-name"), text("key-a"), text("key-b"));
  if (stop < 8) byId("tour-next").click();
}}
return [seen, byId("tour-next").disabled];
"""
# the slider of L1 in network B, one value with each press of a key
SLIDER = "document.querySelector('#sides section:nth-child(2) input')"
ZEROS = f"""{TOOLS}
const zeros = () => parseFloat(document.querySelector('#sides section:nth-child(2)').innerText
  .match(/exact zeros.([0-9.]+)/)[1]);
await until(() => zeros() > 50 && location.hash.includes("b.l1="));
byId("play").click();
byId("measure").click();
await until(() => !byId("inspected").hidden);
return [...byId("inspected").rows].map((row) => row.innerText);
"""


HOLD_FRAMES = """() => {
  const frame = requestAnimationFrame, held = [];
  globalThis.requestAnimationFrame = (act) => held.push(act);
  globalThis.release = () => {
    globalThis.requestAnimationFrame = frame;
    held.forEach((act) => frame(act));
  };
}"""


def faults_of_axe(found) -> list:
    return [(each["id"], each["nodes"][0]["target"]) for each in found["violations"]]


def check_tour(seen, ended):
    assert len(seen) == 24
    assert ended
    assert seen[0] == "Tour 1/8: Overfitting"
    for name, one, two in zip(seen[0::3], seen[1::3], seen[2::3], strict=True):
        assert "/8: " in name
        assert "gap" in one
        assert "gap" in two


def check_measures(rows):
    assert len(rows) == 7
    assert all("%" in row or "loss" in row for row in rows[1:])


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-quic", "--disable-sync"]
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=flags, ignore_default_args=DRAWS_WHAT_IS_HIDDEN
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """A function that opens the page; at the end nothing was logged, and no network asked."""
    heard = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.extend([request.url] * request.url.startswith("h")))

    def go(link=SMALL):
        page.goto(f"{PAGE.as_uri()}#{link}")
        page.wait_for_function("() => document.documentElement.dataset.drawn === 'yes'")
        return page

    yield go
    context.close()
    assert heard == []


def run(page, script):
    return page.evaluate(f"async () => {{{script}}}")


def test_the_tour_in_chromium(opened):
    page = opened()
    check_tour(*run(page, TOUR))
    page.evaluate(f"{SLIDER}.focus()")
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    check_measures(run(page, ZEROS))
    named = "[...document.querySelectorAll('input, select')].map(each => each.labels[0].innerText)"
    assert "Training rows 60" in [" ".join(each.split()) for each in page.evaluate(named)]
    page.fill("#k", "-1")
    page.click("#measure")
    assert "whole number" in page.inner_text("#status")
    page.click("#language")
    assert page.inner_text("h1") == "正则化现场演示"
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert "k 须为" in page.inner_text("#status")
    faults = []
    if AXE:
        page.add_script_tag(content=Path(AXE).read_text(encoding="utf-8"))
        for _ in range(2):
            page.click("#theme")
            faults += faults_of_axe(page.evaluate("() => axe.run()"))
    assert faults == []
    for width in (390, 820):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_link_holds_the_settings_in_chromium(opened):
    page = opened(f"{SMALL}&rows=0&tour=3&b.keep=0.5&k=12&__proto__=1")
    assert "rows, __proto__" in page.inner_text("#status")
    assert page.inner_text("#tour-name").startswith("Tour 3/8")
    assert page.input_value("#k") == "12"
    assert "step 0" in page.inner_text("#progress")
    # a stop of the tour is an entry of the history; back gives the settings before it
    page.click("#tour-next")
    page.wait_for_function("() => location.hash.includes('a.l1=0.002')")
    page.go_back()
    page.wait_for_function("() => document.getElementById('tour-name').innerText.includes('3/8')")
    page.wait_for_function("() => document.getElementById('progress').innerText.includes('step 0')")
    assert page.inner_text("#play") == "Train"
    # another link in the same window
    page.evaluate("location.hash = 'data=digits&b.inputKeep=0.5&language=zh'")
    page.wait_for_function(
        "() => document.getElementById('sides').innerText.includes('第一层特征')"
    )
    page.reload()
    page.wait_for_function("() => document.documentElement.dataset.drawn === 'yes'")
    assert "第一层特征" in page.inner_text("#sides")


def test_a_network_that_diverges_is_a_sentence_in_chromium(opened):
    link = "data=spirals&rows=300&rate=1&batch=128&seed=2&h1=128&h2=128&a.keep=0.05&speed=50"
    page = opened(f"{link}&count=2")
    page.click("#play")
    page.wait_for_function("() => document.getElementById('key-a').innerText.includes('diverged')")
    page.click("#play")
    page.click("#measure")
    page.wait_for_selector("#inspected:not([hidden])")
    assert "NaN" not in page.inner_text("body")
    assert page.inner_text("#inspected td >> nth=0") == "diverged"


def test_a_page_without_frames_pauses_and_goes_on_in_chromium(opened):
    page = opened()
    page.evaluate(HOLD_FRAMES)
    page.click("#play")
    page.wait_for_timeout(200)
    page.click("#measure")
    page.wait_for_selector("#inspected:not([hidden])")
    found = int(page.inner_text("#inspected th >> nth=0").removeprefix("At step "))
    assert 0 < found <= 10  # two pictures of at most 5 steps
    assert "step 0" in page.inner_text("#progress")
    page.evaluate("release()")
    run(page, f"{TOOLS} await until(() => step() > {found + 20})")
    # a tab behind another one
    page.context.new_page().bring_to_front()
    page.wait_for_timeout(300)
    page.bring_to_front()
    run(page, f"{TOOLS} const before = step(); await until(() => step() > before + 20)")


@pytest.mark.skipif(not firefox.firefox(), reason="needs Firefox")
def test_the_tour_in_firefox():
    with firefox.running_firefox() as started:
        started.resize(1280)
        started.open(PAGE)
        check_tour(*started.run(TOUR))
        started.run(f"{SLIDER}.focus()")
        started.keys(*[firefox.RIGHT] * 15)
        check_measures(started.run(ZEROS))
        faults = []
        if AXE:
            started.run(Path(AXE).read_text(encoding="utf-8") + "; window.axe = axe;")
            for _ in range(2):
                started.run("document.getElementById('theme').click()")
                faults += faults_of_axe(started.run("return await window.axe.run()"))
        first = started.call("WebDriver:GetWindowHandle")
        started.run(f"{TOOLS} byId('play').click(); await until(() => step() > 5)")
        started.call("WebDriver:NewWindow", {"type": "tab", "focus": True})
        started.run(f"{TOOLS} await until(() => document.visibilityState === 'hidden')")
        started.call("WebDriver:SwitchToWindow", {"handle": first, "focus": True})
        started.run(f"{TOOLS} const before = step(); await until(() => step() > before + 5)")
        started.resize(390)
        over = started.run(f"return {firefox.OVERFLOW}")
        assert (started.messages(), faults, over) == ([], [], 0)
