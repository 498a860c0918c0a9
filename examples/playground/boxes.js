// The boxes among the values, as they are drawn, dragged, and moved by keys. By a name there are several, or one: that
// has no index.

const SVG = "http://www.w3.org/2000/svg";
const CORNER = 1.4;
const PALETTE = ["--box", "--good", "--keyword", "--number", "--builtin"];

const make = (name, attributes = {}, text) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const tidy = (number) => Math.round(number * 100) / 100;
const key = (name, at) => (at === undefined ? name : `${name}[${at}]`);
export const sides = (row) => (row.length === 3 ? [row[2], row[2]] : [row[2], row[3]]);

export class Canvas {
  // `onMove(name, rows)` is told of every change.
  constructor(svg, onMove) {
    this.svg = svg;
    this.onMove = onMove;
    this.boxes = {};
    this.broken = [];
    this.nodes = new Map();
    this.side = 50;
  }

  // Each box with its name and index.
  *each() {
    for (const [name, value] of Object.entries(this.boxes))
      if (Array.isArray(value[0])) yield* value.map((row, at) => ({ name, at, row }));
      else yield { name, at: undefined, row: value };
  }

  row(name, at) {
    return at === undefined ? this.boxes[name] : this.boxes[name]?.[at];
  }

  // Boxes by name.
  show(boxes, side) {
    if (this.drag) return; // what is under the hand is newer than any answer
    this.boxes = boxes;
    if (side) this.side = side;
    this.fit();
    const wanted = [...this.each()].map(({ name, at }) => key(name, at));
    if (wanted.sort().join() !== [...this.nodes.keys()].sort().join()) this.build();
    this.place();
  }

  // Broken instances: [{reads: [[name, index]..], violation}].
  mark(broken) {
    this.broken = broken;
    this.place();
  }

  // Thicken what one instance is about.
  light(reads) {
    const lit = new Set((reads ?? []).map(([name, at]) => key(name, at)));
    for (const [name, { group }] of this.nodes) group.classList.toggle("lit", lit.has(name));
  }

  fit() {
    let most = this.side;
    for (const { row } of this.each()) {
      const [w, h] = sides(row);
      most = Math.max(most, row[0] + w / 2, row[1] + h / 2);
    }
    this.size = most <= this.side * 1.02 ? this.side : Math.ceil(most / 10) * 10;
    const room = this.size * 0.04;
    this.svg.setAttribute("viewBox", `${-room} ${-room} ${this.size + 2 * room} ${this.size + 2 * room}`);
    this.unit = this.size / 50;
  }

  build() {
    this.svg.replaceChildren();
    this.nodes.clear();
    this.back = this.svg.appendChild(make("g"));
    const names = Object.keys(this.boxes);
    const area = ({ row }) => sides(row)[0] * sides(row)[1];
    // Large ones lie below: a frame is not to hide what it is around.
    for (const { name, at } of [...this.each()].sort((a, b) => area(b) - area(a))) {
      const group = make("g", { class: "box", tabindex: 0, role: "img", "aria-roledescription": "movable box" });
      group.dataset.box = key(name, at);
      group.style.setProperty("--of", `var(${PALETTE[names.indexOf(name) % PALETTE.length]})`);
      const body = group.appendChild(make("rect", { class: "body" }));
      const corner = group.appendChild(make("rect", { class: "corner" }));
      const label = group.appendChild(make("text", {}, names.length > 1 ? key(name, at) : String(at ?? name)));
      body.addEventListener("pointerdown", (event) => this.take(event, name, at, false));
      corner.addEventListener("pointerdown", (event) => this.take(event, name, at, true));
      group.addEventListener("keydown", (event) => this.step(event, name, at));
      this.svg.append(group);
      this.nodes.set(key(name, at), { group, body, corner, label });
    }
    this.front = this.svg.appendChild(make("g"));
  }

  place() {
    if (!this.back) return;
    const bad = new Set(this.broken.flatMap(({ reads }) => reads.map(([name, at]) => key(name, at))));
    for (const { name, at, row } of this.each()) this.placeOne(key(name, at), row, bad);
    this.back.replaceChildren(make("rect", { class: "frame", x: 0, y: 0, width: this.side, height: this.side }));
    this.front.replaceChildren(...this.pairs());
  }

