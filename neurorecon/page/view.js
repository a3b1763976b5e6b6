// The picture: 3D or projections, what lies over it, and how the mouse moves it.

const SLAB_PX = 12; // half a slab, in voxels of the smallest edge: neurites of 2 to 6 voxels with what lies beside them
const QUICK = 160; // milliseconds after the last movement until the fine picture is drawn
const REACH = 12; // pixels from a node within which a click means it

class View {
  constructor(ui, tree, stack, box) {
    Object.assign(this, { ui, tree, stack, box, moved: 0, last: 0, wanted: false, lit: [], node: -1, flying: null, frames: [] });
    this.look = { theme: THEMES.dark, volume: Boolean(stack), tree: true, slab: 0, range: [0.04, 1], radii: true, moving: false, least: 1 };
    this.look.camera = this.camera = new Camera(box.low, box.high);
    this.colour = 'sure';
    this.level = 1;
    try {
      this.scene = new Scene(ui.space, tree, stack);
      this.look.radii = !this.scene.slow; // 50,000 ribbons take a processor a second, lines a tenth of it
    } catch (error) {
      this.scene = null;
      this.why = error.message;
    }
    this.flat = new Flat(ui.flat, tree, stack, box);
    this.mode = this.scene ? 'space' : 'flat';
    this.seen = () => -1; // finds the node at a place of the picture that was drawn last
    ui.space.addEventListener('webglcontextlost', (event) => {
      event.preventDefault();
      this.scene = null;
      this.show('flat');
      this.lost();
    });
    new ResizeObserver(() => this.resize()).observe(ui.stage);
    this.mouse();
  }

  get deep() {
    const voxel = this.stack ? Math.min(...this.stack.voxel) : 1;
    return SLAB_PX * voxel;
  }

  show(mode) {
    this.mode = this.scene ? mode : 'flat';
    this.ui.space.hidden = this.mode !== 'space';
    this.ui.flat.hidden = this.mode !== 'flat';
    this.ui.toSpace.setAttribute('aria-pressed', this.mode === 'space');
    this.ui.toFlat.setAttribute('aria-pressed', this.mode === 'flat');
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.ui.stage;
    if (!width || !height) return;
    const first = this.camera.width === 1;
    [this.camera.width, this.camera.height] = [width, height];
    if (first) this.camera.fit();
    this.draw();
  }

  // Colours and marks anew: after a verdict, or another choice.
  paint(verdicts) {
    this.verdicts = verdicts;
    this.ink = inkOf(this.colour, this.look.theme, this.tree, verdicts);
    this.markers = marksOf(this.level, this.look.theme, this.tree, verdicts);
    if (this.scene) {
      this.scene.paint(this.ink);
      this.scene.mark(this.markers);
    }
    this.draw();
  }

  moves() {
    this.moved = performance.now();
    this.draw();
  }

  draw() {
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.wanted = false;
    if (this.printing || !this.ink || this.camera.width === 1) return;
    if (this.flying) this.fly(now);
    this.look.moving = Boolean(this.flying) || performance.now() - this.moved < QUICK;
    this.look.least = (window.devicePixelRatio || 1) * 0.9;
    let due = false;
    if (this.mode === 'space') {
      this.sharpen();
      if (this.look.moving && this.last) this.measure(now - this.last);
      due = this.scene.draw(this.look);
    } else this.flat.draw(this.look, this.ink, this.markers);
    this.last = this.look.moving ? now : 0;
    this.over();
    this.seen = this.picker();
    if (this.flying || (this.look.moving && this.mode === 'space')) this.draw();
    else if (due) setTimeout(() => this.draw(), QUICK);
  }

  // Draw all now, at rest, and hold it until the printing ends; onto the canvas over the picture as well, for a printer gets
  // nothing of what WebGL draws.
  print(begins) {
    [this.flying, this.moved, this.printing] = [null, 0, false];
    this.frame(performance.now());
    this.printing = begins;
    if (!begins || this.mode !== 'space') return;
    const { over, space } = this.ui, pen = over.getContext('2d', PLAIN);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalCompositeOperation = 'destination-over';
    pen.drawImage(space, 0, 0, over.width, over.height);
    pen.globalCompositeOperation = 'source-over';
  }

  // Where the processor draws, a moving view has half the pixels along each axis.
  sharpen() {
    const ratio = (window.devicePixelRatio || 1) * (this.look.moving && this.scene.soft ? 0.5 : 1), { space } = this.ui;
    fitPixels(space, this.camera.width * ratio, this.camera.height * ratio);
  }

