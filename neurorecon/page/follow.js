// Where a dropped neurite goes on, and what comes next in a review: report/follow.py and napari_plugin/review_way.py of the
// page. What adjoins is told by Python, as numbers of joints; tests/page/test_same_verdicts.py holds both together.

class Way {
  constructor(entries, joints) {
    Object.assign(this, { entries, joints, seen: new Set(), now: -1, home: -1, goal: -1 }); // looks; home: to which the review comes back; goal: an entry, where it goes on
    this.at = new Map(); // joint -> the entries that end there
    joints.forEach((joint, place) => {
      if (!joint) return; // nothing adjoins
      if (!this.at.has(joint)) this.at.set(joint, []);
      this.at.get(joint).push(place >> 1);
    });
  }

  // See the look of an entry; whoever goes to another look goes ways of their own.
  arrive(k) {
    const look = this.entries.look[k];
    if (look !== this.now) this.home = -1;
    this.now = look;
    this.seen.add(look);
  }

  get following() {
    return this.home >= 0;
  }

  // The entries, ascending, that were not seen and in which the neurite of some dropped ones goes on. `said`: entry -> verdict.
  ahead(said, some = dropped(said)) {
    const known = (k) => said.has(k) || this.seen.has(this.entries.look[k]), found = new Set();
    for (const k of some) {
      for (const end of [0, 1]) {
        const beside = this.at.get(this.joints[2 * k + end]) || [], fresh = beside.filter((other) => !known(other));
        const kept = beside.some((other) => known(other) && said.get(other) !== 'drop');
        if (!kept && (end === 1 || fresh.length === 1)) for (const other of fresh) found.add(other);
      }
    }
    return [...found].sort((a, b) => a - b);
  }

  // The entries to be marked: where dropped neurites go on, and the one that was gone to for that.
  marked(said) {
    return new Set([...this.ahead(said), ...(this.following ? [this.goal] : [])]);
  }

  // What comes after a verdict on an entry, -1 for nothing: the rest of its look, then as `afterLook` says.
  afterVerdict(k, said) {
    const rest = this.entries.within(this.entries.look[k]).filter((one) => !said.has(one));
    if (rest.length) return rest.find((one) => one > k) ?? rest[0];
    return this.afterLook(k, said, true);
  }

  // What comes after the look of an entry, -1 for nothing: where a dropped neurite goes on; else the list where it was left.
  afterLook(k, said, openOnly) {
    const { entries } = this, home = this.home >= 0 ? this.home : entries.look[k], byLook = new Map();
    for (const one of dropped(said).reverse()) {
      const look = entries.look[one];
      if (!byLook.has(look)) byLook.set(look, []);
      byLook.get(look).push(one);
    }
    for (const own of byLook.values()) {
      const found = this.ahead(said, own);
      if (!found.length) continue;
      this.arrive(found[0]);
      this.home = home;
      this.goal = found[0];
      return found[0];
    }
    for (let one = entries.first[home + 1]; one < entries.count; one++) if (!openOnly || !said.has(one)) return one;
    return -1;
  }

  // The first entry of the look before, of the one that was left if a neurite was followed; -1 at the top.
  beforeLook(k) {
    const { entries } = this, look = this.home >= 0 ? this.home : entries.look[k] - 1;
    return look < 0 ? -1 : entries.first[look];
  }
}

function dropped(said) {
  return [...said].filter(([, what]) => what === 'drop').map(([k]) => k);
}
