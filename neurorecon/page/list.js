// The review list: rows of one height, of which only those in sight are made.

const ROW = 52; // pixels, as in page.css
const MARKS = { keep: '✓', drop: '✕', extend: '✓', refuse: '✕' };
const SAID = { keep: 'keep', drop: 'drop', extend: 'added', refuse: 'not added' };

function make(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Letters that run from right to left (Hebrew, Arabic, ...), words of them with spaces between, and marks that turn a line.
const LEFTWARDS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u200e\u200f\u202a-\u202e\u2066-\u2069\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]+/u;
const RUNS = new RegExp(`(${LEFTWARDS.source}(?: +${LEFTWARDS.source})*)`, 'u');

// The name of a file in a message. Its words from right to left turn nothing around them, so folders and endings stay in order.
function named(name) {
  return name.split(RUNS).map((part, k) => (k % 2 ? `\u2068${part}\u2069` : part)).join('');
}

// A note in a message: a sentence of any script, which turns nothing around it.
function quoted(note) {
  return LEFTWARDS.test(note) ? `\u2068${note}\u2069` : note;
}

// An element that shows a name or a command likewise; what is copied from it is the text alone.
function shownName(tag, kind, text) {
  const made = make(tag, kind);
  made.dir = 'ltr';
  made.append(...text.split(RUNS).map((part, k) => (k % 2 ? make('bdi', '', part) : part)));
  return made;
}

// Give an element these children. Those that stay are not touched: what is taken out while it is pressed loses the click, and
// what has the focus loses it.
function fill(element, children) {
  const kept = new Set(children);
  for (const child of [...element.childNodes]) if (!kept.has(child)) child.remove();
  children.forEach((child, n) => { if (element.childNodes[n] !== child) element.insertBefore(child, element.childNodes[n] ?? null); });
}

// Make an element show the same as another one of its kind, without taking anything out.
function renew(old, made) {
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = made.data;
    return;
  }
  for (const { name, value } of made.attributes) if (name !== 'style') old.setAttribute(name, value);
  old.style.cssText = made.style.cssText; // the policy of the page allows no style as an attribute
  if (old.childNodes.length === made.childNodes.length) [...made.childNodes].forEach((child, n) => renew(old.childNodes[n], child));
  else old.replaceChildren(...made.childNodes);
}

function percent(value) {
  return Number.isFinite(value) ? Math.round(value * 100) + ' %' : 'unknown';
}

function long(value, unit) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')} ${unit}`;
}

class List {
  constructor(element, entries, verdicts, choose) {
    Object.assign(this, { element, entries, verdicts, choose, chosen: -1, open: false, ahead: new Set() });
    this.inner = make('div', 'rows');
    element.append(this.inner);
    element.addEventListener('scroll', () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
    this.sift();
  }

  // Show all entries, or those without a verdict.
  sift() {
    this.shown = [];
    for (let k = 0; k < this.entries.count; k++) if (!this.open || !this.verdicts.ofEntry.has(k)) this.shown.push(k);
    this.inner.style.height = this.shown.length * ROW + 'px';
    this.draw();
  }

  draw() {
    const { element, inner, shown } = this;
    const first = Math.max(0, Math.floor(element.scrollTop / ROW) - 4);
    const last = Math.min(shown.length, Math.ceil((element.scrollTop + element.clientHeight) / ROW) + 4);
    const rows = [], former = new Map([...inner.children].map((row) => [row.id, row]));
    for (let place = first; place < last; place++) {
      const row = this.row(shown[place], place), old = former.get(row.id);
      if (old && !old.isEqualNode(row)) renew(old, row);
      rows.push(old || row);
    }
    fill(inner, rows);
    if (rows.some((row) => row.id === 'entry-' + this.chosen)) element.setAttribute('aria-activedescendant', 'entry-' + this.chosen);
    else element.removeAttribute('aria-activedescendant');
  }

  row(k, place) {
    const { entries, verdicts } = this, row = make('div', 'row'), said = verdicts.ofEntry.get(k);
    row.id = 'entry-' + k;
    row.style.top = place * ROW + 'px';
    if (place === 0 || entries.look[this.shown[place - 1]] !== entries.look[k]) row.classList.add('first');
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', k === this.chosen);
    row.setAttribute('aria-setsize', this.shown.length);
    row.setAttribute('aria-posinset', place + 1);
    row.append(make('span', 'rank', k + 1));
    const words = make('span', 'words');
    words.append(make('span', 'why', entries.reason(k) || 'no reason but its confidence'));
    words.append(make('span', 'figures', `look ${entries.look[k] + 1} · confidence ${percent(entries.mean[k])} · ${long(entries.length[k], entries.tree.unit)}`));
    const bar = make('span', 'bar'), full = make('span', 'full');
    full.style.width = Math.round(entries.doubt[k] * 100) + '%';
    bar.append(full);
    bar.title = 'doubt ' + percent(entries.doubt[k]);
    words.append(bar);
    const ahead = this.ahead.has(k); // a dropped neurite goes on here
    row.append(words, make('span', 'said ' + (said || (ahead ? 'ahead' : '')), said ? MARKS[said] + ' ' + SAID[said] : ahead ? '→ goes on' : ''));
    row.addEventListener('click', () => this.choose(k));
    return row;
  }

  // Choose an entry and bring it into sight.
  show(k) {
    this.chosen = k;
    const place = this.shown.indexOf(k), { element } = this;
    if (place >= 0) {
      if (place * ROW < element.scrollTop) element.scrollTop = place * ROW;
      if ((place + 1) * ROW > element.scrollTop + element.clientHeight) element.scrollTop = (place + 1) * ROW - element.clientHeight;
    }
    this.draw();
  }

  // The entry that comes `by` places after the chosen one; where none is chosen yet, the first one without a verdict.
  next(by) {
    if (!this.shown.length) return -1;
    if (this.chosen < 0 && by > 0) return this.shown.find((k) => !this.verdicts.ofEntry.has(k)) ?? this.shown[0];
    const place = this.shown.indexOf(this.chosen);
    if (place >= 0) return this.shown[Math.min(Math.max(place + by, 0), this.shown.length - 1)];
    const after = this.shown.findIndex((k) => k > this.chosen);
    return this.shown[by > 0 ? (after < 0 ? this.shown.length - 1 : after) : Math.max(0, (after < 0 ? this.shown.length : after) - 1)];
  }
}
