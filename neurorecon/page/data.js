// What the page holds: the tree, the review list and the stack, as typed arrays.

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const SOMA = 1;
// SWC types (Cannon et al. 1998; INCF SWC+), as the dock of napari names them (napari_plugin/review_words.py).
const KINDS = { 0: 'undefined', 1: 'soma', 2: 'axon', 3: 'basal dendrite', 4: 'apical dendrite', 5: 'custom', 6: 'unspecified neurite', 7: 'glia processes' };

async function unpack() {
  const values = JSON.parse(document.getElementById('data').textContent);
  const element = document.getElementById('block');
  const text = atob(element.textContent.trim());
  element.remove();
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const block = await new Response(stream).arrayBuffer();
  const arrays = {};
  for (const [name, told] of Object.entries(values.arrays)) {
    const count = told.shape.reduce((a, b) => a * b, 1);
    arrays[name] = new TYPES[told.type](block, told.at, count);
    arrays[name].shape = told.shape;
  }
  return { values, arrays };
}

class Tree {
  constructor(values, arrays) {
    const n = (this.count = arrays.up.length);
    const { low, step, radius_step } = values.nodes;
    this.files = values.files;
    this.unit = values.unit;
    this.sureKnown = values.confidence_known;
    this.point = new Float32Array(3 * n);
    this.radius = new Float32Array(n);
    this.parent = new Int32Array(n);
    this.children = new Int32Array(n);
    this.order = new Int32Array(n);
    this.root = new Int32Array(n);
    this.trees = 0;
    this.kind = arrays.kind;
    this.sure = arrays.sure;
    this.bridged = arrays.bridged;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < 3; k++) this.point[3 * i + k] = low[k] + arrays.xyz[3 * i + k] * step;
      this.radius[i] = arrays.radius[i] * radius_step;
      const up = (this.parent[i] = arrays.up[i] ? i - arrays.up[i] : -1);
      if (up >= 0) this.children[up]++;
    }
    for (let i = 0; i < n; i++) {
      const up = this.parent[i];
      this.root[i] = up < 0 ? this.trees++ : this.root[up];
      this.order[i] = up < 0 ? 0 : this.order[up] + (this.children[up] > 1 && this.kind[up] !== SOMA ? 1 : 0);
    }
    this.below = null;
  }

  // The place of a node; of a point itself.
  at(i) {
    if (Array.isArray(i)) return i;
    return [this.point[3 * i], this.point[3 * i + 1], this.point[3 * i + 2]];
  }

  // The file of a node, and its id in it.
  file(i) {
    let k = this.files.length - 1;
    while (this.files[k].first > i) k--;
    return k;
  }

  id(i) {
    return i - this.files[this.file(i)].first + 1;
  }

  node(file, id) {
    const next = file + 1 < this.files.length ? this.files[file + 1].first : this.count;
    const i = this.files[file].first + id - 1;
    return Number.isInteger(id) && id >= 1 && i < next ? i : -1;
  }

  degree(i) {
    return this.children[i] + (this.parent[i] >= 0 ? 1 : 0);
  }

  child(i) {
    if (!this.below) {
      this.below = new Int32Array(this.count).fill(-1);
      for (let k = this.count - 1; k >= 0; k--) if (this.parent[k] >= 0) this.below[this.parent[k]] = k;
    }
    return this.below[i];
  }

  // Nodes of the edges of a stretch, from its lower end up to its upper one, that one included.
  way(from, to) {
    const made = [to];
    while (to !== from && this.parent[to] >= 0) made.push((to = this.parent[to]));
    return made;
  }

  // Nodes of the unbranched stretch that holds a node: edges between it and the branch points, tips or root around it.
  line(i) {
    const made = [i];
    let up = i;
    while (this.parent[up] >= 0 && this.children[this.parent[up]] === 1 && this.kind[this.parent[up]] !== SOMA) made.push((up = this.parent[up]));
    let down = i;
    while (this.children[down] === 1) made.push((down = this.child(down)));
    return made;
  }
}

