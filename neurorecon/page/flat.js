// The views without WebGL: three projections of the stack with the tree on them, and the close-up of one place.

// Where a projection lies among the others, and which axes (0 x, 1 y, 2 z) run right and down.
const FLAT = [{ across: 0, down: 1 }, { across: 2, down: 1 }, { across: 0, down: 2 }];
const GAP = 8;
const PANEL_GAP = 6; // pixels between two panels of the close-up
const PLAIN = { willReadFrequently: true }; // canvases of the processor: without a graphics card they are many times faster

// A picture of grey levels, between `range`, from the colour of paper to that of light.
function greyPicture(values, width, height, range, theme) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext('2d', PLAIN), image = pen.createImageData(width, height), table = new Uint8Array(3 * 256);
  for (let v = 0; v < 256; v++) {
    const share = Math.min(1, Math.max(0, (v / 255 - range[0]) / Math.max(range[1] - range[0], 0.004)));
    for (let k = 0; k < 3; k++) table[3 * v + k] = 255 * (theme.paper[k] * (1 - share) + theme.light[k] * share);
  }
  for (let i = 0; i < values.length; i++) {
    const v = 3 * values[i];
    image.data[4 * i] = table[v];
    image.data[4 * i + 1] = table[v + 1];
    image.data[4 * i + 2] = table[v + 2];
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

// Give a canvas so many pixels; one that has them keeps its picture.
function fitPixels(canvas, wide, tall) {
  const [width, height] = [wide, tall].map((n) => Math.max(1, Math.round(n)));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
}

class Flat {
  constructor(canvas, tree, stack, box) {
    Object.assign(this, { canvas, tree, stack, box, zoom: 1, shift: [0, 0], made: '' });
    this.fit();
  }

  fit() {
    this.zoom = 1;
    this.shift = [0, 0];
  }

  // Pixels for a unit of length, and the corner of each view, as they lie now.
  layout() {
    const [lx, ly, lz] = this.box.high.map((v, k) => v - this.box.low[k]);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const fit = Math.min((width - 3 * GAP) / (lx + lz), (height - 3 * GAP) / (ly + lz));
    const scale = Math.max(fit, 1e-9) * this.zoom, [sx, sy] = this.shift;
    return { scale, corners: [[GAP + sx, GAP + sy], [2 * GAP + sx + lx * scale, GAP + sy], [GAP + sx, 2 * GAP + sy + ly * scale]] };
  }

  place(view, point, plan) {
    const { across, down } = FLAT[view], corner = plan.corners[view];
    return [corner[0] + (point[across] - this.box.low[across]) * plan.scale, corner[1] + (point[down] - this.box.low[down]) * plan.scale];
  }

  pan(dx, dy) {
    this.shift = [this.shift[0] + dx, this.shift[1] + dy];
  }

  zoomAt(factor, x, y) {
    const zoom = Math.min(Math.max(this.zoom / factor, 0.5), 60), real = zoom / this.zoom;
    this.shift = [x - GAP - (x - GAP - this.shift[0]) * real, y - GAP - (y - GAP - this.shift[1]) * real];
    this.zoom = zoom;
  }

  // Bring a point into the middle of the view along z.
  visit(point) {
    this.zoom = Math.max(this.zoom, 2);
    const [x, y] = this.place(0, point, this.layout());
    this.pan(this.canvas.clientWidth * 0.4 - x, this.canvas.clientHeight * 0.4 - y);
  }

  draw(look, ink, marks) {
    const { canvas, tree } = this, ratio = window.devicePixelRatio || 1, pen = canvas.getContext('2d', PLAIN);
    const plan = this.layout(), theme = look.theme;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    pen.scale(ratio, ratio);
    pen.fillStyle = css(theme.paper);
    pen.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    if (this.stack && look.volume) this.greys(pen, look, plan);
    for (let view = 0; view < 3 && look.tree; view++) {
      const inks = new Map(); // one path a colour: thousands of strokes would take seconds
      for (let i = 0; i < tree.count; i++) {
        if (tree.parent[i] < 0) continue;
        const c = ink(i), key = (c[0] << 16) | (c[1] << 8) | c[2];
        if (!inks.has(key)) inks.set(key, new Path2D());
        const path = inks.get(key), p = this.place(view, tree.at(tree.parent[i]), plan), q = this.place(view, tree.at(i), plan);
        path.moveTo(p[0], p[1]);
        path.lineTo(q[0], q[1]);
      }
      pen.lineWidth = 1.4;
      for (const [key, path] of inks) {
        pen.strokeStyle = `rgb(${key >> 16},${(key >> 8) & 255},${key & 255})`;
        pen.stroke(path);
      }
      for (const m of marks) drawMark(pen, ...this.place(view, m.at, plan), m, m.radius * plan.scale, theme);
    }
    return plan;
  }

  greys(pen, look, plan) {
    const { stack } = this, key = JSON.stringify([look.range, look.theme.paper]);
    if (this.made !== key) {
      this.pictures = stack.views.map((v) => greyPicture(v, v.shape[1], v.shape[0], look.range, look.theme));
      this.made = key;
    }
    this.pictures.forEach((picture, view) => {
      const { across, down } = FLAT[view], [x, y] = this.place(view, stack.low, plan), v = stack.voxel;
      const w = picture.width * stack.shrunk[view][0] * v[across], h = picture.height * stack.shrunk[view][1] * v[down];
      pen.imageSmoothingEnabled = this.zoom < 4;
      pen.drawImage(picture, x, y, w * plan.scale, h * plan.scale);
    });
  }

  // A function from a place on the canvas, as it is now, to the nearest node within `reach` pixels; -1 if none is.
  picker(reach) {
    const plan = this.layout(), { tree } = this;
    return (x, y) => {
      let best = -1, least = reach * reach;
      for (let i = 0; i < tree.count; i++) {
        const at = tree.at(i);
        for (let view = 0; view < 3; view++) {
          const [u, v] = this.place(view, at, plan), d = (u - x) ** 2 + (v - y) ** 2;
          if (d < least) [least, best] = [d, i];
        }
      }
      return best;
    };
  }
}

// A colour of three numbers from 0 to 255.
function rgb(ink) {
  return `rgb(${ink.join(',')})`;
}

// A colour of three numbers from 0 to 1.
function css(colour) {
  return `rgb(${colour.map((v) => Math.round(v * 255)).join(',')})`;
}

// The same shapes as in the 3D view.
function drawMark(pen, x, y, mark, radius, theme) {
  const r = mark.shape === 0 ? Math.max(6, radius) : 4;
  pen.beginPath();
  if (mark.shape === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
  else if (mark.shape === 1) [[0, -r], [r, r], [-r, r]].forEach(([u, v]) => pen.lineTo(x + u, y + v));
  else if (mark.shape === 2) pen.rect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6);
  else [[0, -r], [r, 0], [0, r], [-r, 0]].forEach(([u, v]) => pen.lineTo(x + u, y + v));
  pen.closePath();
  pen.lineWidth = 1.5;
  if (mark.shape !== 0) {
    pen.fillStyle = rgb(mark.ink);
    pen.fill();
  }
  pen.strokeStyle = mark.shape === 0 ? rgb(mark.ink) : css(theme.rim);
  pen.stroke();
}

// The three panels of a close-up, `2 * half` wide around a point: their side, pixels for a unit of length, left edges, places.
function panelsOf(canvas, middle, half) {
  const side = (canvas.clientWidth - 2 * PANEL_GAP) / 3, scale = side / (2 * half), left = (view) => view * (side + PANEL_GAP);
  const put = (view, p) => {
    const { across, down } = FLAT[view];
    return [left(view) + (p[across] - middle[across] + half) * scale, (p[down] - middle[down] + half) * scale];
  };
  return { side, scale, left, put };
}

// The node of a close-up nearest to a place on it, of the look itself rather than of others; -1 if none lies within REACH.
function pickInCloseUp(canvas, { tree, middle, half, nodes, within }, x, y) {
  const { side, left, put } = panelsOf(canvas, middle, half), view = [0, 1, 2].find((k) => x >= left(k) && x <= left(k) + side);
  let best = -1, least = REACH;
  for (const i of view === undefined ? [] : nodes) {
    const [u, v] = put(view, tree.at(i)), d = Math.hypot(u - x, v - y) + (within(i) ? 0 : REACH / 2);
    if (d < least) [least, best] = [d, i];
  }
  return best;
}

// The close-up of a look: maxima of a slab along z, x and y, with the tree within it; dashed is what other looks show.
function drawCloseUp(canvas, { tree, stack, fine, shown, middle, half, deep, nodes, within, lit, way, node, look, ink }) {
  const ratio = window.devicePixelRatio || 1, pen = canvas.getContext('2d', PLAIN), panels = panelsOf(canvas, middle, half), { side, scale } = panels;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(side * ratio);
  pen.scale(ratio, ratio);
  FLAT.forEach(({ across, down }, view) => {
    const through = 3 - across - down, left = panels.left(view);
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, side, side);
    pen.clip();
    pen.fillStyle = css(look.theme.paper);
    pen.fillRect(left, 0, side, side);
    const crop = stack && fine && look.volume ? stack.crop(shown, view) : null;
    if (crop) drawCrop(pen, stack, crop, { across, down }, { middle, half, left, scale, look });
    else if (stack && look.volume) drawSlab(pen, stack, { across, down, through }, { middle, half, deep, left, scale, look });
    drawPanel(pen, (i) => panels.put(view, tree.at(i)), { tree, nodes, within, lit, way, node, look, ink });
    pen.restore();
  });
}

