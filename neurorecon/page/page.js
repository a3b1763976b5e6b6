// The page: buttons, keys, and what a choice or a verdict changes.

class Page extends Desk {
  constructor({ values, arrays }) {
    super();
    this.title = document.title;
    this.ui = new Proxy({}, { get: (_, name) => document.getElementById(String(name).replace(/[A-Z]/g, (c) => '-' + c.toLowerCase())) });
    this.tree = new Tree(values, arrays);
    this.entries = new Entries(this.tree, values, arrays);
    this.stack = values.stack ? new Stack(values, arrays) : null;
    this.verdicts = new Verdicts(this.tree, this.entries);
    this.way = new Way(this.entries, arrays.joint);
    this.entry = -1;
    this.joining = false;
    this.view = new View(this.ui, this.tree, this.stack, this.box());
    this.view.first = -1;
    this.view.clicked = (node) => this.clicked(node);
    this.view.lost = () => this.withoutSpace('The graphics card gave up the 3D view: the projections are shown. Load the page again to have it back.');
    this.list = new List(this.ui.list, this.entries, this.verdicts, (k) => this.choose(k));
    this.given = new Given(this.ui.verdicts, this.tree, this.verdicts, {
      go: (file, v) => this.visit(file, v), words: (v) => this.words(v), remove: (file, place) => { this.verdicts.remove(file, place); this.changed(); },
    });
    this.slab = true;
    this.kindNext = false;
    this.keys = actsOfKeys(this);
    this.furnish(values);
    this.listen();
    this.theme(window.matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
    this.view.show(this.view.mode);
    this.told();
    const { count } = this.verdicts, kept = count === 1 ? 'One verdict is' : `${count} verdicts are`;
    const goesOn = count ? `${kept} taken up; j goes on where the first one is missing.` : '';
    if (!this.view.scene) this.withoutSpace(`No WebGL2 in this browser: the projections are shown. ${goesOn}`);
    else if (count) this.say(goesOn);
  }

  box() {
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (let i = 0; i < this.tree.count; i++) {
      for (let k = 0; k < 3; k++) {
        low[k] = Math.min(low[k], this.tree.point[3 * i + k] - this.tree.radius[i]);
        high[k] = Math.max(high[k], this.tree.point[3 * i + k] + this.tree.radius[i]);
      }
    }
    if (this.stack) for (let k = 0; k < 3; k++) [low[k], high[k]] = [Math.min(low[k], this.stack.low[k]), Math.max(high[k], this.stack.high[k])];
    return { low, high };
  }

  furnish(values) {
    const { ui, tree } = this, count = (n, one) => `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;
    let cable = 0;
    for (let i = 0; i < tree.count; i++) {
      const up = tree.parent[i];
      if (up >= 0) cable += Math.hypot(...tree.at(i).map((v, k) => v - tree.at(up)[k]));
    }
    const files = tree.files.length > 1 ? ' · ' + count(tree.files.length, 'file') : '';
    ui.figures.textContent = `${count(tree.trees, 'tree')} · ${count(tree.count, 'node')} · ${long(cable, tree.unit)} of cable${files} · ${values.made_by}`;
    for (let kind = 0; kind < 8; kind++) ui.kind.append(new Option(`${kind} ${KINDS[kind]}`, kind));
    ui.kind.prepend(new Option('set kind', '', true, true));
    for (const [key, text] of KEYS) {
      const row = ui.keysTable.insertRow(), keys = row.insertCell();
      keys.append(...key.split(/(, )/).map((part) => (part === ', ' ? ', ' : make('kbd', '', part))));
      row.insertCell().textContent = text;
    }
    if (!this.entries.count) [ui.chosenHead.textContent, ui.chosenWhy.textContent] = ['Nothing to review', 'The tree is one node: it has no stretch.'];
    ui.radii.setAttribute('aria-pressed', this.view.look.radii);
    if (!this.stack) for (const name of ['volume', 'slab', 'dark', 'bright']) ui[name].disabled = true;
    try {
      ui.by.value = localStorage.getItem('neurorecon-by') || '';
    } catch (error) {
      ui.by.value = '';
    }
  }

  // Where there is no 3D view: say so, and switch off what only it can do.
  withoutSpace(text) {
    for (const name of ['toSpace', 'front', 'side', 'top', 'perspective', 'radii', 'slab']) this.ui[name].disabled = true;
    this.say(text);
  }

  listen() {
    const { ui } = this, on = (name, act) => ui[name].addEventListener('click', act);
    const acts = {
      toSpace: () => this.mode('space'), toFlat: () => this.mode('flat'), front: () => this.look('front'), side: () => this.look('side'),
      top: () => this.look('top'), fit: () => this.all(), volume: () => this.toggle('volume'), slab: () => this.toggle('slab'), tree: () => this.toggle('tree'),
      radii: () => this.toggle('radii'), perspective: () => this.toggle('perspective'), theme: () => this.theme(), help: () => ui.keys.showModal(),
      keysClose: () => ui.keys.close(), keep: () => this.judge('keep'), keepRest: () => this.keepRest(), drop: () => this.judge('drop'), detach: () => this.judge('detach'),
      join: () => this.join(), root: () => this.judge('root'), undo: () => this.undo(-1), redo: () => this.undo(1), save: () => this.save(),
      load: () => ui.file.click(), tabList: () => this.tab('list'), tabVerdicts: () => this.tab('verdicts'),
    };
    for (const [name, act] of Object.entries(acts)) on(name, act);
    this.chosenIn(ui.colour, () => this.recolour());
    this.chosenIn(ui.marks, () => this.recolour());
    this.chosenIn(ui.kind, () => this.setKind(ui.kind.value));
    for (const field of [ui.note, ui.by]) {
      field.addEventListener('keydown', (event) => { if (event.key === 'Enter' || event.key === 'Escape') this.toStage(); });
    }
    for (const name of ['dark', 'bright']) ui[name].addEventListener('input', () => this.range());
    ui.open.addEventListener('change', () => { this.list.open = ui.open.checked; this.list.sift(); });
    ui.close.addEventListener('click', (event) => {
      if (this.near) this.clicked(pickInCloseUp(ui.close, this.near, event.offsetX, event.offsetY));
    });
    ui.by.addEventListener('change', () => { try { localStorage.setItem('neurorecon-by', ui.by.value); } catch (error) { this.verdicts.stored = false; } });
    this.listenToFiles();
    this.listenToWindow();
  }

  // Files of verdicts that are chosen, or dropped on the page.
  listenToFiles() {
    const { ui } = this;
    ui.file.addEventListener('change', () => {
      if (ui.file.files.length) this.open(ui.file.files[0]);
      ui.file.value = '';
    });
    for (const name of ['dragover', 'drop']) {
      document.addEventListener(name, (event) => {
        if (!event.dataTransfer.types.includes('Files')) return;
        event.preventDefault(); // else the browser leaves the page for the file
        if (name === 'drop') this.open(event.dataTransfer.files[0]);
      });
    }
  }

  // Keys, printing, another size or screen, another page of the same tree, the end.
  listenToWindow() {
    document.addEventListener('keydown', (event) => this.key(event));
    document.addEventListener('pointerdown', () => { this.kindNext = false; });
    for (const name of ['beforeprint', 'afterprint']) window.addEventListener(name, () => this.printed(name === 'beforeprint'));
    new ResizeObserver(() => this.closeUp()).observe(this.ui.close);
    this.watchPixels();
    window.addEventListener('storage', (event) => {
      if (this.verdicts.adoptSaved(event.key)) this.told();
      if (!this.verdicts.adopt(event.key)) return;
      this.changed();
      this.say('Another page of this tree has changed the verdicts; they are shown here now.');
    });
    window.addEventListener('beforeunload', (event) => { if (this.verdicts.unsaved) event.preventDefault(); });
  }

  // Draw anew where the pixels of the screen change their size: on another screen, or by the zoom of the browser.
  watchPixels() {
    const pixels = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    pixels.addEventListener('change', () => {
      this.view.draw();
      this.closeUp();
      this.watchPixels();
    }, { once: true });
  }

  // Take verdicts from a file that was chosen, or dropped on the page.
  async open(file) {
    const told = await file.text().then((text) => this.verdicts.load(text), () => 'This file cannot be read.');
    this.changed();
    this.say(told);
  }

  // The keys belong to the view again.
  toStage() {
    this.ui.stage.focus({ preventScroll: true });
  }

  // A list to choose from: after the mouse chose in it, the keys belong to the view; whoever chooses by keys stays in it.
  chosenIn(select, act) {
    let mouse = false;
    select.addEventListener('pointerdown', () => { mouse = true; });
    select.addEventListener('keydown', (event) => {
      mouse = mouse && event.key === 'Enter';
      if (event.key === 'Escape') this.toStage();
    });
    select.addEventListener('change', () => {
      act();
      if (mouse) this.toStage();
    });
  }

  key(event) {
    const { ui } = this, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== 'checkbox' && event.target.type !== 'range';
    const key = meant(event);
    if (ui.keys.open) return;
    if (event.ctrlKey || event.metaKey) {
      this.keyWithCtrl(event, key.toLowerCase(), typing);
      return;
    }
    if (typing || (event.altKey && key !== '[' && key !== ']')) return; // on many keyboards brackets need Alt
    if (this.kindNext && /^[0-7]$/.test(key)) {
      this.setKind(key);
      return;
    }
    this.kindNext = false;
    if (key === 'Enter' && event.target.tagName === 'BUTTON') {
      if (event.repeat) event.preventDefault();
      return;
    }
    if (key.startsWith('Arrow') && (event.target.type === 'range' || /^(listbox|tab|tabpanel)$/.test(event.target.getAttribute('role')))) {
      this.arrowInList(event);
      return;
    }
    const act = this.keys[key];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || REPEATED.has(key)) act(event); // a key that is held gives one verdict, not thirty
  }

  // Undo, redo and save as in any program; while a text is typed undo belongs to the text.
  keyWithCtrl(event, key, typing) {
    const act = { s: () => this.save(), ...(typing ? {} : { z: () => this.undo(event.shiftKey ? 1 : -1), y: () => this.undo(1) }) }[key];
    if (!act) return;
    event.preventDefault();
    if (key !== 's' || !event.repeat) act();
  }

  arrowInList(event) {
    const { ui } = this, by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.target === ui.list && by) {
      event.preventDefault();
      this.stepInList(by);
    } else if (event.target.getAttribute('role') === 'tab' && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) {
      this.tab(ui.list.hidden ? 'list' : 'verdicts');
      (ui.list.hidden ? ui.tabVerdicts : ui.tabList).focus();
    }
  }

  // The picture: mode, direction, parts, colours.
  mode(name) {
    const { view } = this;
    view.show(name);
    if (view.lit.length) this.fly();
  }

  look(name) {
    const { camera } = this.view, { target, span } = camera, near = this.view.lit.length && this.view.look.slab;
    camera.look(name);
    if (near) [camera.target, camera.span] = [target, span];
    if (this.view.mode !== 'space') this.mode('space');
    this.view.moves();
  }

  all() {
    this.view.look.slab = 0;
    this.view.flying = null;
    this.view.camera.fit();
    this.view.flat.fit();
    this.view.moves();
  }

  toggle(name) {
    const { ui, view } = this, on = ui[name].getAttribute('aria-pressed') !== 'true';
    if (ui[name].disabled) return;
    ui[name].setAttribute('aria-pressed', on);
    if (name === 'perspective') view.camera.perspective = on;
    else if (name === 'slab') {
      this.slab = on;
      if (this.entry >= 0) this.cutSlab(this.lookAround().reach);
    } else view.look[name] = on;
    view.moves();
    this.closeUp();
  }

  // Print on white, and show the theme that was chosen again after it.
  printed(begins) {
    if (begins) this.before = document.documentElement.dataset.theme;
    this.theme(begins ? 'light' : this.before);
    this.view.print(begins);
  }

  theme(name) {
    const { ui, view } = this, to = name || (view.look.theme === THEMES.dark ? 'light' : 'dark');
    document.documentElement.dataset.theme = to;
    ui.theme.textContent = to === 'dark' ? 'Light' : 'Dark';
    view.look.theme = THEMES[to];
    this.recolour();
  }

  range() {
    const { ui, view } = this, dark = ui.dark.value / 100;
    view.look.range = [dark, Math.max(ui.bright.value / 100, dark + 0.01)];
    view.draw();
    this.closeUp();
  }

  recolour() {
    this.repaint();
    this.closeUp();
  }

  repaint() {
    const { ui, view } = this;
    view.colour = ui.colour.value;
    view.level = +ui.marks.value;
    view.paint(this.verdicts);
    legend(ui.legend, view.colour, view.level, view.look.theme, this.tree, this.verdicts);
  }
}

unpack().then((held) => {
  window.neurorecon = new Page(held); // for the tests of the page, and for the curious
}).catch((error) => {
  document.getElementById('told').textContent = `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`;
});
