"""The page in a real browser: chromium without a screen, WebGL in software; every test fails on any error of the script."""

import json

import numpy as np
import pytest

from neurorecon.core.files import hash_path
from neurorecon.core.tree import Tree

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Colours of the canvas of the 3D view, read right after a frame was drawn.
PIXELS = """() => {
  const v = window.neurorecon.view, gl = v.scene.gl;
  v.moved = 0; v.flying = null; v.frame(performance.now());  // at rest: all pixels, where a moving view has half
  const w = gl.drawingBufferWidth, h = gl.drawingBufferHeight;
  const read = new Uint8Array(4 * w * h); gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, read);
  let grey = 0, coloured = 0;
  for (let i = 0; i < read.length; i += 4) {
    const high = Math.max(read[i], read[i + 1], read[i + 2]), low = Math.min(read[i], read[i + 1], read[i + 2]);
    if (high - low > 60) coloured++; else if (high > 60) grey++;
  }
  return { grey, coloured };
}"""


def state(tab, text):
    return tab.evaluate(f"() => {{ const p = window.neurorecon; return {text}; }}")


def saved(tab, act):
    with tab.expect_download() as download:
        act()
    return download.value.suggested_filename, json.loads(download.value.path().read_text(encoding="utf-8"))


def test_tree_and_stack_are_drawn_and_each_can_be_hidden(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    both = tab.evaluate(PIXELS)
    assert both["coloured"] > 300
    assert both["grey"] > 3000
    tab.keyboard.press("v")
    without_stack = tab.evaluate(PIXELS)
    assert without_stack["grey"] < both["grey"] - 3000  # what is left is the disc of the soma
    assert without_stack["coloured"] > 300
    tab.keyboard.press("v")
    tab.keyboard.press("h")
    tab.select_option("#marks", "0")
    assert tab.evaluate(PIXELS)["coloured"] < 100


def test_j_and_k_go_through_the_list_and_show_why_it_is_listed(page, opened, tmp_path, until):
    tab = opened(page(tmp_path))
    assert tab.locator("#list [role=option]").count() > 0
    tab.keyboard.press("j")
    head = tab.inner_text("#chosen-head")
    assert head.startswith("Look 1 of ")
    assert ", stretch 1 of " in head
    assert "bridge" in head or "confidence" in head or "open end" in head
    assert "confidence" in tab.inner_text("#chosen-why")
    tab.keyboard.press("j")
    tab.keyboard.press("k")
    assert tab.inner_text("#chosen-head") == head
    assert tab.get_attribute("#list [aria-selected=true]", "id") == "entry-0"
    until(tab, "!window.neurorecon.view.flying")
    target, middle = state(tab, "[p.view.camera.target, p.entries.middle(0)]")
    assert max(abs(a - b) for a, b in zip(target, middle, strict=True)) < 1
    close = tab.evaluate(
        "() => { const c = document.getElementById('close'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(d).size; }"
    )
    assert close > 10  # grey levels: the slab of the stack


def test_one_key_keeps_the_rest_of_a_look_and_goes_to_the_next(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    lines = [line.split(",") for line in (tmp_path / "cell.review.csv").read_text().splitlines()]
    look = [int(line[lines[0].index("look")]) for line in lines[1:]]
    assert look.count(1) > 1
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    tab.keyboard.press("Shift+Y")
    verdicts = state(tab, "p.verdicts.list[0].map((v) => v.do)")
    assert verdicts == ["drop"] + ["keep"] * (look.count(1) - 1)
    assert tab.inner_text("#chosen-head").startswith("Look 2 of ")
    tab.keyboard.press("u")
    assert state(tab, "p.verdicts.list[0].map((v) => v.do)") == ["drop"]  # one undo takes them all back
    tab.keyboard.press("Shift+K")
    assert tab.inner_text("#chosen-head").startswith("Look 1 of ")
    tab.keyboard.press("Shift+J")
    assert tab.inner_text("#chosen-head").startswith(f"Look 2 of {max(look)}, stretch {look.count(1) + 1} of ")


def test_verdicts_are_saved_in_their_format(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.fill("#note", 'a "note" </script> ñ')
    tab.focus("#stage")
    tab.keyboard.press("y")
    tab.keyboard.press("x")
    tab.keyboard.press("d")
    tab.keyboard.press("t")
    tab.keyboard.press("3")
    tab.keyboard.press("r")
    tab.fill("#by", "Santiago")
    tab.focus("#stage")
    name, held = saved(tab, lambda: tab.keyboard.press("s"))
    assert name == "cell.verdicts.json"
    assert (held["format"], held["version"], held["by"]) == ("neurorecon-verdicts", 1, "Santiago")
    assert held["tree"] == {"file": "cell.swc", "sha256": hash_path(tmp_path / "cell.swc")}
    keys = {"at", "do", "node", "from", "to", "kind", "note"}
    assert [set(verdict) for verdict in held["verdicts"]] == [keys] * 5
    assert [verdict["do"] for verdict in held["verdicts"]] == ["keep", "drop", "detach", "kind", "root"]
    lines = [line.split(",") for line in (tmp_path / "cell.review.csv").read_text().splitlines()]
    column = lines[0].index
    for verdict, line in zip(held["verdicts"][:2], lines[1:3], strict=True):
        given = [verdict["node"], verdict["from"], verdict["to"]]
        assert given == [int(line[column(name)]) for name in ("node", "from_node", "to_node")]
    assert held["verdicts"][0]["note"] == 'a "note" </script> ñ'
    assert held["verdicts"][3]["kind"] == 3
    assert held["verdicts"][2]["from"] is held["verdicts"][2]["to"] is held["verdicts"][2]["kind"] is None


def test_undo_and_redo_and_the_store_of_the_browser(page, opened, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    for key in ("j", "x", "y", "d"):
        tab.keyboard.press(key)
    count = "p.verdicts.list[0].map((v) => v.do)"
    assert state(tab, count) == ["drop", "keep", "detach"]
    tab.keyboard.press("u")
    tab.keyboard.press("Control+z")
    assert state(tab, count) == ["drop"]
    tab.keyboard.press("Shift+U")
    assert state(tab, count) == ["drop", "keep"]
    tab.reload()
    until(tab, "Boolean(window.neurorecon)")
    assert state(tab, count) == ["drop", "keep"]
    assert tab.inner_text("#count") == "2"
    assert tab.inner_text("#told").endswith(" 2 verdicts are taken up; j goes on where the first one is missing.")
    tab.keyboard.press("j")
    assert state(tab, "[p.entry, p.verdicts.ofEntry.has(p.entry), p.verdicts.ofEntry.has(p.entry - 1)]") == [
        2,
        False,
        True,
    ]
    tab.click("#tab-verdicts")
    tab.click("#verdicts >> text=Remove >> nth=0")
    assert state(tab, count) == ["keep"]


def test_two_clicks_join_two_points_of_one_file(page, opened, tmp_path, until):
    tab = opened(page(tmp_path))
    until(tab, "window.neurorecon.view.camera.width > 1")
    box = tab.locator("#stage").bounding_box()

    def click(node):
        x, y, _ = state(tab, f"p.view.camera.projector()(...p.tree.at({node}))")
        tab.mouse.click(box["x"] + x, box["y"] + y)

    click(39)
    assert state(tab, "p.view.node") == 39
    tab.click("#join")
    click(29)
    assert "would make a loop" in tab.inner_text("#told")
    assert state(tab, "p.verdicts.count") == 0
    tab.keyboard.press("Escape")
    tab.evaluate("() => window.neurorecon.clicked(30)")  # the first node of the twig
    tab.click("#detach")
    click(39)
    tab.click("#join")
    click(29)
    assert state(tab, "p.verdicts.list[0].map((v) => [v.do, v.node, v.to])") == [["detach", 31, None], ["join", 40, 30]]
    click(10)
    assert state(tab, "p.view.node") == 10
    tab.click("#root")
    assert state(tab, "p.verdicts.list[0][2].node") == 11


def test_each_swc_file_has_verdicts_of_its_own(page, opened, neuron, tmp_path):
    tab = opened(page(tmp_path, neuron(), neuron(12)), webgl=False)
    files = state(tab, "p.tree.files.map((f) => [f.name, f.first])")
    for name, first in files:
        tab.evaluate(f"() => {{ const p = window.neurorecon; p.verdicts.add('detach', {first} + 5); p.changed(); }}")
        assert name.startswith("cell_")
    with tab.expect_download() as one, tab.expect_download() as two:
        tab.click("#save")
    assert {one.value.suggested_filename, two.value.suggested_filename} <= {
        "cell_1.verdicts.json",
        "cell_2.verdicts.json",
    }
    assert state(tab, "p.verdicts.list.map((l) => l.map((v) => v.node))") == [[6], [6]]


def test_a_saved_file_can_be_opened_and_one_of_another_tree_is_refused(page, opened, neuron, tmp_path, until):
    html = page(tmp_path)
    tab = opened(html, webgl=False)
    for key in ("j", "x"):
        tab.keyboard.press(key)
    _, held = saved(tab, lambda: tab.keyboard.press("s"))
    tab.keyboard.press("u")
    (tmp_path / "mine.json").write_text(json.dumps(held))
    tab.set_input_files("#file", tmp_path / "mine.json")
    until(tab, "window.neurorecon.verdicts.count === 1")
    held["tree"]["sha256"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(held))
    tab.set_input_files("#file", tmp_path / "other.json")
    until(tab, "document.getElementById('told').textContent.includes('another tree')")
    assert state(tab, "p.verdicts.count") == 1


def test_without_webgl_projections_list_and_verdicts_remain(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    assert state(tab, "[p.view.mode, p.view.scene]") == ["flat", None]
    assert tab.is_disabled("#to-space")
    assert [tab.get_attribute(name, "aria-pressed") for name in ("#to-space", "#to-flat")] == ["false", "true"]
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    assert state(tab, "p.verdicts.count") == 1
    drawn = tab.evaluate(
        "() => { const c = document.getElementById('flat'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " let n = 0; for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - d[i + 2]) > 60) n++; return n; }"
    )
    assert drawn > 100


def test_a_name_with_markup_runs_nothing(page, opened, tmp_path):
    evil = "</h1><img src=x onerror=alert(1)><script>alert(2)</script>"
    tab = opened(page(tmp_path, name="a'b\"c <i>.swc", title=evil), webgl=False)
    assert tab.inner_text("h1") == evil
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    name, held = saved(tab, lambda: tab.keyboard.press("s"))
    assert held["tree"]["file"] == "a'b\"c <i>.swc"
    assert name.endswith(".verdicts.json")


def test_dark_and_light_follow_the_system_and_the_button(page, opened, tmp_path):
    tab = opened(page(tmp_path), scheme="light")
    theme = "document.documentElement.dataset.theme"
    assert tab.evaluate(theme) == "light"
    tab.keyboard.press("g")
    assert tab.evaluate(theme) == "dark"


def test_every_button_and_field_has_a_name_and_can_be_reached_by_keyboard(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    nameless = tab.evaluate(
        "() => [...document.querySelectorAll('button, select, input:not([hidden])')].filter((e) =>"
        " !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).map((e) => e.id)"
    )
    assert nameless == []
    seen = set()
    for _ in range(45):
        tab.keyboard.press("Tab")
        seen.add(tab.evaluate("document.activeElement.id"))
    assert {"theme", "help", "colour", "stage", "keep", "drop", "list", "save", "note"} <= seen


def branched():
    """A trunk of 60 nodes with a branch of 40 on its middle, 1.5 px of 0.5 um apart; the end of the branch is least sure."""
    trunk = [(2 + 0.6 * k, 4, 10) for k in range(60)]
    branch = [(20, 4 + 0.6 * k, 10) for k in range(1, 41)]
    sure = np.r_[np.linspace(0.99, 0.9, 60), np.linspace(0.8, 0.3, 40)]
    kind = np.full(100, 3)
    kind[0] = 1
    parent = np.array([*range(-1, 59), 30, *range(60, 99)])
    return Tree(np.array(trunk + branch, float), np.full(100, 0.5), parent, kind, "um", sure)


def test_a_dropped_neurite_is_followed_and_then_the_list_goes_on(page, opened, tmp_path):
    tab = opened(page(tmp_path, branched()), webgl=False)
    false = state(
        tab, "[...p.entries.to].map((to, k) => [k, p.tree.at(to)[1]]).filter(([, y]) => y > 4.5).map(([k]) => k)"
    )
    looks = state(tab, "[...p.entries.look]")
    assert len({looks[k] for k in false}) >= 2
    end = state(tab, "p.entries.holding(p.tree.count - 1)")
    tab.evaluate(f"() => window.neurorecon.choose({end})")
    home = looks[end]
    for k in [k for k in false if looks[k] == home]:
        tab.evaluate(f"() => window.neurorecon.choose({k})")
        tab.keyboard.press("x")
    if state(tab, "p.entries.look[p.entry]") == home:
        tab.keyboard.press("Shift+Y")
    now = state(tab, "p.entry")
    assert now in false
    assert looks[now] != home
    assert "goes on here" in tab.inner_text("#told")
    assert "a dropped neurite goes on here" in tab.inner_text("#chosen-why")
    assert "goes on" in tab.inner_text(f"#entry-{now}")
    while state(tab, "p.entry") in false and state(tab, "p.way.following"):
        tab.keyboard.press("x")
    assert {state(tab, f"p.verdicts.ofEntry.get({k})") for k in false} == {"drop"}
    if state(tab, "p.way.following"):
        tab.keyboard.press("Shift+Y")
    assert state(tab, "p.entries.look[p.entry]") > home or "list" in tab.inner_text("#told")
    tab.keyboard.press("u")
    assert state(tab, "p.verdicts.dropped.includes(1)")


def test_verdicts_stay_in_the_look_until_all_of_it_is_judged(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    last = state(tab, "p.entries.first[1] - 1")
    assert last > 0
    tab.evaluate(f"() => window.neurorecon.choose({last})")
    tab.keyboard.press("y")
    assert state(tab, "p.entry") == 0
    for _ in range(state(tab, "p.entries.count")):
        tab.keyboard.press("Shift+Y")
    assert state(tab, "p.verdicts.ofEntry.size") == state(tab, "p.entries.count")
    assert "Every stretch has a verdict" in tab.inner_text("#told")
