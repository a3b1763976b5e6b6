// The keys of the page: what the dialog says of them, what each one does, and which key is meant.

const KEYS = [
  ['j, k', 'next, previous stretch of the list'], ['Shift j, Shift k', 'next look, the stretches of one close-up, or where a dropped neurite goes on; previous look'],
  ['y', 'keep: the stretch is right'], ['Shift y', 'keep the rest: all that this look shows and has no verdict'], ['x', 'drop: the stretch is no neurite'],
  ['d', 'wrong link: cut the edge from the marked node towards the root'], ['l', 'join: from the marked node to the next one that you click; or Enter'],
  ['r', 'the marked node becomes the root of its tree'], ['t, then 0 to 7', 'set the kind of the unbranched stretch'],
  ['u, Shift u', 'undo, redo (Ctrl Z and Ctrl Y as well)'], ['s', 'save the verdicts (Ctrl S as well)'], ['[, ]', 'mark the next node towards the root, away from it'],
  ['Esc', 'leave a join or a field, close the keys'], ['1, 2, 3', 'look along z, x, y'], ['f', 'show all'], ['Enter', 'fly to the chosen stretch again'],
  ['Arrows', 'turn; with Shift move'], ['+, −', 'nearer, further'], ['q, e', 'roll'], ['o', 'perspective or orthographic'],
  ['w', '3D or projections'], ['c', 'next colour'], ['m', 'next marks'], ['v', 'the stack, or not'], ['h', 'the tree, or not'], ['b', 'a slab of the stack around the stretch, or all of it'],
  ['i', 'radii, or thin lines'], ['comma', 'black point down'], ['.', 'black point up'], ['<', 'white point down: brighter'], ['>', 'white point up'], ['g', 'dark or light'], ['?', 'these keys'],
  ['Mouse', 'drag turns; Shift, or the right button, moves; the wheel zooms; a click chooses, in the close-up as well'],
];

// Keys that may be held: steps, and what moves the view.
const REPEATED = new Set(['j', 'k', 'J', 'K', 'u', 'U', '[', ']', '+', '=', '-', 'q', 'e', ',', '.', '<', '>', 'ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown']);
const BY_PLACE = { BracketLeft: '[', BracketRight: ']', Comma: ',', Period: '.', Slash: '/' };

// The key as it is meant: Shift makes a letter large, Caps Lock does not; a letter of another script counts by its place.
function meant({ key, code, shiftKey }) {
  if (key.length > 1) return key;
  const other = key > '\x7f', place = /^Key[A-Z]$/.test(code) ? code[3] : BY_PLACE[code];
  const one = other && place ? place : key;
  if (/^[a-z]$/i.test(one)) return shiftKey ? one.toUpperCase() : one.toLowerCase();
  return other && shiftKey ? { ',': '<', '.': '>', '/': '?' }[one] || one : one;
}

// What each key does; the functions take the event.
function actsOfKeys(page) {
  const { ui, view } = page;
  const cycle = (select) => { select.selectedIndex = (select.selectedIndex + 1) % select.options.length; page.recolour(); };
  const slide = (range, by) => { range.value = +range.value + by; page.range(); };
  const turn = (x, y) => (event) => view.drag(x * 12, y * 12, event.shiftKey);
  return {
    j: () => page.stepInList(1), k: () => page.stepInList(-1), J: () => page.nextLook(1), K: () => page.nextLook(-1),
    Y: () => page.keepRest(), y: () => page.judge('keep'), x: () => page.judge('drop'),
    d: () => page.judge('detach'), l: () => page.join(), r: () => page.judge('root'), u: () => page.undo(-1), U: () => page.undo(1), s: () => page.save(),
    t: () => page.askKind(), '[': () => page.walk(-1), ']': () => page.walk(1), Escape: () => page.leaveJoin(),
    1: () => page.look('front'), 2: () => page.look('side'), 3: () => page.look('top'), f: () => page.all(), Enter: () => page.enter(),
    ArrowLeft: turn(-1, 0), ArrowRight: turn(1, 0), ArrowUp: turn(0, -1), ArrowDown: turn(0, 1),
    '+': () => view.zoom(0.85), '=': () => view.zoom(0.85), '-': () => view.zoom(1 / 0.85), q: () => { view.camera.roll(-0.1); view.moves(); },
    e: () => { view.camera.roll(0.1); view.moves(); }, o: () => page.toggle('perspective'), w: () => page.mode(view.mode === 'space' ? 'flat' : 'space'),
    c: () => cycle(ui.colour), m: () => cycle(ui.marks), v: () => page.toggle('volume'), h: () => page.toggle('tree'), b: () => page.toggle('slab'), i: () => page.toggle('radii'),
    ',': () => slide(ui.dark, -3), '.': () => slide(ui.dark, 3), '<': () => slide(ui.bright, -5), '>': () => slide(ui.bright, 5),
    g: () => page.theme(), '?': () => ui.keys.showModal(),
  };
}
