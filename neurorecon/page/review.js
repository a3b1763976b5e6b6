// The work at the list: choosing a stretch or a node, verdicts, undo, saving.

const LETTER = 70; // milliseconds that a letter of a message is shown: who reads slowly takes as long (140 words a minute)
const AROUND = 14; // voxels of the smallest edge from the middle of the close-up to its rim, at least
const CROP = 22; // likewise where the page holds the place in full resolution

class Desk {
  say(text) {
    this.ui.told.textContent = text;
    clearTimeout(this.hush);
    this.hush = setTimeout(() => { this.ui.told.textContent = ''; }, Math.max(5000, text.length * LETTER));
  }

  // Choose an entry of the list, and show why it is listed; fly there unless it is of the same look and in sight.
  choose(k, { node = -1, fly = true } = {}) {
    if (k < 0) return;
    const { entries, view } = this, stays = this.entry >= 0 && entries.look[this.entry] === entries.look[k] && view.holds(entries.line(k));
    this.entry = k;
    this.kindNext = false;
    this.way.arrive(k);
    this.list.ahead = this.way.marked(this.verdicts.ofEntry);
    this.list.show(k);
    view.lit = entries.line(k);
    view.node = node >= 0 ? node : entries.node[k];
    if (fly && !stays) this.fly();
    else view.draw();
    this.told();
  }

  // The middle of the look that shows the chosen stretch, and the distance of its furthest node.
  lookAround() {
    const { entries, tree } = this, middle = entries.middle(this.entry);
    const nodes = entries.within(entries.look[this.entry]).flatMap((k) => entries.line(k));
    return { middle, reach: Math.max(...nodes.map((i) => Math.hypot(...tree.at(i).map((v, k) => v - middle[k])))) };
  }

  // Show a slab of the stack that holds all of a look of this reach, or all of the stack.
  cutSlab(reach) {
    this.view.look.slab = this.slab && this.stack ? Math.max(this.view.deep, reach * 1.1) : 0;
  }

  // Fly to the look that shows the chosen stretch.
  fly() {
    const { middle, reach } = this.lookAround();
    this.cutSlab(reach);
    this.view.visit(middle, Math.max(3.2 * reach, 2.5 * this.view.deep));
  }

  clicked(node) {
    this.ui.stage.focus({ preventScroll: true });
    if (node < 0) return;
    if (this.joining) {
      this.joined(node);
      return;
    }
    const k = this.entries.holding(node);
    this.view.node = node;
    if (k >= 0) this.choose(k, { node, fly: false });
    else this.told();
    this.view.draw();
  }

  // Mark the node towards the root (-1) or away from it (1).
  walk(by) {
    const { tree, view } = this;
    if (view.node < 0) {
      this.say('Choose a stretch first: j, or a click.');
      return;
    }
    const next = by < 0 ? tree.parent[view.node] : tree.child(view.node);
    if (next < 0) {
      this.say(by < 0 ? 'This is the root.' : 'This is a tip.');
      return;
    }
    view.node = next;
    const k = this.entries.holding(next);
    if (k === this.entry) this.told();
    else this.choose(k, { node: next, fly: false });
    view.draw();
  }

  note() {
    const text = this.ui.note.value.trim();
    this.ui.note.value = '';
    return text;
  }

  judge(what) {
    const { view, entries, verdicts, tree } = this, node = view.node, k = this.entry, whole = what === 'keep' || what === 'drop';
    if (node < 0 || (whole && k < 0)) {
      this.say('Choose a stretch first: j, or a click.');
      return;
    }
    if (whole) { // about the stretch, wherever in it the mark is
      verdicts.add(...verdicts.on(what, k, this.note()));
      this.changed();
      this.goOn();
      return;
    }
    if (what === 'detach' && tree.parent[node] < 0) {
      this.say('The root has no link above it.');
      return;
    }
    const soma = what === 'root' && verdicts.kindOf(node) !== SOMA && verdicts.hasSoma(node) ? ', and the soma at the former root is none any more' : '';
    verdicts.add(what, node, { note: this.note() });
    this.changed();
    this.say(what === 'root' ? `Node ${tree.id(node)} is the root now${soma}.` : `The link above node ${tree.id(node)} is cut.`);
  }

