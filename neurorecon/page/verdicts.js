// Verdicts: made one by one, undone and redone, kept in the storage of the browser under the hash of the SWC file.
// The rules are those of the desk in napari (napari_plugin/verdict_history.py); test_same_verdicts.py compares them.

const STORE = 'neurorecon-verdicts:';
const SAVED = 'neurorecon-saved:'; // likewise what the last saved file of a tree holds
const DO = { keep: 'keep', drop: 'drop', detach: 'wrong link', join: 'join', root: 're-root', kind: 'set kind', extend: 'extend', refuse: 'nothing missing' };
const BEYOND = { keep: 'extend', drop: 'refuse' }; // what they are of a way on that the tree lacks

// OUT of OUT.swc.
function stemOf(name) {
  return name.replace(/\.swc$/i, '');
}

// The file of verdicts of an SWC file, with _ for what browsers and systems allow in no name of a file that is saved.
function savedName(name) {
  return stemOf(name).replace(/[\\/:*?"<>|~]/g, '_') + '.verdicts.json';
}

class Verdicts {
  constructor(tree, entries) {
    this.tree = tree;
    this.entries = entries;
    this.lists = [tree.files.map(() => [])]; // states, each a list of verdicts a file; those of the format on disk
    this.now = 0;
    this.stored = true;
    const kept = tree.files.map((_, file) => this.read(file));
    this.saved = tree.files.map((_, file) => this.readSaved(file)); // the verdicts in OUT.verdicts.json, as JSON
    if (kept.some((list) => list.length)) this.lists = [kept];
    this.index();
  }

  get list() {
    return this.lists[this.now];
  }

  get count() {
    return this.list.reduce((sum, list) => sum + list.length, 0);
  }

  // How many verdicts were given or removed since the files were saved; 0 where the files hold what holds here.
  get unsaved() {
    return this.list.reduce((sum, list, file) => sum + this.unsavedOf(file, list), 0);
  }

  unsavedOf(file, list) {
    if (JSON.stringify(list) === this.saved[file]) return 0;
    const texts = (verdicts) => new Set(verdicts.map((v) => JSON.stringify(v))), saved = texts(JSON.parse(this.saved[file])), given = texts(list);
    const without = (some, others) => [...some].filter((v) => !others.has(v)).length;
    return Math.max(without(given, saved), without(saved, given), 1); // one that replaces another is one change; 1: another order
  }

  // The verdicts in the saved file of a tree, as the browser remembers them.
  readSaved(file) {
    try {
      const text = localStorage.getItem(SAVED + this.tree.files[file].sha256);
      return Array.isArray(JSON.parse(text)) ? text : '[]';
    } catch (error) {
      return '[]';
    }
  }

  // A file holds these verdicts now.
  markSaved(file, list) {
    this.saved[file] = JSON.stringify(list);
    try {
      localStorage.setItem(SAVED + this.tree.files[file].sha256, this.saved[file]);
    } catch (error) {
      this.stored = false;
    }
  }

  // The verdicts about a file that the browser keeps; what is damaged there is left out.
  read(file) {
    let text = null;
    try {
      text = localStorage.getItem(STORE + this.tree.files[file].sha256);
    } catch (error) {
      this.stored = false;
    }
    try {
      const list = JSON.parse(text || '[]');
      return Array.isArray(list) ? list.filter((v) => this.fits(v, file)) : [];
    } catch (error) {
      return [];
    }
  }

  // Whether a verdict can be one about a file: its nodes are there, and it has what it needs.
  fits(v, file) {
    if (!v || !Object.hasOwn(DO, v.do)) return false;
    const { tree } = this, [node, from, to] = [v.node, v.from, v.to].map((id) => tree.node(file, id));
    const needs = {
      keep: () => from >= 0 && to >= 0 && from !== to && tree.way(from, to).at(-1) === from,
      join: () => to >= 0 && to !== node,
      detach: () => tree.parent[node] >= 0,
      kind: () => Number.isInteger(v.kind) && v.kind >= 0 && v.kind <= 255,
      extend: () => Array.isArray(v.point) && v.point.length === 3 && v.point.every(Number.isFinite) && (v.to == null || to >= 0),
    };
    const need = needs[{ drop: 'keep', refuse: 'extend' }[v.do] || v.do];
    return node >= 0 && (!need || need());
  }

  keep() {
    try {
      this.tree.files.forEach((file, k) => {
        if (this.list[k].length) localStorage.setItem(STORE + file.sha256, JSON.stringify(this.list[k]));
        else localStorage.removeItem(STORE + file.sha256);
      });
      this.stored = true;
    } catch (error) {
      this.stored = false; // a browser may forbid it; the button still saves
    }
  }

  go(state) {
    this.lists = [...this.lists.slice(0, this.now + 1), state];
    this.step(1);
  }

  step(by) {
    const to = this.now + by;
    if (to < 0 || to >= this.lists.length) return false;
    this.now = to;
    this.keep();
    this.index();
    return true;
  }

  // Take over what another page of the tree has saved, by the `key` under which the browser keeps it; say whether it is one.
  adoptSaved(key) {
    const file = this.tree.files.findIndex((one) => SAVED + one.sha256 === key);
    if (file >= 0) this.saved[file] = this.readSaved(file);
    return file >= 0;
  }

  // Take over what another page of the tree has kept under `key`; say whether anything is new.
  adopt(key) {
    const file = this.tree.files.findIndex((one) => STORE + one.sha256 === key);
    if (file < 0) return false;
    const known = new Map(this.list[file].map((v) => [JSON.stringify(v), v])); // what both have stays the same verdict
    const kept = this.read(file).map((v) => known.get(JSON.stringify(v)) || v);
    if (kept.length === this.list[file].length && kept.every((v, k) => v === this.list[file][k])) return false;
    this.lists = [...this.lists.slice(0, this.now + 1), this.list.map((list, k) => (k === file ? kept : list))];
    this.now++;
    this.index();
    return true;
  }

  // What one state has and another has not: [file, verdict] of each.
  without(state, other) {
    return state.flatMap((list, file) => list.filter((v) => !other[file].includes(v)).map((v) => [file, v]));
  }

  // Judge an entry as a whole: the arguments of `add`.
  on(what, k, note = '') {
    const { entries } = this, way = entries.ways.get(k);
    if (way) return [BEYOND[what], entries.node[k], { to: way.meets, note, point: way.tip }];
    return [what, entries.node[k], { from: entries.from[k], to: entries.to[k], note }];
  }

  // Add a verdict about nodes of one file; one that says the same of the same place gives way to it.
  add(what, node, more) {
    this.addAll([[what, node, more]]);
  }

  // Several at once, which one undo takes back.
  addAll(all) {
    const { tree } = this, id = (i) => (i < 0 ? null : tree.id(i));
    let state = this.list;
    for (const [what, node, { from = -1, to = -1, kind = null, note = '', point = null } = {}] of all) {
      const made = { at: new Date().toISOString(), do: what, node: tree.id(node), from: id(from), to: id(to), kind, note };
      if (point) made.point = point;
      const file = tree.file(node);
      state = state.map((list, k) => (k === file ? [...list.filter((old) => !this.replaces(made, old)), made] : list));
    }
    this.go(state);
  }

  replaces(made, old) {
    const whole = (v) => v.do === 'keep' || v.do === 'drop', beyond = (v) => v.do === 'extend' || v.do === 'refuse';
    if (beyond(made)) return beyond(old) && old.node === made.node && String(old.point) === String(made.point);
    if (whole(made)) return whole(old) && old.from === made.from && old.to === made.to;
    if (made.do === 'root') return false; // each tree may have its own, and the last one holds
    return old.do === made.do && old.node === made.node && (made.do !== 'join' || old.to === made.to);
  }

  remove(file, place) {
    this.go(this.list.map((list, k) => (k === file ? list.filter((_, i) => i !== place) : list)));
  }

  // What holds now, by entry and by node, for the views.
  index() {
    const { tree, entries } = this;
    this.ofEntry = new Map();
    this.dropped = new Uint8Array(tree.count);
    this.kept = new Uint8Array(tree.count);
    this.cut = new Set();
    this.joins = [];
    this.roots = [];
    this.kinds = new Map();
    this.list.forEach((list, file) => {
      for (const v of list) {
        const node = tree.node(file, v.node), from = tree.node(file, v.from), to = tree.node(file, v.to);
        if (node < 0) continue;
        if (v.do === 'keep' || v.do === 'drop') {
          if (to < 0 || from < 0) continue;
          const entry = entries.by.get(from + ' ' + to);
          if (entry !== undefined) this.ofEntry.set(entry, v.do);
          for (const i of tree.way(from, to).slice(0, -1)) {
            this.dropped[i] = v.do === 'drop' ? 1 : 0;
            this.kept[i] = v.do === 'keep' ? 1 : 0;
          }
        } else if (v.do === 'extend' || v.do === 'refuse') {
          const entry = entries.by.get(node + ' to ' + v.point);
          if (entry !== undefined) this.ofEntry.set(entry, v.do);
          if (entry !== undefined && v.do === 'extend') this.joins.push(entries.line(entry));
        } else if (v.do === 'detach') this.cut.add(node);
        else if (v.do === 'join' && to >= 0) this.joins.push([node, to]);
        else if (v.do === 'root') this.roots.push(node);
        else if (v.do === 'kind') for (const i of v.kind === SOMA || tree.kind[node] === SOMA ? [node] : tree.line(node)) this.kinds.set(i, v.kind);
      }
    });
  }

  // A function from a node to one that stands for its tree, as the trees are by now.
  parts() {
    const { tree } = this, top = Int32Array.from({ length: tree.count }, (_, i) => i);
    const root = (i) => {
      while (top[i] !== i) i = top[i] = top[top[i]];
      return i;
    };
    const link = (i, k) => { if (i >= 0 && k >= 0) top[root(i)] = root(k); };
    for (let i = 0; i < tree.count; i++) if (!this.dropped[i] && !this.cut.has(i)) link(i, tree.parent[i]);
    this.list.forEach((list, file) => {
      for (const v of list) if (v.do === 'join' || v.do === 'extend') link(tree.node(file, v.node), tree.node(file, v.to));
    });
    return root;
  }

  // Whether two nodes are of one tree by now, so that a join would make a loop.
  together(a, b) {
    const part = this.parts();
    return part(a) === part(b);
  }

  // Whether the tree of a node has a soma by now besides that node; one that was rooted elsewhere has none any more.
  hasSoma(node) {
    const { tree } = this, part = this.parts(), own = (i) => part(i) === part(node);
    if (this.roots.some((i) => this.kindOf(i) !== SOMA && own(i))) return false;
    for (let i = 0; i < tree.count; i++) if (i !== node && this.kindOf(i) === SOMA && own(i)) return true;
    return false;
  }

  kindOf(i) {
    return this.kinds.has(i) ? this.kinds.get(i) : this.tree.kind[i];
  }

  // The content of OUT.verdicts.json for one file.
  document(file, by) {
    const { name, sha256 } = this.tree.files[file];
    const head = { format: 'neurorecon-verdicts', version: 1, tree: { file: name, sha256 } };
    return { ...head, made: new Date().toISOString(), by, verdicts: this.list[file] };
  }

  // The text of OUT.verdicts.json for one file.
  text(file, by) {
    return JSON.stringify(this.document(file, by), null, 1) + '\n';
  }

  // Save a file for each SWC file that has verdicts, or had some when it was saved; returns their names.
  save(by) {
    const names = [];
    this.list.forEach((list, file) => {
      if (!list.length && !this.unsavedOf(file, list)) return;
      const name = savedName(this.tree.files[file].name);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([this.text(file, by)], { type: 'application/json' }));
      link.download = name;
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      names.push(name);
      this.markSaved(file, list);
    });
    return names;
  }

  // Take verdicts from a saved file in place of those about its tree. Returns what to tell the user.
  load(text) {
    let read;
    try {
      read = JSON.parse(text);
    } catch (error) {
      return 'This is no file of verdicts: it is not JSON.';
    }
    if (!read || read.format !== 'neurorecon-verdicts' || read.version !== 1 || !Array.isArray(read.verdicts)) return 'This is no file of verdicts of neurorecon.';
    const file = this.tree.files.findIndex((f) => read.tree && f.sha256 === read.tree.sha256);
    if (file < 0) return 'These verdicts are about another tree: the hash of the SWC file differs.';
    const good = read.verdicts.filter((v) => this.fits(v, file)), bad = read.verdicts.length - good.length;
    const count = (n) => `${n} verdict${n === 1 ? '' : 's'}`, before = this.list[file].length, instead = before ? ` in place of ${before}; Undo brings them back` : '';
    this.markSaved(file, read.verdicts);
    this.go(this.list.map((list, k) => (k === file ? good : list)));
    return `Opened ${count(good.length)} about ${named(this.tree.files[file].name)}${instead}${bad ? `; ${bad} are damaged, and left out` : ''}.`;
  }
}