  measure(ms) {
    this.frames.push(ms);
    if (this.frames.length > 120) this.frames.shift();
    this.scene.learn(ms, this.look.volume && this.stack);
  }

  // Fly to a point, so that `wide` of the picture is seen.
  visit(point, wide) {
    if (this.mode === 'flat') {
      this.flat.visit(point);
      this.draw();
      return;
    }
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.flying = { from: this.camera.target.slice(), to: point, span: this.camera.span, end: wide, start: performance.now(), ms: still ? 1 : 350 };
    this.draw();
  }

  fly(now) {
    const f = this.flying, t = Math.min(1, Math.max(0, (now - f.start) / f.ms)), share = t * t * (3 - 2 * t);
    this.camera.target = f.from.map((v, k) => v + (f.to[k] - v) * share);
    this.camera.span = f.span * (f.end / f.span) ** share;
    if (t >= 1) this.flying = null;
  }

  // The places of a point on the stage: one in 3D, three in the projections.
  places() {
    if (this.mode === 'space') {
      const project = this.camera.projector();
      return (i) => { const p = project(...this.tree.at(i)); return p ? [p] : []; };
    }
    const plan = this.flat.layout();
    return (i) => [0, 1, 2].map((view) => this.flat.place(view, this.tree.at(i), plan));
  }

  // Whether all of these nodes or points are in sight.
  holds(nodes) {
    const places = this.places(), { width, height } = this.camera;
    return nodes.map(places).every((all) => all.some(([x, y]) => x >= 0 && y >= 0 && x <= width && y <= height));
  }