  placeOne(name, row, bad) {
    const node = this.nodes.get(name);
    if (!node) return;
    const [x, y] = row;
    const [w, h] = sides(row);
    const corner = CORNER * this.unit;
    const set = (element, values) => Object.entries(values).forEach(([key, value]) => element.setAttribute(key, value));
    set(node.body, { x: x - w / 2, y: y - h / 2, width: Math.max(w, 0), height: Math.max(h, 0) });
    set(node.corner, { x: x + w / 2 - corner, y: y + h / 2 - corner, width: corner, height: corner });
    set(node.label, { x, y, "font-size": 2.2 * this.unit });
    node.group.classList.toggle("bad", bad.has(name));
    const said = `${name}: centre ${tidy(x)}, ${tidy(y)}; ${tidy(w)} wide, ${tidy(h)} high`;
    node.group.setAttribute("aria-label", said + (bad.has(name) ? "; breaks a rule" : ""));
  }

  // A line between the two boxes of each broken pair, with what it costs; a pair and its mirror image are one.
  pairs() {
    const costs = new Map();
    for (const { reads, violation } of this.broken) {
      const there = reads.filter(([name, at]) => this.row(name, at));
      if (there.length !== 2) continue;
      const id = there.map(([name, at]) => key(name, at)).sort().join();
      costs.set(id, { ends: there, violation: (costs.get(id)?.violation ?? 0) + violation });
    }
    return [...costs.values()].flatMap(({ ends, violation }) => {
      const [[x1, y1], [x2, y2]] = ends.map(([name, at]) => this.row(name, at));
      const line = make("line", { class: "pair", x1, y1, x2, y2 });
      const middle = { class: "amount", x: (x1 + x2) / 2, y: (y1 + y2) / 2 - this.unit, "font-size": 1.9 * this.unit };
      return [line, make("text", middle, tidy(violation))];
    });
  }

  point(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
  }

  take(event, name, at, resizes) {
    event.preventDefault();
    const { group } = this.nodes.get(key(name, at));
    group.focus({ preventScroll: true });
    group.setPointerCapture(event.pointerId);
    const from = this.point(event);
    const row = [...this.row(name, at)];
    this.drag = true;
    const move = (event) => {
      const to = this.point(event);
      this.change(name, at, (now) => {
        if (!resizes) return [tidy(row[0] + to.x - from.x), tidy(row[1] + to.y - from.y), ...now.slice(2)];
        // The opposite corner stays where it is.
        const [w, h] = sides(row);
        let [wide, high] = [Math.max(tidy(w + to.x - from.x), 0.5), Math.max(tidy(h + to.y - from.y), 0.5)];
        if (row.length === 3) wide = high = Math.max(wide, high);
        const centre = [tidy(row[0] + (wide - w) / 2), tidy(row[1] + (high - h) / 2)];
        return row.length === 3 ? [...centre, wide] : [...centre, wide, high];
      });
    };
    const end = () => {
      this.drag = false;
      group.removeEventListener("pointermove", move);
      this.onMove(name, this.boxes[name]);
    };
    group.addEventListener("pointermove", move);
    group.addEventListener("lostpointercapture", end, { once: true });
  }

  step(event, name, at) {
    const by = (event.shiftKey ? 5 : 1) * (this.size > 200 ? 5 : 1);
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const grows = { "+": by, "=": by, "-": -by, "_": -by }[event.key];
    const [dx, dy] = moves[event.key] ?? [];
    if (dx === undefined && grows === undefined) return;
    event.preventDefault();
    this.change(name, at, ([x, y, ...sides]) =>
      grows === undefined
        ? [tidy(x + dx), tidy(y + dy), ...sides]
        : [x, y, ...sides.map((side) => Math.max(tidy(side + grows), 0.5))],
    );
  }

  change(name, at, change) {
    const old = this.boxes[name];
    const changed = at === undefined ? change(old) : old.map((row, k) => (k === at ? change(row) : row));
    this.boxes = { ...this.boxes, [name]: changed };
    this.place();
    this.onMove(name, this.boxes[name]);
  }
}
