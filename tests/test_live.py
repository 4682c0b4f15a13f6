"""The live page: its masks are Python's, its training is bridle's, and it works in a browser."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bridle.ops.masks import address_of, keep_mask, normals, uniforms

HERE = Path(__file__).parent / "live"
ROOT = HERE.parents[1]
LIVE = ROOT / "docs" / "live"
NODE = shutil.which("node")
ADDRESSES = [(0, 0, 0), (7, 2, 5), (2**33 + 1, 3, 2**40 + 9)]

needs_node = pytest.mark.skipif(NODE is None, reason="needs node")


def node(*arguments):
    return subprocess.run(
        [NODE, *arguments], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout


@needs_node
def test_masks_and_numbers_are_those_of_python(tmp_path):
    masks, numbers = tmp_path / "masks", tmp_path / "numbers"
    words = node("masks.mjs", masks, numbers)
    assert words.split() == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    found = np.frombuffer(masks.read_bytes(), np.uint8).reshape(3, 1100, 303)
    threshold = torch.tensor([round(0.3 * 65536)])
    assert found.size == 999_900
    rows = torch.arange(1100)[None]
    for part, (seed, stream, step) in zip(found, ADDRESSES, strict=True):
        wanted = keep_mask(address_of([seed], stream=stream, step=step), rows, 303, threshold)[0]
        np.testing.assert_array_equal(part, wanted.numpy())
    read = np.frombuffer(numbers.read_bytes()).reshape(3, 2, 130)
    for (uniform, normal), (seed, stream, step) in zip(read, ADDRESSES, strict=True):
        address = address_of([seed], stream=stream, step=step)
        wanted = uniforms(address, torch.tensor([[2**33 + 4]]), 130)[0, 0].numpy()
        np.testing.assert_array_equal(uniform, wanted)
        wanted = normals(address, torch.tensor([[3]]), 130)[0, 0].numpy()
        np.testing.assert_allclose(normal, wanted, rtol=2e-7)


@needs_node
def test_its_python_script_repeats_what_it_shows(tmp_path):
    shown = json.loads(node("scripts.mjs", tmp_path))
    assert set(shown) == {"changed", "stopped", "classic"}
    running = {
        name: subprocess.Popen(
            [sys.executable, tmp_path / f"{name}.py"], stdout=subprocess.PIPE, text=True
        )
        for name in shown
    }
    for name, process in running.items():
        printed = process.communicate()[0]
        assert process.returncode == 0
        numbers = [float(each) for each in re.findall(r"\d+\.\d+", printed)]
        np.testing.assert_allclose(numbers, shown[name], atol=1e-4)


@needs_node
def test_its_mathematics():
    assert "# fail 0" in node("--test", "--test-reporter=tap", "checks.mjs")


def test_the_page_is_what_its_modules_say():
    made = runpy.run_path(str(ROOT / "docs" / "live_page.py"))
    assert (LIVE / "index.html").read_text(encoding="utf-8") == made["page"](), (
        "run python docs/live_page.py"
    )
    for entry in ("app.js", "worker.js"):
        names = re.findall(
            r"^(?:async )?(?:const|let|function|class) (\w+)", made["joined"](entry), re.MULTILINE
        )
        assert len(names) == len(set(names))
    files = [path for path in LIVE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 400_000
    assert all(
        len(path.read_text(encoding="utf-8").splitlines()) <= 350
        for path in files
        if path.suffix in {".js", ".mjs"}
    )


STEP = "() => Number(document.getElementById('progress').textContent.match(/\\d+/)?.[0])"


def test_the_tour_in_chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    axe = os.environ.get("AXE")
    heard = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-quic", "--disable-sync"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on(
            "request", lambda request: heard.extend([request.url] * request.url.startswith("h"))
        )
        page.goto(f"{(LIVE / 'index.html').as_uri()}#rows=0&h1=16&h2=16")
        page.wait_for_function(STEP.replace("() => ", "() => 0 === "))
        assert "rows" in page.inner_text("#status")
        for stop in range(8):
            page.click("#tour-set")
            page.wait_for_function(STEP.replace("() => ", "() => 10 <= "))
            assert page.inner_text("#name-a") == "Network A"
            assert " points (" in page.inner_text("#sides section:first-child .verdict")
            if stop < 7:
                page.click("#tour-next")
        assert page.is_disabled("#tour-next")
        # a slider acts while it trains, by the keyboard
        slider = page.locator("#sides section:nth-child(2) input").first
        slider.focus()
        for _ in range(15):
            page.keyboard.press("ArrowRight")
        zeros = page.locator("#sides section:nth-child(2)").get_by_text("exact zeros")
        page.wait_for_function(
            "() => [...document.querySelectorAll('#sides .numbers')]"
            ".some(each => parseFloat(each.textContent) > 50 && /zeros/.test(each.textContent))"
        )
        assert "b.l1=" in page.url
        assert zeros.count() == 1
        page.click("#play")
        page.click("#measure")
        page.wait_for_function("() => document.getElementById('inspected-b').textContent")
        page.fill("#k", "-1")
        page.click("#measure")
        assert "whole number" in page.inner_text("#status")
        page.click("#language")
        assert page.inner_text("h1") == "正则化，现场演示"
        assert page.get_attribute("html", "lang") == "zh-CN"
        faults = []
        if axe:
            page.add_script_tag(content=Path(axe).read_text(encoding="utf-8"))
            for _ in range(2):
                page.click("#theme")
                found = page.evaluate("() => axe.run()")["violations"]
                faults += [(each["id"], each["nodes"][0]["target"]) for each in found]
        page.set_viewport_size({"width": 390, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert (heard, faults, wide) == ([], [], 390)