// What a panel of the close-up shows of the tree; `put` is the place of a node or a point in it.
function drawPanel(pen, put, { tree, nodes, within, lit, way, node, look, ink }) {
  for (const i of look.tree ? nodes : []) {
    if (tree.parent[i] < 0) continue;
    pen.beginPath();
    pen.moveTo(...put(tree.parent[i]));
    pen.lineTo(...put(i));
    pen.lineWidth = lit.has(i) ? 2.6 : 1.2;
    pen.strokeStyle = rgb(ink(i));
    pen.setLineDash(within(i) ? [] : [2, 2]);
    pen.stroke();
  }
  pen.setLineDash([4, 3]);
  pen.beginPath();
  for (const point of way) pen.lineTo(...put(point));
  pen.lineWidth = 2.2;
  pen.strokeStyle = rgb(look.theme.node);
  pen.stroke();
  pen.setLineDash([]);
  if (node >= 0) {
    pen.beginPath();
    pen.arc(...put(node), 5, 0, 2 * Math.PI);
    pen.lineWidth = 1.5;
    pen.strokeStyle = rgb(look.theme.node);
    pen.stroke();
  }
}

// The stack itself, in full resolution.
function drawCrop(pen, stack, crop, { across, down }, { middle, half, left, scale, look }) {
  const picture = greyPicture(crop.values, crop.width, crop.height, look.range, look.theme);
  const at = (k) => (crop.low[k] - (middle[k] - half)) * scale;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture, left + at(across), at(down), crop.width * stack.voxel[across] * scale, crop.height * stack.voxel[down] * scale);
}