  // Keep what this look shows and has no verdict yet, and go on to the next look.
  keepRest() {
    const { entries, verdicts } = this;
    if (this.entry < 0) {
      this.say('Choose a stretch first: j, or a click.');
      return;
    }
    const rest = entries.within(entries.look[this.entry]).filter((k) => !verdicts.ofEntry.has(k));
    const note = rest.length ? this.note() : '';
    if (rest.length) verdicts.addAll(rest.map((k) => verdicts.on(entries.ways.has(k) ? 'drop' : 'keep', k, note))); // the tree is right as it is
    this.changed();
    this.goOn();
  }

  // Go on after a verdict: the rest of the look, where a dropped neurite goes on, the next look that has anything left.
  goOn() {
    const { entries, verdicts, way } = this, next = way.afterVerdict(this.entry, verdicts.ofEntry), left = entries.count - verdicts.ofEntry.size;
    if (next >= 0) this.arrive(next);
    else if (left) this.say(`This is the end of the list; ${left.toLocaleString('en')} have no verdict yet.`);
    else this.say('Every stretch has a verdict: save them (s).');
  }

  // Choose what comes next, and say which look it is where it is another: the next key is about that one.
  arrive(k) {
    const { way } = this, before = this.entry < 0 ? -1 : this.entries.look[this.entry];
    this.choose(k);
    if (way.now === before) return;
    this.say(`Look ${way.now + 1} of ${this.entries.looks}` + (way.following ? ': the dropped neurite goes on here.' : '.'));
  }

  // Go to the next look, where a dropped neurite goes on if one does, or to the one before.
  nextLook(by) {
    const { entries, verdicts, way, list } = this;
    if (!entries.count) {
      this.stepInList(by); // says so
      return;
    }
    let next = by > 0 ? 0 : entries.first[entries.looks - 1];
    if (this.entry >= 0) next = by > 0 ? way.afterLook(this.entry, verdicts.ofEntry, list.open) : way.beforeLook(this.entry);
    if (next < 0) this.say(by > 0 ? 'This is the last look.' : 'This is the first look.');
    else this.arrive(next);
  }

  join() {
    if (this.joining) {
      this.leaveJoin();
      return;
    }
    if (this.view.node < 0) {
      this.say('Mark the first node by a click, then join.');
      return;
    }
    this.joining = true;
    this.view.first = this.view.node;
    this.ui.join.setAttribute('aria-pressed', 'true');
    this.toStage(); // Enter joins, and does not press the button again
    this.say(`Join node ${this.tree.id(this.view.first)} with: click the other node, or go there and press Enter. Esc ends it.`);
    this.view.draw();
  }

  joined(node) {
    const { tree, view } = this, first = view.first;
    if (node === first) return;
    if (tree.file(node) !== tree.file(first)) {
      this.say('These nodes are of two SWC files; a join stays within one. Reconstruct with --single-file for that.');
      return;
    }
    if (this.verdicts.together(first, node)) {
      this.say('Both nodes are of one tree already; a join would make a loop. Cut the wrong link first (d).');
      return;
    }
    const somata = [first, node].every((i) => this.verdicts.kindOf(i) === SOMA || this.verdicts.hasSoma(i));
    this.verdicts.add('join', first, { to: node, note: this.note() });
    this.leaveJoin();
    this.changed();
    const left = ', but both trees have a soma: neurorecon review apply leaves such a join out. Undo it, and cut or drop first what is wrong';
    this.say(`Nodes ${tree.id(first)} and ${tree.id(node)} are joined${somata ? left : ''}.`);
  }

  leaveJoin() {
    this.joining = false;
    this.view.first = -1;
    this.ui.join.setAttribute('aria-pressed', 'false');
    this.view.draw();
  }

  enter() {
    if (this.joining) this.joined(this.view.node);
    else if (this.view.lit.length) this.fly();
  }

