// The programs of the graphics card.

const RIBBON = [`#version 300 es
in vec4 a; in vec4 b; in vec4 colour;
uniform mat4 camera; uniform vec2 view; uniform float pixels, least, swell, slab; uniform vec4 depth;
out vec3 ink; out float across;
void main() {
  vec4 p = camera * vec4(a.xyz, 1.0), q = camera * vec4(b.xyz, 1.0);
  if (min(p.w, q.w) < 0.02) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  vec2 way = (q.xy / q.w - p.xy / p.w) * view;
  float run = length(way);
  way = run > 1e-4 ? way / run : vec2(1.0, 0.0);
  bool end = gl_VertexID > 1;
  vec4 c = end ? q : p;
  float side = float(gl_VertexID & 1) * 2.0 - 1.0;
  float off = abs(dot(depth, vec4(end ? b.xyz : a.xyz, 1.0)));
  float half_width = off > slab ? least : max((end ? b.w : a.w) * pixels * swell / c.w, least);
  vec2 move = vec2(-way.y, way.x) * side * half_width + way * (end ? 0.5 : -0.5) * half_width;
  gl_Position = vec4(c.xy + move / view * c.w, c.zw);
  across = side;
  ink = colour.rgb * (off > slab ? 0.0 : 1.0) + (off > slab ? vec3(-1.0) : vec3(0.0));
}`, `#version 300 es
precision mediump float;
in vec3 ink; in float across; uniform vec3 faded; out vec4 pixel;
void main() {
  pixel = vec4(ink.r < 0.0 ? faded : ink * (1.0 - 0.4 * across * across), 1.0);
}`];

const LINE = [`#version 300 es
in vec4 a; in vec4 colour;
uniform mat4 camera; uniform vec4 depth; uniform float slab;
out vec3 ink;
void main() {
  gl_Position = camera * vec4(a.xyz, 1.0);
  ink = abs(dot(depth, vec4(a.xyz, 1.0))) > slab ? vec3(-1.0) : colour.rgb;
}`, `#version 300 es
precision mediump float;
in vec3 ink; uniform vec3 faded; out vec4 pixel;
void main() { pixel = vec4(ink.r < 0.0 ? faded : ink, 1.0); }`];

// Marks: 0 a disc with a rim (soma), 1 a triangle (tip), 2 a square (branch point), 3 a diamond (bridge).
const MARK = [`#version 300 es
in vec4 a; in vec4 colour;
uniform mat4 camera; uniform vec4 depth; uniform float pixels, slab;
out vec3 ink; flat out int shape; flat out float wide;
void main() {
  gl_Position = camera * vec4(a.xyz, 1.0);
  if (abs(dot(depth, vec4(a.xyz, 1.0))) > slab) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  shape = int(colour.a * 255.0 + 0.5);
  wide = shape == 0 ? clamp(2.0 * a.w * pixels / gl_Position.w, 12.0, 400.0) : 9.0;
  gl_PointSize = wide;
  ink = colour.rgb;
}`, `#version 300 es
precision mediump float;
in vec3 ink; flat in int shape; flat in float wide; uniform vec3 rim; out vec4 pixel;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float d = shape == 0 ? length(p) : shape == 1 ? max(p.y + 0.2, abs(p.x) * 1.1 - p.y * 0.55 + 0.45)
    : shape == 2 ? max(abs(p.x), abs(p.y)) + 0.15 : abs(p.x) + abs(p.y);
  if (d > 1.0) discard;
  float edge = 1.0 - 4.0 / wide;
  pixel = shape == 0 ? vec4(d > edge ? rim : ink, d > edge ? 1.0 : 0.45) : vec4(d > 0.7 ? rim : ink, 1.0);
}`];

// The largest value on the way of each ray through the volume, between two depths about the target.
const RAY = [`#version 300 es
out vec2 place;
void main() {
  place = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  gl_Position = vec4(place, 0.0, 1.0);
}`, `#version 300 es
precision highp float; precision highp sampler3D;
in vec2 place; out vec4 pixel;
uniform sampler3D volume; uniform vec2 span; uniform float bend, slab, most; uniform mat3 turn;
uniform vec3 target, low, high, voxel, scale, size;
void main() {
  vec3 start = turn * vec3(place * span, 0.0) + target, way = turn * vec3(-place * span * bend, 1.0);
  vec3 inverse = 1.0 / (way + vec3(equal(way, vec3(0.0))) * 1e-9);
  vec3 one = (low - start) * inverse, two = (high - start) * inverse;
  vec3 near = min(one, two), far = max(one, two);
  float first = max(max(near.x, near.y), max(near.z, -slab)), last = min(min(far.x, far.y), min(far.z, slab));
  if (bend > 0.0) last = min(last, 0.98 / bend);
  if (first >= last) { pixel = vec4(0.0); return; }
  vec3 p = ((start + way * first) / voxel + 0.5) * scale, q = ((start + way * last) / voxel + 0.5) * scale;
  float steps = clamp(ceil(length((q - p) * size) * 1.2), 1.0, most);
  vec3 step_ = (q - p) / steps;
  p += 0.5 * step_;
  float best = 0.0;
  for (float k = 0.0; k < steps; k += 1.0) { best = max(best, texture(volume, p).r); p += step_; }
  pixel = vec4(best, 0.0, 0.0, 1.0);
}`];

const GREY = [RAY[0], `#version 300 es
precision mediump float;
in vec2 place; out vec4 pixel;
uniform sampler2D seen; uniform vec2 range; uniform vec3 paper, light;
void main() {
  float value = clamp((texture(seen, place * 0.5 + 0.5).r - range.x) / max(range.y - range.x, 0.004), 0.0, 1.0);
  pixel = vec4(mix(paper, light, value), 1.0);
}`];
