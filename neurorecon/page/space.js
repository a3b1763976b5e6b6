// The camera: a turn, a target, and a span. Eye coordinates: x to the right, y up, z towards the viewer.

const VIEWS = {
  front: [1, 0, 0, 0, -1, 0, 0, 0, -1], // along z: x to the right, y down, as a picture viewer shows a plane
  side: [0, 0, 1, 0, -1, 0, 1, 0, 0], // along x: z to the right, y down
  top: [1, 0, 0, 0, 0, -1, 0, 1, 0], // along y: x to the right, z down
};
const LENS = 1 / Math.tan((35 / 2) * (Math.PI / 180)); // distance of the eye in half heights of the view, for 35 degrees

class Camera {
  constructor(low, high) {
    this.low = low;
    this.high = high;
    this.turn = VIEWS.front.slice();
    this.perspective = false;
    this.width = this.height = 1;
    this.fit();
  }

  // Show all of the box.
  fit() {
    const t = this.turn;
    let wide = 0, tall = 0;
    this.target = [0, 1, 2].map((k) => (this.low[k] + this.high[k]) / 2);
    for (let corner = 0; corner < 8; corner++) {
      const d = [0, 1, 2].map((k) => ((corner >> k) & 1 ? this.high[k] : this.low[k]) - this.target[k]);
      wide = Math.max(wide, Math.abs(t[0] * d[0] + t[1] * d[1] + t[2] * d[2]));
      tall = Math.max(tall, Math.abs(t[3] * d[0] + t[4] * d[1] + t[5] * d[2]));
    }
    this.span = 1.06 * Math.max(tall, (wide * this.height) / this.width, 1e-3);
    this.diagonal = Math.hypot(...[0, 1, 2].map((k) => this.high[k] - this.low[k])) || 1;
  }

  look(name) {
    this.turn = VIEWS[name].slice();
    this.fit();
  }

  get bend() {
    return this.perspective ? 1 / (this.span * LENS) : 0;
  }

  // Pixels for a unit of length, at the depth of the target.
  get pixels() {
    return this.height / 2 / this.span;
  }

  // Turn about an axis that lies in the screen: by pixels dragged.
  orbit(dx, dy) {
    const a = dx * 0.008, b = dy * 0.008;
    const ca = Math.cos(a), sa = Math.sin(a), cb = Math.cos(b), sb = Math.sin(b);
    const yaw = [ca, 0, sa, 0, 1, 0, -sa, 0, ca], pitch = [1, 0, 0, 0, cb, -sb, 0, sb, cb];
    this.turn = upright(times(pitch, times(yaw, this.turn)));
  }

  roll(angle) {
    const c = Math.cos(angle), s = Math.sin(angle);
    this.turn = upright(times([c, -s, 0, s, c, 0, 0, 0, 1], this.turn));
  }

  pan(dx, dy) {
    const t = this.turn, u = 1 / this.pixels;
    for (let k = 0; k < 3; k++) this.target[k] += (-dx * t[k] + dy * t[3 + k]) * u;
  }

  // Zoom by a factor; the point under (x, y), pixels of the view, stays where it is.
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const span = Math.min(Math.max(this.span * factor, this.diagonal * 1e-4), this.diagonal * 20);
    const moved = (this.span - span) / this.span;
    this.pan((this.width / 2 - x) * moved, (this.height / 2 - y) * moved);
    this.span = span;
  }

  // The 4 x 4 matrix for WebGL, by columns; it works for both kinds of projection.
  matrix() {
    const t = this.turn, g = this.target, deep = this.diagonal * 2 + Math.hypot(...g.map((v, k) => v - (this.low[k] + this.high[k]) / 2));
    const scale = [this.height / this.width / this.span, 1 / this.span, -1 / deep, -this.bend];
    const rows = [0, 1, 2, 2].map((row, k) => {
      const r = [0, 1, 2].map((c) => t[3 * row + c] * scale[k]);
      return [...r, -(r[0] * g[0] + r[1] * g[1] + r[2] * g[2]) + (k === 3 ? 1 : 0)];
    });
    const made = new Float32Array(16);
    for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) made[4 * c + r] = rows[r][c];
    return made;
  }

  // A function from a point to [x, y, depth] in pixels of the view; null behind the eye.
  projector() {
    const m = this.matrix(), w = this.width / 2, h = this.height / 2;
    return (x, y, z) => {
      const q = m[3] * x + m[7] * y + m[11] * z + m[15];
      if (q < 0.02) return null;
      const u = (m[0] * x + m[4] * y + m[8] * z + m[12]) / q, v = (m[1] * x + m[5] * y + m[9] * z + m[13]) / q;
      return [w + u * w, h - v * h, (m[2] * x + m[6] * y + m[10] * z + m[14]) / q];
    };
  }
}

function times(a, b) {
  const made = new Array(9);
  for (let r = 0; r < 3; r++) {
    for (let c = 0; c < 3; c++) made[3 * r + c] = a[3 * r] * b[c] + a[3 * r + 1] * b[3 + c] + a[3 * r + 2] * b[6 + c];
  }
  return made;
}

// A turn without the rounding that many small turns leave.
function upright(t) {
  const unit = (v) => { const n = Math.hypot(...v); return v.map((x) => x / n); };
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const x = unit(t.slice(0, 3)), z = unit(cross(x, t.slice(3, 6)));
  return [...x, ...cross(z, x), ...z];
}

// A round length, 1, 2 or 5 times a power of ten, of at most `most`.
function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((n) => n * power <= most * 1.0000001) * power;
}