  // What lies over the picture: the chosen stretch, the marked node, joins and cuts, scale bar, axes.
  over() {
    const { over: canvas } = this.ui, pen = canvas.getContext('2d', PLAIN), ratio = window.devicePixelRatio || 1, theme = this.look.theme;
    fitPixels(canvas, this.camera.width * ratio, this.camera.height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const places = this.places(), line = (nodes, ...how) => drawLine(pen, nodes.map(places), ...how);
    if (this.lit.length && this.look.tree) {
      line(this.lit, theme.halo, 6);
      line(this.lit, theme.node, 3.5);
      if (this.lit.some(Array.isArray)) line(this.lit, theme.halo, 1.5, [3, 5]); // a way on that the tree lacks
      else line(this.lit, this.ink(this.lit[0]), 1.5);
    }
    for (const i of this.verdicts.cut) for (const [x, y] of places(i)) drawCross(pen, x, y, theme.sure[0]);
    for (const pair of this.verdicts.joins) line(pair, theme.many[2], 3, [6, 4]);
    if (this.node >= 0) for (const [x, y] of places(this.node)) drawRing(pen, x, y, 8, theme.node, theme.halo);
    if (this.first >= 0) for (const [x, y] of places(this.first)) drawRing(pen, x, y, 11, theme.many[2], theme.halo);
    this.bar(pen, theme);
    if (this.mode === 'space') this.axes(pen, theme);
  }

  bar(pen, theme) {
    const { clientWidth: width, clientHeight: height } = this.ui.stage;
    const pixels = this.mode === 'space' ? this.camera.pixels : this.flat.layout().scale;
    const length = roundLength(Math.max(width / 5, 60) / pixels), long = length * pixels, x = width - long - 16, y = height - 14;
    pen.fillStyle = css(theme.paper);
    pen.globalAlpha = 0.6;
    pen.fillRect(x - 8, y - 22, long + 16, 32);
    pen.globalAlpha = 1;
    pen.fillStyle = rgb(theme.node);
    pen.fillRect(x, y, long, 4);
    pen.font = '12px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.fillText(`${+length.toPrecision(3)} ${this.tree.unit}`, x + long / 2, y - 6);
  }

  axes(pen, theme) {
    const t = this.camera.turn, x = 44, y = this.ui.stage.clientHeight - 58, long = 26;
    ['x', 'y', 'z'].map((name, k) => ({ name, k, deep: t[6 + k] })).sort((a, b) => a.deep - b.deep).forEach(({ name, k }) => {
      const u = x + t[k] * long, v = y - t[3 + k] * long;
      for (const [c, width] of [[theme.halo, 4.5], [theme.many[k], 2.2]]) {
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(u, v);
        pen.lineWidth = width;
        pen.strokeStyle = rgb(c);
        pen.stroke();
      }
      pen.font = 'bold 12px system-ui, sans-serif';
      pen.textAlign = 'center';
      pen.fillStyle = rgb(theme.node);
      pen.fillText(name, x + t[k] * (long + 9), y - t[3 + k] * (long + 9) + 4);
    });
  }

  // A function from a place to its node in the picture as it is now: the nearest within REACH, of near ones the one in front.
  picker() {
    if (this.mode === 'flat') return this.flat.picker(REACH);
    const project = this.camera.projector(), { tree } = this;
    return (x, y) => {
      let best = -1, least = Infinity;
      for (let i = 0; i < tree.count; i++) {
        const p = project(tree.point[3 * i], tree.point[3 * i + 1], tree.point[3 * i + 2]);
        if (!p) continue;
        const d = Math.hypot(p[0] - x, p[1] - y);
        if (d > REACH) continue;
        const score = d + p[2] * 6;
        if (score < least) [least, best] = [score, i];
      }
      return best;
    };
  }

  // Mouse and fingers: a drag turns or moves, two fingers move and zoom, a click chooses what was seen where it was pressed.
  mouse() {
    const { stage } = this.ui, held = new Map();
    let travelled = 0, gap = 0, pressed = this.seen;
    const place = (event) => { const box = stage.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const release = (event) => { held.delete(event.pointerId); };
    stage.addEventListener('pointerdown', (event) => {
      stage.setPointerCapture(event.pointerId);
      held.set(event.pointerId, place(event));
      travelled = held.size > 1 ? 99 : 0;
      gap = 0;
      pressed = this.seen; // a flight may move the picture before the release
    });
    stage.addEventListener('pointermove', (event) => {
      const from = held.get(event.pointerId);
      if (!from) return;
      if (event.pointerType === 'mouse' && !event.buttons) { // the release was lost: a dialog of the system, another window
        release(event);
        return;
      }
      const at = place(event), dx = at[0] - from[0], dy = at[1] - from[1];
      held.set(event.pointerId, at);
      travelled += Math.abs(dx) + Math.abs(dy);
      if (travelled < 4) return;
      if (held.size === 2) {
        const [p, q] = [...held.values()], now = Math.hypot(p[0] - q[0], p[1] - q[1]);
        if (gap && now) this.zoom(gap / now, (p[0] + q[0]) / 2, (p[1] + q[1]) / 2);
        gap = now;
        this.drag(dx / 2, dy / 2, true);
      } else this.drag(dx, dy, event.shiftKey || event.ctrlKey || event.buttons !== 1);
    });
    stage.addEventListener('pointerup', (event) => {
      const at = held.get(event.pointerId);
      release(event);
      if (at && travelled < 4 && event.button === 0) this.clicked(pressed(...at));
    });
    for (const lost of ['pointercancel', 'lostpointercapture']) stage.addEventListener(lost, release);
    stage.addEventListener('contextmenu', (event) => event.preventDefault());
    stage.addEventListener('wheel', (event) => {
      event.preventDefault();
      // Two fingers that spread on a touch pad are a wheel with Ctrl, by small steps: the zoom follows the fingers.
      const [most, share] = event.ctrlKey ? [20, 0.01] : [200, 0.0016];
      this.zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), most) * share), ...place(event));
    }, { passive: false });
  }

  drag(dx, dy, move) {
    this.flying = null;
    if (this.mode === 'flat') this.flat.pan(dx, dy);
    else if (move) this.camera.pan(dx, dy);
    else this.camera.orbit(dx, dy);
    this.moves();
  }

  zoom(factor, x, y) {
    this.flying = null;
    const { clientWidth: width, clientHeight: height } = this.ui.stage;
    if (this.mode === 'flat') this.flat.zoomAt(factor, x ?? width / 2, y ?? height / 2);
    else this.camera.zoom(factor, x, y);
    this.moves();
  }
}

// A line through points in one view or three: `all` has the places of each point, [x, y] in each view.
function drawLine(pen, all, colour, width, dash = []) {
  const views = Math.max(0, ...all.map((places) => places.length));
  pen.setLineDash(dash);
  pen.lineWidth = width;
  pen.strokeStyle = rgb(colour);
  for (let view = 0; view < views; view++) {
    pen.beginPath();
    for (const places of all) if (places[view]) pen.lineTo(...places[view]);
    pen.stroke();
  }
  pen.setLineDash([]);
}

function drawRing(pen, x, y, radius, colour, halo) {
  for (const [ink, width] of [[halo, 4], [colour, 2]]) {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.lineWidth = width;
    pen.strokeStyle = rgb(ink);
    pen.stroke();
  }
}

function drawCross(pen, x, y, colour) {
  pen.lineWidth = 2.5;
  pen.strokeStyle = rgb(colour);
  pen.beginPath();
  for (const way of [1, -1]) {
    pen.moveTo(x - 6, y - 6 * way);
    pen.lineTo(x + 6, y + 6 * way);
  }
  pen.stroke();
}
