"""Mouse, fingers and keys at bad moments: what is pressed while the page changes, keys that are held, other keyboards."""

import json

import pytest

from neurorecon.core.files import hash_path
from neurorecon.napari_plugin.review_words import KINDS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRESS = "(told) => document.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, cancelable: true, ...told}))"


def state(tab, text):
    return tab.evaluate(f"() => {{ const p = window.neurorecon; return {text}; }}")


def middle_of(tab, selector):
    box = tab.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def press(tab, key, **told):
    tab.evaluate(PRESS, {"key": key} | told)


def place_of(tab, node):
    box = tab.locator("#stage").bounding_box()
    x, y, _ = state(tab, f"p.view.camera.projector()(...p.tree.at({node}))")
    return box["x"] + x, box["y"] + y


def test_a_click_counts_when_another_page_changes_what_is_pressed(page, opened, beside, tmp_path, until):
    """Rows of the list and of the verdicts stay the same elements."""
    tab = opened(page(tmp_path), webgl=False)
    tab.set_viewport_size({"width": 1000, "height": 900})
    other = beside(tab)
    tab.mouse.move(*middle_of(tab, "#entry-1 .why"))
    tab.mouse.down()
    other.evaluate("() => { const p = window.neurorecon; p.choose(1); p.judge('drop'); }")
    until(tab, "window.neurorecon.verdicts.count === 1")
    tab.mouse.up()
    assert state(tab, "p.entry") == 1
    assert "drop" in tab.inner_text("#entry-1")
    tab.click("#tab-verdicts")
    tab.mouse.move(*middle_of(tab, "#verdicts .item >> text=Remove"))
    tab.mouse.down()
    other.evaluate("() => { const p = window.neurorecon; p.choose(3); p.judge('keep'); }")
    until(tab, "window.neurorecon.verdicts.count === 2")
    tab.mouse.up()
    assert state(tab, "p.verdicts.list[0].map((v) => v.do)") == ["keep"]
    press(tab, "u")
    assert tab.inner_text("#told") == "Given again: drop: nodes 16 to 23"  # what both pages have is no change
    other.close()


