// The enlarged sample: shows its boxes; the pointer draws and moves boxes. Boxes are [left, top, width, height].

const NAMESPACE = "http://www.w3.org/2000/svg";

export class Stage {
  // Callbacks for the pointer: drawn(box), moved(index, box), picked(index or null).
  constructor(svg, side, { drawn, moved, picked }) {
    Object.assign(this, { svg, side, drawn, moved, picked, boxes: [], selected: null, dragged: null });
    svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
    svg.addEventListener("pointerdown", (event) => this.startDrag(event));
    svg.addEventListener("pointermove", (event) => this.drag(event));
    svg.addEventListener("pointerup", (event) => this.endDrag(event));
    svg.addEventListener("pointercancel", () => this.cancelDrag());
  }

  show(boxes, selected) {
    Object.assign(this, { boxes, selected });
    const dragged = this.dragged;
    const shown = boxes.map((box, index) => (dragged?.index === index ? dragged.box : box));
    if (dragged?.box && dragged.index === null) shown.push(dragged.box);
    const names = (index) => ["halo", index === this.selected ? "selected" : "box"]; // the halo makes boxes visible on light and dark pictures
    this.svg.replaceChildren(...shown.flatMap((box, index) => names(index).map((name) => this.rectangle(box, name))));
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

  // Index of the smallest box that contains a pixel, or null.
  boxAt([x, y]) {
    const holds = ([left, top, width, height]) => x >= left && x < left + width && y >= top && y < top + height;
    const found = [...this.boxes.keys()].filter((index) => holds(this.boxes[index]));
    return found.sort((a, b) => this.boxes[a][2] * this.boxes[a][3] - this.boxes[b][2] * this.boxes[b][3])[0] ?? null;
  }

  startDrag(event) {
    if (event.button || !event.isPrimary) return;
    const from = this.pixel(event);
    const index = event.shiftKey ? null : this.boxAt(from);
    this.dragged = { from, index, box: index === null ? null : this.boxes[index] };
    this.svg.setPointerCapture(event.pointerId);
    this.picked(index);
  }

  drag(event) {
    if (!this.dragged) return;
    const [from, to, index] = [this.dragged.from, this.pixel(event), this.dragged.index];
    if (index === null) {
      const [left, top] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      const moved = from[0] !== to[0] || from[1] !== to[1];
      this.dragged.box = moved ? [left, top, Math.abs(to[0] - from[0]) + 1, Math.abs(to[1] - from[1]) + 1] : null;
    } else {
      this.dragged.box = shift(this.boxes[index], to[0] - from[0], to[1] - from[1], this.side);
    }
    this.show(this.boxes, this.selected);
  }

  endDrag(event) {
    if (!this.dragged) return;
    this.drag(event);
    const { index, box } = this.dragged;
    this.dragged = null;
    if (index !== null && String(box) !== String(this.boxes[index])) this.moved(index, box);
    else if (index === null && box) this.drawn(box);
    else this.show(this.boxes, this.selected);
  }

  cancelDrag() {
    this.dragged = null;
    this.show(this.boxes, this.selected);
  }
}

// The box shifted, but kept inside the picture.
export function shift([left, top, width, height], x, y, side) {
  const inside = (value, extent) => Math.max(0, Math.min(side - extent, value));
  return [inside(left + x, width), inside(top + y, height), width, height];
}

// The box with its right and lower edge moved, but kept inside the picture.
export function stretch([left, top, width, height], x, y, side) {
  const inside = (value, from) => Math.max(1, Math.min(side - from, value));
  return [left, top, inside(width + x, left), inside(height + y, top)];
}