  // Wait for a number, the kind; any other key or a click ends that.
  askKind() {
    if (this.view.node < 0) {
      this.say('Choose a stretch first: j, or a click.');
      return;
    }
    this.kindNext = true;
    this.say(`Kind: ${Object.entries(KINDS).map(([kind, name]) => `${kind} ${name}`).join(', ')}; Esc leaves it.`);
  }

  setKind(text) {
    this.kindNext = false;
    this.ui.kind.value = '';
    if (text === '') return;
    if (this.view.node < 0) {
      this.say('Choose a stretch first: j, or a click.');
      return;
    }
    const { node } = this.view, soma = +text === SOMA, more = soma && this.verdicts.kindOf(node) !== SOMA && this.verdicts.hasSoma(node);
    this.verdicts.add('kind', node, { kind: +text, note: this.note() });
    this.changed();
    if (more) this.say('This tree has a soma already: neurorecon review apply leaves the second one out. Undo it, and cut or drop first what is wrong.');
    else this.say(soma ? `Node ${this.tree.id(node)} is the soma of its tree now, and its root.` : `Kind of this stretch: ${KINDS[text]}.`);
  }

  // Take the last change back or give it again, go to its place, and say what it was.
  undo(by) {
    const { verdicts } = this, before = verdicts.list;
    if (!verdicts.step(by)) {
      this.say(by < 0 ? 'Nothing to undo.' : 'Nothing to redo.');
      return;
    }
    const ways = [[before, verdicts.list, 'Removed'], [verdicts.list, before, 'Given again']];
    const [found, told] = (by < 0 ? ways : ways.reverse()).map(([one, other, word]) => [verdicts.without(one, other), word]).find(([all]) => all.length);
    this.changed();
    this.visit(...found[0]);
    this.say(`${told}: ${this.words(found[0][1])}${found.length > 1 ? `, and ${found.length - 1} more` : ''}`);
  }

  // Go to the place of a verdict.
  visit(file, v) {
    const { tree, entries } = this, node = tree.node(file, v.node);
    const place = v.point ? `${node} to ${v.point}` : `${tree.node(file, v.from)} ${tree.node(file, v.to)}`;
    if (node >= 0 && entries.by.has(place)) this.choose(entries.by.get(place));
    else if (node >= 0) this.choose(entries.holding(node), { node });
  }

  stepInList(by) {
    const k = this.list.next(by);
    if (k >= 0 && k !== this.entry) this.choose(k);
    else if (!this.entries.count) this.say('There is nothing to review: the tree is one node.');
    else if (k < 0) this.say('Every stretch has a verdict.');
    else this.say(by > 0 ? 'This is the end of the list.' : 'This is the top of the list.');
  }

  save() {
    if (!this.verdicts.count && !this.verdicts.unsaved) {
      this.say('There is no verdict yet.');
      return;
    }
    this.say(`Saved ${this.verdicts.save(this.ui.by.value.trim()).map(named).join(', ')}. The tab Verdicts says how to go on.`);
    this.changed();
  }

  // After any change of the verdicts.
  changed() {
    this.list.ahead = this.way.marked(this.verdicts.ofEntry);
    this.list.sift();
    this.repaint();
    this.told();
  }

