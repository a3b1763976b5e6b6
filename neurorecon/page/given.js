// The tab of verdicts: all that were given, each with a button that removes it, and the commands that make the mended trees.

class Given {
  // `act`: what its buttons do, and the words of a verdict: { go(file, verdict), remove(file, place), words(verdict) }.
  constructor(element, tree, verdicts, act) {
    Object.assign(this, { element, tree, verdicts, act, rows: new Map(), shown: null });
    this.empty = make('p', 'empty', 'No verdict yet. Each one is kept in this browser until you save the file.');
    this.warning = make('p', 'empty', 'This browser keeps nothing for this page: save before you close it.');
    this.how = make('div', 'empty');
    this.heads = tree.files.map((file) => shownName('div', 'item empty', file.name));
  }

  // Show what holds now; a row stays the same element as long as its verdict is there.
  draw() {
    const { element, verdicts, tree } = this, now = [verdicts.list, verdicts.stored];
    if (element.hidden || (this.shown && this.shown.every((one, k) => one === now[k]))) return;
    this.shown = now;
    const former = this.rows, children = verdicts.stored ? [] : [this.warning];
    this.rows = new Map(); // verdict -> its row
    if (verdicts.count) children.push(this.howToApply(tree.files.filter((_, file) => verdicts.list[file].length).map((file) => file.name)));
    else children.push(this.empty);
    verdicts.list.forEach((list, file) => {
      if (list.length && tree.files.length > 1) children.push(this.heads[file]);
      for (const v of list) {
        this.rows.set(v, former.get(v) || this.row(file, v));
        children.push(this.rows.get(v));
      }
    });
    fill(element, children);
  }

  row(file, v) {
    const row = make('div', 'item'), go = make('button', '', this.act.words(v)), off = make('button', '', 'Remove');
    for (const button of [go, off]) button.type = 'button';
    go.addEventListener('click', () => this.act.go(file, v));
    off.addEventListener('click', () => this.remove(file, v));
    off.setAttribute('aria-label', 'Remove: ' + this.act.words(v));
    row.append(go, off);
    return row;
  }

  // Remove a verdict; the focus goes on to the button of the next one.
  remove(file, v) {
    const all = [...this.rows.keys()], place = all.indexOf(v), beside = all[place + 1] || all[place - 1];
    const at = this.verdicts.list[file].indexOf(v);
    if (at < 0) return;
    this.act.remove(file, at);
    const row = this.rows.get(beside);
    (row ? row.lastChild : this.element).focus({ preventScroll: !row });
  }

  // The commands that make the mended trees of some SWC files.
  howToApply(names) {
    const many = names.length > 1, argument = (text) => (/^[\w.+/-]+$/.test(text) ? text : `"${text.replace(/(["\\$`])/g, '\\$1')}"`);
    const path = (name) => argument(name.startsWith('-') ? './' + name : name); // else it is taken for an option
    const newest = '(the newest, where your browser numbers them)';
    const made = make('div', 'empty', many ? `Save puts a file for each tree into your downloads. With these files ${newest} beside the trees, this makes the mended trees:`
      : `Save puts a file into your downloads. With that file ${newest} beside the tree, this makes the mended tree:`);
    for (const name of names) {
      made.append(shownName('code', '', `neurorecon review apply ${path(name)} ${path(savedName(name))} -o ${path(stemOf(name) + '_mended.swc')}`));
    }
    if (!this.how.isEqualNode(made)) this.how = made;
    return this.how;
  }
}
