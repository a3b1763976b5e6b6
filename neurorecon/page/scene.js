// The 3D view by WebGL2: the volume as maxima along rays, the tree as ribbons that face the viewer, marks as points.

const FAR = 1e9; // a slab that holds all
const NEAR = 0.3; // of its radius a ribbon is wide where a stretch is judged: the stack has to be seen beside it
const SMOOTH_MS = 30; // a frame of a moving picture may take so long: about 30 frames a second

const LARGE = 10000; // nodes: above it a moving view shows every fourth one
const SKIP = 4;

// Whether WebGL is done by the processor here.
function software() {
  const gl = document.createElement('canvas').getContext('webgl2'), told = gl && gl.getExtension('WEBGL_debug_renderer_info');
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : '';
  if (gl && gl.getExtension('WEBGL_lose_context')) gl.getExtension('WEBGL_lose_context').loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

class Scene {
  constructor(canvas, tree, stack) {
    this.tree = tree;
    this.stack = stack;
    this.soft = software();
    this.slow = tree.count >= LARGE && this.soft;
    const smooth = !this.slow; // smooth edges of many lines take a processor four times as long
    const gl = (this.gl = canvas.getContext('webgl2', { alpha: false, antialias: smooth, powerPreference: 'high-performance' }));
    if (!gl) throw new Error('no WebGL2');
    this.programs = { ribbon: this.program(RIBBON), line: this.program(LINE), mark: this.program(MARK) };
    if (stack) {
      this.programs.ray = this.program(RAY);
      this.programs.grey = this.program(GREY);
      this.volume = this.texture3();
    }
    this.target = null; // what the rays gave last, and for which view
    this.seen = '';
    this.share = this.soft ? 0.25 : 0.35; // of the pixels of each axis that the rays take while the view moves
    this.thin = this.slow; // lines in place of ribbons while the view moves: set where ribbons are too slow
    this.build();
  }

  program([vertex, fragment]) {
    const gl = this.gl, made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    gl.bindAttribLocation(made, 0, 'a');
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
    const at = {};
    for (let k = 0; k < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); k++) {
      const { name } = gl.getActiveUniform(made, k);
      at[name] = gl.getUniformLocation(made, name);
    }
    return { made, at, b: gl.getAttribLocation(made, 'b'), colour: gl.getAttribLocation(made, 'colour') };
  }

  texture3() {
    const gl = this.gl, made = gl.createTexture(), [x, y, z] = this.stack.size;
    gl.bindTexture(gl.TEXTURE_3D, made);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.R8, x, y, z, 0, gl.RED, gl.UNSIGNED_BYTE, this.stack.volume);
    for (const [what, how] of [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_R, gl.CLAMP_TO_EDGE],
    ]) gl.texParameteri(gl.TEXTURE_3D, what, how);
    return made;
  }

  // Buffers of the edges: two points with radii each; the same bytes serve ribbons and lines. `coarse` are for moving views.
  build() {
    const { tree, gl } = this, all = [], few = [], top = new Int32Array(tree.count), steps = new Uint8Array(tree.count);
    for (let i = 0; i < tree.count; i++) {
      const up = tree.parent[i];
      if (up < 0) continue;
      all.push([up, i]);
      const fresh = tree.parent[up] < 0 || tree.children[up] !== 1 || steps[up] === SKIP - 1;
      top[i] = fresh ? up : top[up];
      steps[i] = fresh ? 0 : steps[up] + 1;
      if (steps[i] === SKIP - 1 || tree.children[i] !== 1) few.push([top[i], i]);
    }
    this.fine = this.part(all);
    this.coarse = tree.count < LARGE ? this.fine : this.part(few);
    this.marks = { points: gl.createBuffer(), inks: gl.createBuffer(), count: 0 };
  }

  part(edges) {
    const { tree, gl } = this, ends = new Float32Array(8 * edges.length);
    edges.forEach(([up, i], k) => {
      const fromSoma = tree.kind[up] === SOMA && tree.kind[i] !== SOMA;
      ends.set([...tree.at(up), fromSoma ? tree.radius[i] : tree.radius[up], ...tree.at(i), tree.radius[i]], 8 * k);
    });
    const made = { edges, count: edges.length, ends: gl.createBuffer(), inks: gl.createBuffer(), inked: new Uint8Array(8 * edges.length) };
    gl.bindBuffer(gl.ARRAY_BUFFER, made.ends);
    gl.bufferData(gl.ARRAY_BUFFER, ends, gl.STATIC_DRAW);
    return made;
  }

  // Colours of the edges: `ink` gives [r, g, b] for the node below each.
  paint(ink) {
    const { gl } = this;
    for (const part of new Set([this.fine, this.coarse])) {
      part.edges.forEach(([, i], k) => {
        const c = ink(i);
        part.inked.set([c[0], c[1], c[2], 255, c[0], c[1], c[2], 255], 8 * k);
      });
      gl.bindBuffer(gl.ARRAY_BUFFER, part.inks);
      gl.bufferData(gl.ARRAY_BUFFER, part.inked, gl.DYNAMIC_DRAW);
    }
  }

  // Marks: a list of { at, radius, ink, shape }.
  mark(list) {
    const { gl } = this, points = new Float32Array(4 * list.length), inks = new Uint8Array(4 * list.length);
    list.forEach((m, k) => {
      points.set([...m.at, m.radius], 4 * k);
      inks.set([...m.ink, m.shape], 4 * k);
    });
    this.marks.count = list.length;
    for (const [buffer, data] of [[this.marks.points, points], [this.marks.inks, inks]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    }
  }

  // Draw all. `look`: camera, theme, volume (or not), range of greys, slab, moving, radii. True if a finer picture is due.
  draw(look) {
    const { gl } = this, { width, height } = gl.canvas, { camera, theme } = look;
    const due = this.stack && look.volume ? this.rays(look) : false;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.clearColor(...theme.paper, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (this.stack && look.volume) this.greys(look);
    const t = camera.turn, g = camera.target, slab = look.slab || FAR;
    const depth = [t[6], t[7], t[8], -(t[6] * g[0] + t[7] * g[1] + t[8] * g[2])];
    const told = { camera: camera.matrix(), depth, slab, faded: theme.faded, rim: theme.rim };
    told.view = [width / 2, height / 2];
    told.pixels = height / 2 / camera.span;
    told.least = look.least;
    told.swell = look.slab ? NEAR : 1;
    gl.enable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    const lines = !look.radii || (look.moving && this.thin);
    const part = look.moving ? this.coarse : this.fine;
    if (part.count && look.tree) (lines ? this.lines(told, part) : this.ribbons(told, part));
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    if (this.marks.count && look.tree) this.points(told);
    return due || look.moving;
  }

  use(program, told) {
    const { gl } = this, { made, at } = program;
    gl.useProgram(made);
    for (const [name, place] of Object.entries(at)) {
      const v = told[name];
      if (v === undefined) continue;
      if (name === 'camera') gl.uniformMatrix4fv(place, false, v);
      else if (name === 'turn') gl.uniformMatrix3fv(place, false, v);
      else if (typeof v === 'number') gl.uniform1f(place, v);
      else gl['uniform' + v.length + 'fv'](place, v);
    }
    for (let k = 0; k < 3; k++) {
      gl.disableVertexAttribArray(k);
      gl.vertexAttribDivisor(k, 0);
    }
  }

  feed(place, buffer, size, kind, stride, offset, each) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, kind, kind === gl.UNSIGNED_BYTE, stride, offset);
    gl.vertexAttribDivisor(place, each);
  }

  ribbons(told, part) {
    const { gl } = this, p = this.programs.ribbon;
    this.use(p, told);
    this.feed(0, part.ends, 4, gl.FLOAT, 32, 0, 1);
    this.feed(p.b, part.ends, 4, gl.FLOAT, 32, 16, 1);
    this.feed(p.colour, part.inks, 4, gl.UNSIGNED_BYTE, 8, 0, 1);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, part.count);
  }

  lines(told, part) {
    const { gl } = this, p = this.programs.line;
    this.use(p, told);
    this.feed(0, part.ends, 4, gl.FLOAT, 16, 0, 0);
    this.feed(p.colour, part.inks, 4, gl.UNSIGNED_BYTE, 4, 0, 0);
    gl.drawArrays(gl.LINES, 0, 2 * part.count);
  }

  points(told) {
    const { gl } = this, p = this.programs.mark;
    this.use(p, told);
    this.feed(0, this.marks.points, 4, gl.FLOAT, 16, 0, 0);
    this.feed(p.colour, this.marks.inks, 4, gl.UNSIGNED_BYTE, 4, 0, 0);
    gl.drawArrays(gl.POINTS, 0, this.marks.count);
  }

  // Let the rays run into a picture of their own, unless that of the same view is there: few rays while the view moves.
  rays(look) {
    const { gl, stack } = this, { width, height } = gl.canvas, { camera } = look;
    const view = JSON.stringify([camera.turn, camera.target, camera.span, camera.bend, look.slab, width, height]);
    const share = look.moving ? this.share : Math.min(1, Math.max(0.5, this.share * 2));
    const now = share + view;
    if (this.seen === now) return look.moving;
    this.seen = now;
    const size = [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
    this.target = this.frame(size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target.frame);
    gl.viewport(0, 0, ...size);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    this.use(this.programs.ray, {
      span: [(camera.span * width) / height, camera.span], bend: camera.bend, slab: look.slab || FAR,
      most: look.moving ? 64 : 400, turn: new Float32Array(camera.turn), target: camera.target, low: stack.low,
      high: stack.high, voxel: stack.voxel, scale: stack.size.map((n, k) => 1 / (n * stack.factor[k])), size: stack.size,
    });
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.volume);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    return look.moving;
  }

  frame([width, height]) {
    const { gl } = this, old = this.target;
    if (old && old.width === width && old.height === height) return old;
    if (old) {
      gl.deleteTexture(old.picture);
      gl.deleteFramebuffer(old.frame);
    }
    const picture = gl.createTexture(), frame = gl.createFramebuffer();
    gl.bindTexture(gl.TEXTURE_2D, picture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    for (const what of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, what, gl.LINEAR);
    for (const what of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, what, gl.CLAMP_TO_EDGE);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, picture, 0);
    return { picture, frame, width, height };
  }

  greys(look) {
    const { gl } = this;
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    this.use(this.programs.grey, { range: look.range, paper: look.theme.paper, light: look.theme.light });
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.target.picture);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // Learn from the time between two frames of a moving view how much can be drawn.
  learn(ms, volume) {
    if (ms > 1.5 * SMOOTH_MS) {
      if (volume && this.share > 0.05) this.share = Math.max(0.05, this.share * 0.85);
      else this.thin = true;
    } else if (ms < 0.7 * SMOOTH_MS && volume && !this.thin) this.share = Math.min(1, this.share * 1.06);
  }
}
