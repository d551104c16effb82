// The two pictures of a pair, enlarged: side by side, as their difference, or alternating. Zoom and position are shared.

import { drawDifference } from "./difference.js";

const BLINK_MS = 500;
const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Pictures {
  // address(picture, source) returns the URL of a stored picture or of its source.
  constructor(root, address) {
    this.root = root;
    this.address = address;
    this.left = root.querySelector(".left img");
    this.right = root.querySelector(".right img");
    this.canvas = root.querySelector("canvas");
    this.source = false;
    this.timer = 0;
    this.shown = null;
    for (const image of [this.left, this.right]) {
      image.addEventListener("load", () => this.drawDifference());
      image.addEventListener("error", () => this.showStored(image));
    }
    for (const pane of root.querySelectorAll(".pane")) {
      pane.addEventListener("wheel", (event) => this.zoomByWheel(event), { passive: false });
      pane.addEventListener("pointerdown", (event) => this.startDrag(event));
      pane.addEventListener("click", () => reducedMotion.matches && this.view === "blink" && this.toggle());
    }
    this.fit();
  }

  get view() {
    return this.root.dataset.view;
  }

  // null: the picture is not available; undefined: there is no pair. The difference of a mirrored pair is that after mirroring.
  show(left, right, names, mirrored = false) {
    this.shown = [left, right, names, mirrored];
    this.load(this.left, left, names[0]);
    this.load(this.right, right, names[1]);
    this.root.classList.remove("second");
    this.drawDifference();
  }

  load(image, picture, name) {
    image.hidden = !picture;
    image.alt = picture ? `${name} picture` : "";
    image.closest("figure").classList.toggle("missing", picture === null);
    if (!picture) return image.removeAttribute("src");
    image.dataset.stored = this.address(picture, false);
    image.classList.toggle("stored", !this.source);
    image.src = this.address(picture, this.source);
  }

  // If a source cannot be read, the stored picture is shown.
  showStored(image) {
    if (!image.hasAttribute("src") || image.classList.contains("stored")) return;
    image.classList.add("stored");
    image.src = image.dataset.stored;
  }

  setSource(on) {
    this.source = on;
    if (this.shown) this.show(...this.shown);
  }

  setView(view) {
    if (view === "blink" && this.view === "blink") {
      if (reducedMotion.matches) return this.toggle();
      view = "side";
    }
    clearInterval(this.timer);
    this.root.dataset.view = view;
    this.root.classList.remove("second");
    if (view === "blink" && !reducedMotion.matches) this.timer = setInterval(() => this.toggle(), BLINK_MS);
    this.drawDifference();
  }

  toggle() {
    this.root.classList.toggle("second");
  }

  drawDifference() {
    if (this.view !== "difference") return;
    const images = [this.left, this.right];
    const ready = images.every((image) => image.src && image.complete && image.naturalWidth);
    this.canvas.classList.toggle("stored", !this.source);
    if (ready) drawDifference(this.canvas, ...images, this.shown[3]);
    else this.canvas.width = this.canvas.height = 1;
  }

  // The picture is `scale` times as large as its pane, and shifted by (x, y) panes.
  fit() {
    this.scale = 1;
    this.x = this.y = 0;
    this.applyZoom();
  }

  zoom(factor, x = 0.5, y = 0.5) {
    const scale = Math.min(32, Math.max(1, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.applyZoom();
  }

  applyZoom() {
    const inside = (value) => Math.min(0, Math.max(1 - this.scale, value));
    this.x = inside(this.x);
    this.y = inside(this.y);
    this.root.classList.toggle("zoomed", this.scale > 1);
    for (const element of this.root.querySelectorAll("img, canvas")) {
      element.style.transform = `translate(${100 * this.x}%, ${100 * this.y}%) scale(${this.scale})`;
    }
  }

  zoomByWheel(event) {
    event.preventDefault();
    const box = event.currentTarget.getBoundingClientRect();
    const factor = Math.exp(-Math.max(-240, Math.min(240, event.deltaY)) / 300);
    this.zoom(factor, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  startDrag(event) {
    if (this.scale === 1 || event.button) return;
    const pane = event.currentTarget;
    const box = pane.getBoundingClientRect();
    const [x, y] = [this.x - event.clientX / box.width, this.y - event.clientY / box.height];
    const move = (moved) => {
      this.x = x + moved.clientX / box.width;
      this.y = y + moved.clientY / box.height;
      this.applyZoom();
    };
    const end = () => pane.removeEventListener("pointermove", move);
    event.preventDefault();
    pane.setPointerCapture(event.pointerId);
    pane.addEventListener("pointermove", move);
    pane.addEventListener("pointerup", end, { once: true });
    pane.addEventListener("pointercancel", end, { once: true });
  }
}
