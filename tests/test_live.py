"""The live page: its masks are Python's, and its training is bridle's."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
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
def test_its_python_script_repeats_what_it_shows(tmp_path, capsys):
    shown = json.loads(node("scripts.mjs", tmp_path))
    assert set(shown) == {"changed", "stopped", "classic"}
    for name, wanted in shown.items():
        runpy.run_path(str(tmp_path / f"{name}.py"), run_name="__main__")
        printed = capsys.readouterr().out
        numbers = [float(each) for each in re.findall(r"\d+\.\d+", printed)]
        np.testing.assert_allclose(numbers, wanted, atol=1e-6)


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