  told() {
    const { ui, entries, view, tree, verdicts } = this, k = this.entry, node = view.node;
    ui.count.textContent = verdicts.count + (verdicts.stored ? '' : ', not kept');
    ui.count.className = verdicts.stored ? '' : 'lost';
    const { unsaved } = verdicts;
    ui.unsaved.textContent = unsaved ? `${unsaved} unsaved` : verdicts.count ? 'saved' : '';
    ui.unsaved.className = unsaved ? 'lost' : '';
    document.title = (unsaved ? '* ' : '') + this.title;
    ui.undo.disabled = verdicts.now === 0;
    ui.redo.disabled = verdicts.now === verdicts.lists.length - 1;
    this.given.draw();
    if (k < 0) return;
    const said = verdicts.ofEntry.get(k), file = tree.files.length > 1 ? `${named(tree.files[tree.file(node)].name)}, ` : '';
    ui.chosenHead.textContent = `Look ${entries.look[k] + 1} of ${entries.looks}, stretch ${k + 1} of ${entries.count}${entries.reason(k) && ': ' + entries.reason(k)}`;
    ui.chosenHead.title = ui.chosenHead.textContent;
    const place = tree.at(node).map((v) => v.toFixed(1)).join(', ');
    const words = [`confidence ${percent(entries.mean[k])}`, `doubt ${percent(entries.doubt[k])}`, long(entries.length[k], tree.unit)];
    if (entries.ways.has(k)) words[1] = `a neurite that the tree lacks? Keep ${entries.ways.get(k).meets < 0 ? 'adds it' : 'adds it and joins both ends'}, Drop does not`;
    if (this.way.following && !said) words.push('a dropped neurite goes on here');
    if (said) words.push({ keep: 'kept', drop: 'dropped', extend: 'added', refuse: 'not added' }[said]);
    const one = tree.sure[node] === 255 || tree.parent[node] < 0 ? '' : `, its edge ${percent(tree.sure[node] / 254)}`;
    ui.chosenWhy.textContent = `${words.join(' · ')} — ${file}node ${tree.id(node)} (${place} ${tree.unit}), kind ${KINDS[verdicts.kindOf(node)] || verdicts.kindOf(node)}${one}`;
    this.closeUp();
  }

  closeUp() {
    const { ui, view, tree, stack } = this;
    if (view.node < 0 || this.entry < 0 || !view.ink || !ui.close.clientWidth) return;
    const { entries } = this, shown = entries.look[this.entry], middle = entries.middle(this.entry), unit = stack ? Math.min(...stack.voxel) : 1, nodes = [];
    const crops = stack && stack.crop(shown, 0), inLook = entries.within(shown).flatMap((k) => entries.line(k));
    let reach = 0;
    for (const i of inLook) reach = Math.max(reach, ...tree.at(i).map((v, k) => Math.abs(v - middle[k])));
    const fine = Boolean(crops) && reach <= CROP * unit; // a way on may be longer than a crop: it is shown whole, from the small volume
    const half = fine ? CROP * unit : Math.max(reach + 4 * unit, AROUND * unit), deep = Math.max(reach, view.deep * 0.5, 3 * unit);
    for (let i = 0; i < tree.count; i++) {
      let inside = true;
      for (let k = 0; k < 3 && inside; k++) inside = Math.abs(tree.point[3 * i + k] - middle[k]) < half * 1.2;
      if (inside) nodes.push(i);
    }
    const way = entries.ways.has(this.entry) ? view.lit : [];
    const lit = new Set(way.length ? [] : view.lit.slice(0, -1)), within = (i) => entries.of[i] >= 0 && entries.look[entries.of[i]] === shown;
    this.near = { tree, stack, fine, shown, node: view.node, middle, half, deep, nodes, within, lit, way, look: view.look, ink: view.ink };
    drawCloseUp(ui.close, this.near);
  }

  words(v) {
    const more = { join: ` with node ${v.to}`, kind: ` ${v.kind} ${KINDS[v.kind] || ''}` }[v.do] || '';
    const beyond = v.point ? ` to ${v.point.map((x) => x.toFixed(1)).join(', ')}` : '';
    const way = v.do === 'keep' || v.do === 'drop' ? `nodes ${v.from} to ${v.to}` : `node ${v.node}${beyond}`;
    return `${DO[v.do]}: ${way}${more}${v.note ? ` (${quoted(v.note)})` : ''}`;
  }

  tab(name) {
    const { ui } = this, list = name === 'list';
    ui.list.hidden = !list;
    ui.verdicts.hidden = list;
    for (const [tab, on] of [[ui.tabList, list], [ui.tabVerdicts, !list]]) {
      tab.setAttribute('aria-selected', on);
      tab.tabIndex = on ? 0 : -1;
    }
    if (list && this.entry >= 0) this.list.show(this.entry); // it may have been chosen out of sight
    this.given.draw();
  }
}
