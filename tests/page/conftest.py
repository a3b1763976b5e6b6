"""Pages of small results, and the browser that opens them."""

import base64
import json
import re
import shutil
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree
from neurorecon.page import write_page
from neurorecon.report import PageContent, file_rows, review_path, write_review
from neurorecon.swc import write_swc

SIZE = VoxelSize(1.0, 0.5, 0.5)
SHAPE = (24, 60, 80)

# WebGL by the processor: the same picture on every machine.
PLAIN = ["--no-sandbox", "--disable-gpu-compositing", "--disable-gpu-rasterization", "--disable-accelerated-2d-canvas"]
SOFTWARE = [*PLAIN, "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WITHOUT = ["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]


@dataclass(frozen=True)
class Read:
    """What a page holds."""

    text: str
    values: dict
    arrays: dict


def page_at(path):
    text = Path(path).read_text(encoding="utf-8")
    values = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    block = re.search(r'<script type="text/plain" id="block">(.*?)</script>', text, re.DOTALL)[1]
    raw = zlib.decompress(base64.b64decode(block))
    arrays = {}
    for name, told in values["arrays"].items():
        count = int(np.prod(told["shape"]))
        arrays[name] = np.frombuffer(raw, told["type"], count, told["at"]).reshape(told["shape"])
    return Read(text, values, arrays)


def drawn(x=0.0, *, soma=True):
    """A trunk along x with a twig, 40 nodes, at distance `x` along y: um, confidence falling along it."""
    trunk = [(4 + 0.75 * k, 8 + x, 10) for k in range(30)]
    twig = [(4 + 0.75 * 15, 8 + x + 0.75 * k, 10 + 0.2 * k) for k in range(1, 11)]
    parent = [*range(-1, 29), 15, *range(30, 39)]
    kind = np.full(40, 3)
    kind[0] = 1 if soma else 3
    radius = np.full(40, 0.5)
    radius[0] = 2.0
    bridged = np.zeros(40, bool)
    bridged[20:22] = True
    return Tree(np.array(trunk + twig, float), radius, np.array(parent), kind, "um", np.linspace(1, 0.3, 40), bridged)


@pytest.fixture(scope="session")
def read_page():
    """Read what a page holds."""
    return page_at


@pytest.fixture(scope="session")
def neuron():
    """Draw a neuron of 40 nodes."""
    return drawn


@pytest.fixture(scope="session")
def grey():
    """Grey levels of SHAPE with a bright bar along the trunk."""
    volume = np.random.default_rng(5).integers(0, 60, SHAPE).astype(np.uint8)
    volume[9:12, 15:18, 6:56] = 220
    return volume


@pytest.fixture(scope="session")
def page(grey):
    """Write the files of a forest and its page; return OUT.html."""

    def make(folder, *trees, name="cell.swc", volume=grey, **told):
        forest = trees[0] if len(trees) == 1 else Tree.joined(trees or [drawn()])
        swc = folder / name
        files = file_rows(forest, swc)
        for path, rows in files:
            write_swc(forest.take(rows), path, overwrite=True)
        write_review(forest, files, review_path(swc), overwrite=True)
        html = swc.with_suffix(".html")
        content = {"volume": volume, "voxel_size": SIZE, "title": "cell.tif"} | told
        write_page(PageContent(forest, files, **content), html, overwrite=True)
        return html

    return make


@pytest.fixture(scope="session")
def browsers():
    """Chromium under playwright, with WebGL in software and without any: (with, without)."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs chromium, and there is none: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("needs playwright, and there is none: pip install playwright")
    with sync_playwright() as driver:
        kinds = [driver.chromium.launch(executable_path=chromium, args=args) for args in (SOFTWARE, WITHOUT)]
        yield kinds
        for browser in kinds:
            browser.close()


def wait(tab, expression, seconds=120):
    """Wait until JavaScript is true; playwright's own way needs eval, which the policy of the page forbids."""
    end = time.monotonic() + seconds
    while not tab.evaluate(expression):
        assert time.monotonic() < end, f"never became true: {expression}"
        tab.wait_for_timeout(50)


@pytest.fixture(scope="session")
def until():
    """Wait until JavaScript is true in a page."""
    return wait


@pytest.fixture(scope="session")
def beside():
    """Open the page of a tab once more, in the same browser: a tab that shares what the browser keeps."""

    def open_beside(tab):
        other = tab.context.new_page()
        other.goto(tab.url)
        wait(other, "Boolean(window.neurorecon)")
        return other

    return open_beside


@pytest.fixture
def opened(browsers):
    """Open a page; whatever goes wrong in it fails the test."""
    contexts = []

    def open_page(html, *, webgl=True, scheme="dark"):
        context = browsers[0 if webgl else 1].new_context(
            viewport={"width": 1000, "height": 620}, color_scheme=scheme, offline=True, reduced_motion="reduce"
        )
        context.set_default_timeout(120_000)  # a busy machine, and WebGL without a graphics card
        tab = context.new_page()
        faults, asked = [], []

        def answer(dialog):
            if dialog.type == "beforeunload":
                dialog.accept()  # verdicts were not saved: leave all the same
            else:
                faults.append(dialog.message)
                dialog.dismiss()

        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("dialog", answer)
        tab.goto(html.as_uri())
        wait(tab, "Boolean(window.neurorecon)")
        contexts.append((context, faults, asked, html))
        return tab

    yield open_page
    for context, faults, asked, html in contexts:
        context.close()
        assert faults == []
        assert {url.split("?")[0] for url in asked if not url.startswith("blob:")} == {html.as_uri()}
