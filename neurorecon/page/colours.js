// Colours that differ for every kind of colour vision (Okabe and Ito 2008), on dark and on light paper; and their legend.

const THEMES = {
  dark: {
    paper: [0.04, 0.045, 0.055], light: [0.92, 0.93, 0.95], faded: [0.24, 0.26, 0.3], rim: [0, 0, 0],
    sure: [[255, 98, 0], [255, 214, 120], [74, 168, 255]], unknown: [170, 176, 186], dropped: [96, 100, 108], bridge: [255, 90, 220],
    many: [[86, 180, 233], [230, 159, 0], [0, 190, 140], [240, 228, 66], [230, 110, 40], [214, 130, 180], [150, 160, 255]],
    kinds: { 0: [200, 205, 212], 1: [255, 255, 255], 2: [86, 180, 233], 3: [230, 159, 0], 4: [214, 130, 180], 5: [240, 228, 66], 6: [0, 190, 140] },
    order: [[253, 231, 37], [144, 215, 67], [53, 183, 121], [40, 160, 160], [70, 140, 190], [120, 120, 220], [170, 100, 200]],
    node: [255, 255, 255], halo: [0, 0, 0],
  },
  light: {
    paper: [1, 1, 1], light: [0.1, 0.11, 0.13], faded: [0.8, 0.82, 0.84], rim: [1, 1, 1],
    sure: [[200, 60, 0], [196, 150, 20], [0, 88, 168]], unknown: [110, 116, 126], dropped: [190, 194, 200], bridge: [170, 0, 140],
    many: [[0, 114, 178], [190, 120, 0], [0, 130, 95], [140, 120, 0], [190, 70, 0], [165, 65, 125], [80, 70, 190]],
    kinds: { 0: [90, 96, 106], 1: [0, 0, 0], 2: [0, 114, 178], 3: [190, 110, 0], 4: [165, 65, 125], 5: [140, 120, 0], 6: [0, 130, 95] },
    order: [[68, 1, 84], [70, 50, 126], [54, 92, 141], [39, 127, 142], [31, 161, 135], [110, 170, 60], [170, 150, 0]],
    node: [0, 0, 0], halo: [255, 255, 255],
  },
};

function between(a, b, share) {
  return a.map((v, k) => Math.round(v + (b[k] - v) * share));
}

function sureInk(theme, value) {
  const [low, middle, high] = theme.sure;
  return value < 0.5 ? between(low, middle, value * 2) : between(middle, high, value * 2 - 1);
}

// A function from a node to the colour of the edge above it.
function inkOf(kind, theme, tree, verdicts) {
  const table = Array.from({ length: 256 }, (_, v) => (v === 255 ? theme.unknown : sureInk(theme, v / 254)));
  const plain = {
    sure: (i) => table[tree.sure[i]],
    kind: (i) => kindInk(theme, verdicts.kindOf(i)),
    tree: (i) => theme.many[tree.root[i] % theme.many.length],
    order: (i) => theme.order[Math.min(tree.order[i], theme.order.length - 1)],
    said: (i) => (verdicts.kept[i] ? theme.many[2] : theme.unknown),
  }[kind];
  return (i) => (verdicts.dropped[i] ? theme.dropped : tree.bridged[i] ? theme.bridge : plain(i));
}

function kindInk(theme, kind) {
  return theme.kinds[kind] || theme.many[kind % theme.many.length];
}

// Soma, tips, branch points and bridges, as `level` asks: 0 none, 1 soma and bridges, 2 all.
function marksOf(level, theme, tree, verdicts) {
  const made = [];
  if (!level) return made;
  for (let i = 0; i < tree.count; i++) {
    const up = tree.parent[i], soma = tree.kind[i] === SOMA && (up < 0 || tree.kind[up] !== SOMA);
    const add = (shape, ink, at = tree.at(i)) => made.push({ at, radius: tree.radius[i], ink, shape });
    if (soma) add(0, theme.kinds[SOMA]);
    else if (tree.bridged[i]) {
      if (!tree.bridged[up] || tree.children[up] > 1) add(3, theme.bridge);
    } else if (level > 1 && tree.degree(i) === 1) add(1, theme.many[3]);
    else if (level > 1 && tree.degree(i) > 2) add(2, theme.many[2]);
  }
  for (const i of verdicts.roots) made.push({ at: tree.at(i), radius: tree.radius[i], ink: theme.node, shape: 3 });
  return made;
}

function legend(element, kind, level, theme, tree, verdicts) {
  const line = (ink, text, mark) => {
    const row = make('div'), box = make('i', mark ? 'mark' : '', mark);
    if (mark) box.style.color = rgb(ink);
    else box.style.background = rgb(ink);
    row.append(box, make('span', '', text));
    return row;
  };
  const rows = [];
  if (kind === 'sure' && !tree.sureKnown) rows.push(line(theme.unknown, 'confidence unknown'));
  else if (kind === 'sure') [1, 0.75, 0.5, 0.25, 0].forEach((v) => rows.push(line(sureInk(theme, v), 'confidence ' + Math.round(v * 100) + ' %')));
  else if (kind === 'kind') {
    const kinds = new Set(tree.kind);
    for (const k of verdicts.kinds.values()) kinds.add(k);
    [...kinds].sort((a, b) => a - b).forEach((k) => rows.push(line(kindInk(theme, k), KINDS[k] || 'type ' + k)));
  } else if (kind === 'tree') {
    for (let k = 0; k < Math.min(tree.trees, theme.many.length); k++) rows.push(line(theme.many[k], 'tree ' + (k + 1)));
    if (tree.trees > theme.many.length) rows.push(make('div', '', `and ${tree.trees - theme.many.length} more, in turn`));
  } else if (kind === 'said') rows.push(line(theme.many[2], 'kept'), line(theme.unknown, 'no verdict yet'));
  else theme.order.forEach((c, k) => rows.push(line(c, 'order ' + k + (k === theme.order.length - 1 ? ' and more' : ''))));
  if (level) {
    rows.push(line(theme.kinds[SOMA], 'soma', '◯'));
    if (tree.bridged.includes(1)) rows.push(line(theme.bridge, 'bridge over a gap', '◆'));
  }
  if (level > 1) rows.push(line(theme.many[3], 'tip', '▲'), line(theme.many[2], 'branch point', '■'));
  if (verdicts.dropped.includes(1)) rows.push(line(theme.dropped, 'dropped'));
  element.replaceChildren(...rows);
}
