"""The page as somebody uses it who has never seen it: focus, keys, messages, small windows, two windows at once."""

import json
from dataclasses import replace

import numpy as np
import pytest

from neurorecon.core.files import hash_path
from neurorecon.core.left_out import LeftOut
from neurorecon.core.tree import Tree
from neurorecon.report import Row, write_html

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EVERY_KEY = (
    "j k J K y x Y d l Escape r t 3 u U [ ] Enter f w 1 2 3 o c m v h b i , . < > g q e + - s ArrowLeft ArrowDown ?"
)


def state(tab, text):
    return tab.evaluate(f"() => {{ const p = window.neurorecon; return {text}; }}")


def focused(tab):
    return tab.evaluate("document.activeElement.id")


def test_all_keys_are_named_and_the_list_of_them_begins_at_its_top(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("?")
    assert "" not in [text.strip() for text in tab.locator("#keys-table kbd").all_inner_texts()]
    assert tab.evaluate("document.getElementById('keys').scrollTop") == 0
    tab.keyboard.press("Escape")
    assert not tab.locator("#keys").is_visible()


def test_arrows_turn_the_view_after_a_click_at_a_button(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.keyboard.press("j")
    tab.click("#keep")
    before = state(tab, "[...p.view.camera.turn]")
    tab.keyboard.press("ArrowLeft")
    assert state(tab, "[...p.view.camera.turn]") != before
    tab.focus("#list")
    turned, chosen = state(tab, "[...p.view.camera.turn]"), state(tab, "p.entry")
    tab.keyboard.press("ArrowDown")  # in the list it goes through the list
    assert state(tab, "[...p.view.camera.turn]") == turned
    assert state(tab, "p.entry") != chosen


def test_keys_belong_to_the_view_after_the_mouse_chose_in_a_list(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.dispatch_event("#colour", "pointerdown")
    tab.focus("#colour")
    tab.select_option("#colour", "kind")
    assert focused(tab) == "stage"
    tab.keyboard.press("j")
    assert state(tab, "p.entry") == 0
    tab.focus("#colour")
    tab.keyboard.press("ArrowDown")  # whoever chooses by keys stays in the list
    tab.select_option("#colour", "tree")
    assert focused(tab) == "colour"


def test_enter_ends_a_note_and_the_next_key_is_a_verdict(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.click("#note")
    tab.keyboard.type("a vessel")
    tab.keyboard.press("Enter")
    assert focused(tab) == "stage"
    tab.keyboard.press("x")
    assert state(tab, "p.verdicts.list[0].map((v) => [v.do, v.note])") == [["drop", "a vessel"]]


def test_undo_says_what_it_took_back_and_goes_there(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    tab.keyboard.press("Shift+Y")
    assert state(tab, "p.entries.look[p.entry]") == 1
    tab.keyboard.press("u")
    assert tab.inner_text("#told").startswith("Removed: keep: nodes ")
    assert "more" in tab.inner_text("#told")
    assert state(tab, "p.entries.look[p.entry]") == 0
    tab.keyboard.press("u")
    assert tab.inner_text("#told").startswith("Removed: drop: nodes ")
    assert state(tab, "p.entry") == 0
    tab.keyboard.press("Shift+U")
    assert tab.inner_text("#told").startswith("Given again: drop: nodes ")
    tab.keyboard.press("u")
    tab.keyboard.press("u")
    assert tab.inner_text("#told") == "Nothing to undo."


def test_two_pages_of_one_tree_show_the_same_verdicts_and_lose_none(page, opened, beside, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    other = beside(tab)
    assert state(other, "p.verdicts.count") == 1
    other.keyboard.press("j")
    other.keyboard.press("j")
    other.keyboard.press("y")
    until(tab, "window.neurorecon.verdicts.count === 2")
    assert "Another page" in tab.inner_text("#told")
    tab.keyboard.press("d")
    until(other, "window.neurorecon.verdicts.count === 3")
    assert state(other, "p.verdicts.list") == state(tab, "p.verdicts.list")
    tab.keyboard.press("u")
    until(other, "window.neurorecon.verdicts.count === 2")


@pytest.mark.parametrize("webgl", [True, False])
def test_no_key_fails_on_a_tree_of_one_node(page, opened, tmp_path, webgl):
    node = Tree(np.array([[20.0, 8, 10]]), np.array([2.0]), np.array([-1]), np.array([1]))
    tab = opened(page(tmp_path, node, **({"volume": None} if webgl else {})), webgl=webgl)
    if webgl:
        assert 2 < state(tab, "p.view.camera.span") < 5  # its body, of radius 2, fills the view
    assert tab.inner_text("#chosen-head") == "Nothing to review"
    for key in EVERY_KEY.split():
        tab.keyboard.press(key)  # an error of the script fails the test
    tab.keyboard.press("Escape")
    for button in ("#keep", "#drop", "#keep-rest", "#detach", "#join", "#root"):
        tab.click(button)
    tab.keyboard.press("j")
    assert "nothing to review" in tab.inner_text("#told")
    assert state(tab, "p.entry") == -1


@pytest.mark.parametrize(("width", "height"), [(1000, 480), (780, 560), (560, 700)])
def test_list_and_buttons_can_be_reached_in_a_small_window(page, opened, tmp_path, width, height):
    tab = opened(page(tmp_path), webgl=False)
    tab.set_viewport_size({"width": width, "height": height})
    tab.click("#list >> css=.row >> nth=1", timeout=20_000)
    tab.click("#drop", timeout=20_000)
    assert state(tab, "p.verdicts.count") == 1
    lines = "[...document.querySelectorAll('.row .figures, .tabs button')].map((one) => one.clientHeight)"
    assert max(tab.evaluate(lines)) < 32  # one line each: rows have one height
    for name in ("#save", "#undo", "#theme", "#note"):
        tab.locator(name).scroll_into_view_if_needed()
        box = tab.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


def test_a_row_that_is_pressed_while_the_list_is_drawn_anew_is_chosen(page, opened, tmp_path):
    """On a slow machine a scroll or another size of the window comes between the press and the release."""
    tab = opened(page(tmp_path), webgl=False)
    box = tab.locator("#list >> css=.row >> nth=1").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.evaluate("document.querySelector('#list').dispatchEvent(new Event('scroll'))")
    tab.mouse.up()
    assert state(tab, "p.entry") == 1


def test_the_panel_keeps_its_height_from_stretch_to_stretch(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tops = set()
    for _ in range(state(tab, "p.entries.count")):
        tab.keyboard.press("j")
        tops.add(tab.locator("#list").bounding_box()["y"])
    assert len(tops) == 1


def test_what_was_kept_can_be_seen_in_the_view(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.keyboard.press("j")
    tab.keyboard.press("y")
    tab.select_option("#colour", "said")
    assert "kept" in tab.inner_text("#legend")
    kept = state(tab, "p.entries.line(0)[0]")
    inks = state(tab, f"[p.view.ink({kept}), p.view.look.theme.many[2]]")
    assert inks[0] == inks[1]


def test_the_tab_of_verdicts_says_how_they_become_a_tree(page, opened, tmp_path):
    tab = opened(page(tmp_path, name='my "best" cell.swc'), webgl=False)
    tab.click("#tab-verdicts")
    assert "No verdict yet" in tab.inner_text("#verdicts")
    tab.keyboard.press("j")
    tab.keyboard.press("y")
    told = tab.inner_text("#verdicts code")
    assert told == (
        'neurorecon review apply "my \\"best\\" cell.swc" "my _best_ cell.verdicts.json" -o "my \\"best\\" cell_mended.swc"'
    )
    with tab.expect_download() as download:
        tab.click("#save")
    assert (
        download.value.suggested_filename == "my _best_ cell.verdicts.json"
    )  # a browser gives no file the name with "
    assert tab.inner_text("#count") == "1"
    tab.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    tab.keyboard.press("y")
    assert tab.inner_text("#count") == "2, not kept"


def test_a_long_way_on_is_seen_whole_in_the_close_up(page, opened, neuron, tmp_path):
    tree = neuron()
    points = tree.xyz[39] + np.arange(1, 31)[:, None] * (0.8, 0.1, 0)  # 24 um: a crop shows 22
    way = LeftOut(39, points, 24.2, 0.9)
    tab = opened(page(tmp_path, replace(tree, left_out=(way,))))
    tab.evaluate("() => { const p = window.neurorecon; p.choose([...p.entries.ways.keys()][0]); }")
    width, drawn = tab.evaluate(
        """() => {
          const close = document.getElementById('close'), pen = close.getContext('2d'), line = pen.lineTo, seen = [];
          pen.lineTo = (x, y) => { if (pen.getLineDash()[0] === 4) seen.push([x, y]); line.call(pen, x, y); };
          window.neurorecon.closeUp();
          delete pen.lineTo;
          return [(close.clientWidth - 12) / 3, seen.slice(0, seen.length / 3)];
        }"""
    )
    assert len(drawn) == 31
    assert all(0 <= value <= width for point in drawn for value in point)


def test_damaged_verdicts_are_left_out_and_do_not_stop_the_page(page, opened, tmp_path, until):
    html = page(tmp_path)
    tab = opened(html, webgl=False)
    good = {"do": "drop", "node": 3, "from": 1, "to": 8}
    bad = [
        None, 5, {"do": "toString", "node": 3}, {"do": "drop", "node": 3}, {"do": "keep", "node": 3, "from": 8, "to": 1},
        {"do": "join", "node": 3, "to": 3}, {"do": "join", "node": "x", "to": 4}, {"do": "kind", "node": 3, "kind": "<img>"},
        {"do": "extend", "node": 3, "point": "abc"}, {"do": "refuse", "node": 3, "point": [1, None, 2]},
        {"do": "extend", "node": 3, "to": 999, "point": [1, 2, 3]}, {"do": "detach", "node": 1}, {"do": "root", "node": 41},
    ]  # fmt: skip
    tree = {"file": "cell.swc", "sha256": hash_path(tmp_path / "cell.swc")}
    table = {"format": "neurorecon-verdicts", "version": 1, "tree": tree, "verdicts": [good, *bad]}
    (tmp_path / "mine.json").write_text(json.dumps(table))
    tab.set_input_files("#file", tmp_path / "mine.json")
    until(tab, "window.neurorecon.verdicts.count === 1")
    assert tab.inner_text("#told") == f"Opened 1 verdict about cell.swc; {len(bad)} are damaged, and left out."
    tab.evaluate(
        "(bad) => localStorage.setItem('neurorecon-verdicts:' + window.neurorecon.tree.files[0].sha256, JSON.stringify(bad))",
        [good, *bad],
    )
    tab.reload()
    until(tab, "Boolean(window.neurorecon)")
    assert state(tab, "p.verdicts.count") == 1


def test_a_join_by_the_button_ends_with_enter_at_the_other_node(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.evaluate("() => window.neurorecon.clicked(30)")  # the first node of the twig
    tab.click("#detach")
    tab.click("#join")
    tab.evaluate("() => { const p = window.neurorecon; p.view.node = 11; }")
    tab.keyboard.press("]")
    tab.keyboard.press("Enter")
    assert state(tab, "p.verdicts.list[0].map((v) => [v.do, v.node, v.to])") == [["detach", 31, None], ["join", 31, 13]]


def test_each_file_with_verdicts_has_its_command(page, opened, neuron, tmp_path):
    tab = opened(page(tmp_path, neuron(), neuron(12)), webgl=False)
    tab.click("#tab-verdicts")
    for first in state(tab, "p.tree.files.map((f) => f.first)"):
        tab.evaluate(f"() => {{ const p = window.neurorecon; p.clicked({first} + 5); p.judge('detach'); }}")
    told = tab.locator("#verdicts code").all_inner_texts()
    assert [text.split()[3] for text in told] == ["cell_1.swc", "cell_2.swc"]


def test_a_new_root_says_what_becomes_of_the_soma(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("[")
    assert "Choose a stretch first" in tab.inner_text("#told")
    tab.evaluate("() => window.neurorecon.clicked(10)")
    tab.keyboard.press("r")
    assert tab.inner_text("#told") == "Node 11 is the root now, and the soma at the former root is none any more."


def test_what_is_not_saved_yet_is_shown_and_undo_goes_back_to_saved(page, opened, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    assert tab.inner_text("#unsaved") == ""
    for key in ("j", "y", "x"):
        tab.keyboard.press(key)
    assert tab.inner_text("#unsaved") == "2 unsaved"
    assert tab.title() == "* cell.tif"
    with tab.expect_download():
        tab.click("#save")
    assert tab.inner_text("#unsaved") == "saved"
    assert tab.title() == "cell.tif"
    tab.keyboard.press("u")
    assert tab.inner_text("#unsaved") == "1 unsaved"  # the file has one more
    tab.keyboard.press("Shift+U")
    assert tab.inner_text("#unsaved") == "saved"
    tab.keyboard.press("d")
    tab.reload()  # the browser knows what the file holds
    until(tab, "Boolean(window.neurorecon)")
    assert tab.inner_text("#unsaved") == "1 unsaved"


def test_a_page_asks_before_it_is_left_with_verdicts_that_are_not_saved(page, opened, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    asked = []
    tab.on("dialog", lambda dialog: asked.append(dialog.type))
    tab.keyboard.press("j")
    tab.reload()
    assert asked == []
    until(tab, "Boolean(window.neurorecon)")
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    tab.reload()
    assert asked == ["beforeunload"]
    until(tab, "Boolean(window.neurorecon)")
    with tab.expect_download():
        tab.click("#save")
    tab.reload()
    assert asked == ["beforeunload"]


def test_verdicts_of_an_opened_file_are_saved_and_a_file_is_emptied_by_save(page, opened, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    tree = {"file": "cell.swc", "sha256": hash_path(tmp_path / "cell.swc")}
    verdict = {"node": 3, "do": "drop", "to": 8, "from": 1}
    table = {"format": "neurorecon-verdicts", "version": 1, "tree": tree, "verdicts": [verdict]}
    (tmp_path / "mine.json").write_text(json.dumps(table))
    tab.set_input_files("#file", tmp_path / "mine.json")
    until(tab, "window.neurorecon.verdicts.count === 1")
    assert tab.inner_text("#unsaved") == "saved"
    tab.keyboard.press("u")
    assert tab.inner_text("#unsaved") == "1 unsaved"
    with tab.expect_download() as download:
        tab.keyboard.press("s")
    assert json.loads(download.value.path().read_text())["verdicts"] == []
    assert tab.inner_text("#unsaved") == ""


def test_a_page_shows_what_another_page_of_the_tree_has_saved(page, opened, beside, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    other = beside(tab)
    assert other.inner_text("#unsaved") == "1 unsaved"
    with other.expect_download():
        other.click("#save")
    until(tab, "document.getElementById('unsaved').textContent === 'saved'")


# The text of an element in the order in which it is seen, the letters of one line from left to right.
SEEN = """(element) => {
  const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), seen = [];
  while (walk.nextNode()) [...walk.currentNode.data].forEach((letter, k) => {
    const range = document.createRange();
    range.setStart(walk.currentNode, k);
    range.setEnd(walk.currentNode, k + 1);
    const box = range.getBoundingClientRect();
    if (box.width) seen.push([Math.round(box.top / 8), box.left, letter]);
  });
  return seen.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((one) => one[2]).join('');
}"""
FOLDER, CELL = "\u05d0\u05d1", "\u05d2\u05d3"  # of two Hebrew letters each: seen from right to left


def test_commands_with_names_from_right_to_left_are_seen_in_their_order(page, opened, tmp_path):
    tab = opened(page(tmp_path, name=f"{CELL} 12.swc", title=f"{FOLDER}/{CELL}/12.tif"), webgl=False)
    tab.keyboard.press("j")
    tab.keyboard.press("x")
    tab.click("#tab-verdicts")
    back = CELL[::-1]
    command = f'neurorecon review apply "{CELL} 12.swc" "{CELL} 12.verdicts.json" -o "{CELL} 12_mended.swc"'
    assert tab.inner_text("#verdicts code") == command  # what is copied
    shown = tab.eval_on_selector("#verdicts code", SEEN)
    assert shown.replace(" ", "") == command.replace(CELL, back).replace(" ", "")
    assert tab.eval_on_selector("h1", SEEN) == f"{FOLDER[::-1]}/{back}/12.tif"
    with tab.expect_download():
        tab.click("#save")
    assert f"Saved {back} 12.verdicts.json." in tab.eval_on_selector("#told", SEEN)


def test_a_note_from_right_to_left_is_one_sentence(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    tab.fill("#note", f"{FOLDER}, {CELL} 12")
    tab.focus("#stage")
    tab.keyboard.press("x")
    tab.click("#tab-verdicts")
    shown = tab.eval_on_selector("#verdicts .item button", SEEN)
    assert shown.endswith(f"(12 {CELL[::-1]} ,{FOLDER[::-1]})")


def test_paths_in_the_report_of_a_batch_are_seen_in_their_order(browsers, tmp_path):
    name = f"{FOLDER}/{CELL}/12.tif"
    rows = [Row(name, status="failed", reason=f"{name}: ends early")]
    write_html(rows, tmp_path / "report.html", title=f"{FOLDER}/{CELL}")
    tab = browsers[1].new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    path = f"{FOLDER[::-1]}/{CELL[::-1]}/12.tif"
    seen = [one.evaluate(SEEN) for one in tab.query_selector_all("h1, td")]
    tab.close()
    assert seen[0] == f"{FOLDER[::-1]}/{CELL[::-1]}"
    assert seen[1] == path
    assert seen[3] == f"{path}: ends early"
    assert path in seen[4:]
