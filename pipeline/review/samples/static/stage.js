// The enlarged sample: draws its boxes, and makes boxes of what the pointer does. Boxes are [left, top, width, height].

const NAMESPACE = "http://www.w3.org/2000/svg";

export class Stage {
  // drawn(box), moved(index, box) and picked(index or null) tell what the pointer did.
  constructor(svg, side, { drawn, moved, picked }) {
    Object.assign(this, { svg, side, drawn, moved, picked, boxes: [], selected: null, held: null });
    svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
    svg.addEventListener("pointerdown", (event) => this.grab(event));
    svg.addEventListener("pointermove", (event) => this.drag(event));
    svg.addEventListener("pointerup", (event) => this.drop(event));
    svg.addEventListener("pointercancel", () => this.forget());
  }

  show(boxes, selected) {
    Object.assign(this, { boxes, selected });
    const held = this.held;
    const there = boxes.map((box, index) => (held?.index === index ? held.box : box));
    if (held?.box && held.index === null) there.push(held.box);
    const names = (index) => ["halo", index === this.selected ? "selected" : "box"]; // seen on light and on dark pictures
    this.svg.replaceChildren(...there.flatMap((box, index) => names(index).map((name) => this.rectangle(box, name))));
  }

  rectangle([x, y, width, height], name) {
    const made = document.createElementNS(NAMESPACE, "rect");
    for (const [key, value] of Object.entries({ x, y, width, height, class: name })) made.setAttribute(key, value);
    return made;
  }

  // The pixel under the pointer.
  pixel(event) {
    const box = this.svg.getBoundingClientRect();
    const inside = (value) => Math.max(0, Math.min(this.side - 1, Math.floor(value * this.side)));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  }

  // The smallest box that holds a pixel: of two, one in the other, the inner one.
  under([x, y]) {
    const holds = ([left, top, width, height]) => x >= left && x < left + width && y >= top && y < top + height;
    const found = [...this.boxes.keys()].filter((index) => holds(this.boxes[index]));
    return found.sort((a, b) => this.boxes[a][2] * this.boxes[a][3] - this.boxes[b][2] * this.boxes[b][3])[0] ?? null;
  }

  grab(event) {
    if (event.button || !event.isPrimary) return;
    const from = this.pixel(event);
    const index = event.shiftKey ? null : this.under(from);
    this.held = { from, index, box: index === null ? null : this.boxes[index] };
    this.svg.setPointerCapture(event.pointerId);
    this.picked(index);
  }

  drag(event) {
    if (!this.held) return;
    const [from, to, index] = [this.held.from, this.pixel(event), this.held.index];
    if (index === null) {
      const [left, top] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      const apart = from[0] !== to[0] || from[1] !== to[1];
      this.held.box = apart ? [left, top, Math.abs(to[0] - from[0]) + 1, Math.abs(to[1] - from[1]) + 1] : null;
    } else {
      this.held.box = shift(this.boxes[index], to[0] - from[0], to[1] - from[1], this.side);
    }
    this.show(this.boxes, this.selected);
  }

  drop(event) {
    if (!this.held) return;
    this.drag(event);
    const { index, box } = this.held;
    this.held = null;
    if (index !== null && String(box) !== String(this.boxes[index])) this.moved(index, box);
    else if (index === null && box) this.drawn(box);
    else this.show(this.boxes, this.selected);
  }

  forget() {
    this.held = null;
    this.show(this.boxes, this.selected);
  }
}

// A box moved, within the picture.
export function shift([left, top, width, height], x, y, side) {
  const inside = (value, extent) => Math.max(0, Math.min(side - extent, value));
  return [inside(left + x, width), inside(top + y, height), width, height];
}

// A box whose right and lower edge moved, within the picture.
export function stretch([left, top, width, height], x, y, side) {
  const inside = (value, from) => Math.max(1, Math.min(side - from, value));
  return [left, top, inside(width + x, left), inside(height + y, top)];
}