def test_the_focus_stays_at_the_buttons_of_the_verdicts(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    for key in "jyyxx":
        tab.keyboard.press(key)
    tab.click("#tab-verdicts")
    focused = "(({ activeElement: one }) => one.getAttribute('aria-label') || one.textContent || one.id)(document)"
    go = tab.locator("#verdicts .item button").first
    go.focus()
    before = tab.evaluate(focused)
    tab.keyboard.press("Enter")  # goes to its place
    assert tab.evaluate(focused) == before
    tab.locator("#verdicts .item >> text=Remove").first.focus()
    left = state(tab, "p.verdicts.count")
    while left:
        tab.keyboard.press("Enter")
        left -= 1
        assert state(tab, "p.verdicts.count") == left
        assert tab.evaluate(focused).startswith("Remove" if left else "No verdict yet")


def test_what_was_pressed_is_chosen_though_the_view_flies_on(page, opened, tmp_path, until):
    tab = opened(page(tmp_path))
    until(tab, "window.neurorecon.view.camera.width > 1")
    x, y = place_of(tab, 12)
    tab.mouse.move(x, y)
    tab.mouse.down()
    state(tab, "(p.view.camera.pan(150, 80), p.view.draw())")
    until(tab, "!window.neurorecon.view.wanted")
    tab.mouse.up()
    assert state(tab, "p.view.node") == 12
    state(tab, "(p.view.camera.fit(), p.view.draw(), p.say('a long message that lies over the picture '.repeat(9)))")
    until(tab, "!window.neurorecon.view.wanted")
    told = tab.locator("#told").bounding_box()
    box = tab.locator("#stage").bounding_box()
    state(tab, f"(p.view.camera.pan({told['x'] + 40 - x}, {told['y'] - y + 8}), p.view.draw())")
    until(tab, "!window.neurorecon.view.wanted")
    x, y = place_of(tab, 12)
    assert told["y"] < y < told["y"] + told["height"]
    assert told["y"] > box["y"]
    state(tab, "p.clicked(3)")
    tab.mouse.click(x, y)
    assert state(tab, "p.view.node") == 12


def test_a_release_that_was_lost_ends_the_drag_and_two_fingers_zoom(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    x, y = middle_of(tab, "#stage")
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 30, y)
    turn = state(tab, "[...p.view.camera.turn]")
    tab.evaluate(
        "([x, y]) => document.getElementById('stage').dispatchEvent(new PointerEvent('pointermove',"
        " {pointerId: 1, pointerType: 'mouse', buttons: 0, clientX: x, clientY: y, bubbles: true}))",
        [x + 90, y + 50],
    )
    assert state(tab, "[...p.view.camera.turn]") == turn
    tab.mouse.up()
    tab.click("#entry-1")
    state(tab, "(p.view.flying = null, p.view.camera.pan(5000, 0), p.view.draw())")
    tab.click("#entry-1")  # what was chosen has left the view: the view goes back to it
    assert state(tab, "p.view.flying !== null || p.view.holds(p.entries.line(1))")
    span = state(tab, "p.view.camera.span")
    wheel = (
        "(told) => document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', {cancelable: true, ...told}))"
    )
    for _ in range(10):
        tab.evaluate(
            wheel, {"deltaY": -5, "ctrlKey": True}
        )  # a touch pad: fingers that spread to 1.6 times their distance
    assert 1.5 < span / state(tab, "p.view.camera.span") < 1.8
    span = state(tab, "p.view.camera.span")
    tab.evaluate(wheel, {"deltaY": -120, "ctrlKey": True})  # one notch of a wheel
    assert 1.1 < span / state(tab, "p.view.camera.span") < 1.4


def test_a_key_that_is_held_gives_one_verdict_and_caps_lock_none_of_shift(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    tab.keyboard.press("j")
    for _ in range(5):
        tab.keyboard.down("y")  # held: the browser repeats it
    tab.keyboard.up("y")
    assert state(tab, "[p.verdicts.count, p.entry]") == [1, 1]
    tab.focus("#keep")
    for _ in range(3):
        tab.keyboard.down("Enter")
    tab.keyboard.up("Enter")
    assert state(tab, "p.verdicts.count") == 2
    for _ in range(3):
        tab.keyboard.down("k")
    tab.keyboard.up("k")
    assert state(tab, "p.entry") == 0
    press(tab, "Y", code="KeyY")  # Caps Lock without Shift: one stretch, not the rest of the look
    assert state(tab, "p.verdicts.count") == 2
    press(tab, "\u0447", code="KeyX")  # a Cyrillic keyboard
    assert state(tab, "p.verdicts.list[0].at(-1).do") == "drop"
    press(tab, "\u044f", code="KeyZ", ctrlKey=True)
    assert state(tab, "p.verdicts.list[0].at(-1).do") == "keep"
    state(tab, "p.clicked(12)")
    press(tab, "[", code="Digit5", altKey=True)  # a Mac with a Spanish keyboard
    assert state(tab, "p.view.node") == 11
    with tab.expect_download():
        tab.keyboard.press("Control+s")


def test_a_number_sets_the_kind_right_after_t_alone(page, opened, tmp_path):
    tab = opened(page(tmp_path), webgl=False)
    assert tab.locator("#kind option").all_inner_texts()[1:] == [f"{number} {name}" for number, name in KINDS]
    tab.keyboard.press("j")
    tab.keyboard.press("t")
    assert "7 glia processes" in tab.inner_text("#told")
    tab.click("#entry-2")
    tab.keyboard.press("2")  # looks along x
    assert state(tab, "p.verdicts.count") == 0
    tab.keyboard.press("t")
    tab.keyboard.press("2")
    assert state(tab, "p.verdicts.list[0].map((v) => [v.do, v.kind])") == [["kind", 2]]
    tab.select_option("#kind", "1")
    assert "has a soma already" in tab.inner_text("#told")
    tab.click("#undo")
    state(tab, "(p.clicked(30), p.judge('detach'))")  # the twig is a tree of its own
    tab.select_option("#kind", "1")
    assert tab.inner_text("#told") == "Node 31 is the soma of its tree now, and its root."
    assert state(tab, "[31, 30].map((i) => p.verdicts.kindOf(i))") == [3, 1]  # it alone
    state(tab, "(p.clicked(35), p.join(), p.clicked(12))")
    assert "both trees have a soma" in tab.inner_text("#told")
    tab.focus("#colour")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") == "stage"


def test_a_click_in_the_close_up_chooses_the_line_under_it(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.keyboard.press("j")
    tab.fill("#note", "a vessel")
    goals = state(tab, "p.near.nodes.filter((i) => p.near.within(i) && p.tree.parent[i] >= 0)")
    box = tab.locator("#close").bounding_box()
    left = (box["width"] - 12) / 3
    low, high = goals[0], goals[-1]
    for goal in (low, high):
        x, y = state(
            tab,
            f"((s, m) => [0, 1].map((k) => (p.tree.at({goal})[k] - m[k] + s) * {left} / (2 * s)))(p.near.half, p.near.middle)",
        )
        tab.mouse.click(box["x"] + x, box["y"] + y)
        assert state(tab, "p.view.node") == goal
        assert state(tab, "p.entry === p.entries.holding(p.view.node)")
    rest = state(tab, "p.entries.within(0).length")
    tab.click("#keep-rest")
    assert state(tab, "p.verdicts.list[0].map((v) => v.note)") == ["a vessel"] * rest
    assert tab.input_value("#note") == ""
    tab.select_option("#colour", "said")
    seen = "p.ui.close.toDataURL()"
    before = state(tab, seen)
    tab.select_option("#colour", "order")
    assert state(tab, seen) != before


def test_the_picture_keeps_its_place_where_the_pixels_of_the_screen_change(page, opened, tmp_path, until):
    tab = opened(page(tmp_path))
    tab.keyboard.press("j")
    sizes = "[p.ui.over, p.ui.close].map((one) => Math.round((one.width / one.clientWidth) * 10) / 10)"
    assert state(tab, sizes) == [1, 1]
    screen = tab.context.new_cdp_session(tab)
    told = {"width": 1000, "height": 620, "deviceScaleFactor": 2, "mobile": False}
    screen.send("Emulation.setDeviceMetricsOverride", told)
    tab.keyboard.press("j")
    until(tab, f"(() => {{ const p = window.neurorecon; return String({sizes}) === '2,2'; }})()", seconds=20)
    tab.click("#tab-verdicts")
    last = state(tab, "p.entries.count - 1")
    state(tab, f"p.choose({last})")
    tab.click("#tab-list")
    assert tab.locator(f"#entry-{last}").is_visible()
    box, row = tab.locator("#list").bounding_box(), tab.locator(f"#entry-{last}").bounding_box()
    assert box["y"] <= row["y"] <= box["y"] + box["height"]


def test_the_3d_view_may_be_lost_and_the_review_goes_on(page, opened, tmp_path, until):
    tab = opened(page(tmp_path))
    state(tab, "p.view.scene.gl.getExtension('WEBGL_lose_context').loseContext()")
    until(tab, "window.neurorecon.view.mode === 'flat'")
    assert "gave up the 3D view" in tab.inner_text("#told")
    assert tab.is_disabled("#to-space")
    for key in "jyx":
        tab.keyboard.press(key)
    assert state(tab, "p.verdicts.count") == 2


def test_a_file_that_is_dropped_on_the_page_is_opened_and_says_what_it_replaced(page, opened, tmp_path, until):
    tab = opened(page(tmp_path), webgl=False)
    tab.evaluate("() => { const p = window.neurorecon; p.clicked(12); p.judge('detach'); p.judge('root'); }")
    assert "soma" not in tab.inner_text("#told")  # its tree was cut from the soma
    verdicts = [{"do": "drop", "node": 3, "from": 1, "to": 8}]
    held = {
        "format": "neurorecon-verdicts",
        "version": 1,
        "tree": {"sha256": hash_path(tmp_path / "cell.swc")},
        "verdicts": verdicts,
    }
    tab.evaluate(
        """(text) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], 'cell.verdicts.json'));
          document.body.dispatchEvent(new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer}));
        }""",
        json.dumps(held),
    )
    until(tab, "window.neurorecon.verdicts.count === 1")
    assert tab.inner_text("#told") == "Opened 1 verdict about cell.swc in place of 2; Undo brings them back."
    tab.evaluate(
        "() => localStorage.setItem('neurorecon-verdicts:' + window.neurorecon.tree.files[0].sha256, '{damaged')"
    )
    tab.reload()
    until(tab, "Boolean(window.neurorecon)")
    assert state(tab, "[p.verdicts.count, p.verdicts.stored]") == [
        0,
        True,
    ]  # what is damaged is no browser that keeps nothing


def test_a_page_is_printed_on_white_with_its_picture(page, opened, tmp_path):
    tab = opened(page(tmp_path))
    tab.keyboard.press("j")
    inks = """() => {
      const over = document.getElementById('over'), pen = over.getContext('2d');
      const { data } = pen.getImageData(0, 0, over.width, over.height);
      let full = 0; for (let i = 3; i < data.length; i += 4) full += data[i] === 255;
      return [document.documentElement.dataset.theme, full / (over.width * over.height)];
    }"""
    assert tab.evaluate(inks)[1] < 0.2
    tab.evaluate("() => { window.dispatchEvent(new Event('beforeprint')); }")
    assert tab.evaluate(inks) == ["light", 1]
    tab.evaluate("() => { window.dispatchEvent(new Event('afterprint')); }")
    assert tab.evaluate(inks)[0] == "dark"
    tab.emulate_media(media="print")
    assert not tab.locator("#tools").is_visible()