class Entries {
  constructor(tree, values, arrays) {
    Object.assign(this, { tree, node: arrays.node, from: arrays.from, to: arrays.to, length: arrays.length });
    Object.assign(this, { doubt: arrays.doubt, mean: arrays.mean, count: arrays.node.length });
    Object.assign(this, { look: arrays.look, lookAt: arrays.look_at, looks: arrays.look_at.length / 3 }); // entries are sorted by looks
    this.first = new Int32Array(this.looks + 1).fill(this.count); // the first entry of each look
    for (let k = this.count - 1; k >= 0; k--) this.first[this.look[k]] = k;
    this.reason = (k) => values.reasons[arrays.reason[k]] || '';
    this.ways = new Map(); // entry of a way on that the tree lacks -> its points, and its tip as the SWC file would have it
    let at = 0;
    for (const { entry, points, tip, meets } of values.missing || []) {
      const place = Array.from({ length: points }, (_, i) => Array.from(arrays.ways.subarray(3 * (at + i), 3 * (at + i) + 3)));
      const other = meets >= 0 && tree.file(meets) === tree.file(arrays.node[entry]) ? meets : -1; // a join stays within one file
      this.ways.set(entry, { points: other < 0 ? place : [...place, tree.at(other)], tip, meets: other });
      at += points;
    }
    this.of = new Int32Array(tree.count).fill(-1); // the entry that holds the edge above a node
    this.by = new Map(); // "from to" -> entry
    for (let k = 0; k < this.count; k++) {
      this.by.set(this.ways.has(k) ? this.node[k] + ' to ' + this.ways.get(k).tip : this.from[k] + ' ' + this.to[k], k);
      for (const i of tree.way(this.from[k], this.to[k]).slice(0, -1)) this.of[i] = k;
    }
  }

  // The entries that one look shows.
  within(look) {
    return Array.from({ length: this.first[look + 1] - this.first[look] }, (_, i) => this.first[look] + i);
  }

  // The nodes of an entry; of a way on the node that it leaves, and its points.
  line(k) {
    const way = this.ways.get(k);
    return way ? [this.node[k], ...way.points] : this.tree.way(this.from[k], this.to[k]);
  }

  // The middle of the look of an entry.
  middle(k) {
    return Array.from(this.lookAt.subarray(3 * this.look[k], 3 * this.look[k] + 3));
  }

  // The entry of a node: that of the edge above it, of a root that of an edge below it.
  holding(i) {
    if (this.of[i] >= 0) return this.of[i];
    const down = this.tree.child(i);
    return down < 0 ? -1 : this.of[down];
  }
}

class Stack {
  constructor(values, arrays) {
    const { shape, factor, shrunk } = values.stack;
    Object.assign(this, { shape, factor, shrunk, voxel: values.voxel, volume: arrays.volume });
    this.crops = values.crops ? { half: values.crops.half, at: arrays.crop_at, views: [arrays.crop_along_z, arrays.crop_along_x, arrays.crop_along_y] } : null;
    this.views = [arrays.along_z, arrays.along_x, arrays.along_y];
    this.size = arrays.volume.shape.slice().reverse(); // xyz, as all here
    this.low = this.voxel.map((v) => -0.5 * v);
    this.high = this.voxel.map((v, k) => (shape[k] - 0.5) * v);
  }

  // The crop of a look along an axis: { values, width, height, low }, where `low` is its first corner; null if there is none.
  crop(look, view) {
    if (!this.crops || look < 0 || look >= this.crops.at.shape[0]) return null;
    const all = this.crops.views[view], [, height, width] = all.shape, size = width * height;
    const low = this.voxel.map((v, k) => (this.crops.at[3 * look + k] - this.crops.half[k] - 0.5) * v);
    return { values: all.subarray(look * size, (look + 1) * size), width, height, low };
  }

  // The place of a point in the small volume, in its voxels, whose first one begins at 0.
  small(point) {
    return point.map((p, k) => (p / this.voxel[k] + 0.5) / this.factor[k]);
  }
}