function drawSlab(pen, stack, { across, down, through }, { middle, half, deep, left, scale, look }) {
  const low = stack.small(middle.map((m, k) => m - (k === through ? deep : half))).map(Math.floor);
  const high = stack.small(middle.map((m, k) => m + (k === through ? deep : half))).map(Math.ceil);
  for (let k = 0; k < 3; k++) {
    low[k] = Math.max(0, low[k]);
    high[k] = Math.min(stack.size[k], high[k]);
    if (high[k] <= low[k]) return;
  }
  const w = high[across] - low[across], h = high[down] - low[down], best = new Uint8Array(w * h);
  const jump = [1, stack.size[0], stack.size[0] * stack.size[1]];
  for (let d = low[through]; d < high[through]; d++) {
    for (let v = 0; v < h; v++) {
      let from = d * jump[through] + (low[down] + v) * jump[down] + low[across] * jump[across];
      for (let u = 0; u < w; u++, from += jump[across]) if (stack.volume[from] > best[v * w + u]) best[v * w + u] = stack.volume[from];
    }
  }
  const picture = greyPicture(best, w, h, look.range, look.theme);
  const start = (k) => (low[k] * stack.factor[k] - 0.5) * stack.voxel[k] - (middle[k] - half);
  const long = (n, k) => n * stack.factor[k] * stack.voxel[k] * scale;
  pen.imageSmoothingEnabled = true;
  pen.drawImage(picture, left + start(across) * scale, start(down) * scale, long(w, across), long(h, down));
}
