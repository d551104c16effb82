// The page for exemplars: samples, concepts, and the keys.

import { element, visible } from "./elements.js";
import { $, UndoHistory, count, listen, number, onClick, saver, showHeader, showStatus, start } from "./judging.js";
import { get } from "./saving.js";

const PAGE = 200;
const PAPER_EXEMPLARS = 3; // exemplars that the paper averages

let session = null;
let undoHistory = null; // edits: {sample, concept, chosen}
let concepts = new Map(); // name to a set of samples
let active = null; // name of the current concept
let at = 0; // current sample
let means = new Map(); // address to image element, so that each is loaded once

const first = () => Math.floor(at / PAGE) * PAGE;
const option = (sample) => $("#grid").children[sample - first()];

async function send(sample, concept, chosen) {
  if (!concepts.has(concept)) concepts.set(concept, new Set());
  concepts.get(concept)[chosen ? "add" : "delete"](sample);
  showConcepts();
  mark(sample);
  try {
    await saver.send("/api/exemplars", { sample, concept, chosen });
  } catch (error) {
    await load();
    show();
    showStatus(`refused: ${error.message}`);
  }
}

function toggle(sample) {
  if (active === null) {
    showStatus("name a concept first");
    return $("#name input").focus();
  }
  const chosen = !concepts.get(active).has(sample);
  undoHistory.push({ sample, concept: active, chosen });
  send(sample, active, chosen);
}

function undo() {
  const last = undoHistory.pop();
  if (!last) return showStatus("nothing to undo");
  active = last.concept;
  go(last.sample, false);
  send(last.sample, last.concept, !last.chosen);
  for (const child of $("#grid").children) mark(Number(child.dataset.sample));
}

function choose(concept) {
  active = concept;
  show();
}

function go(sample, focus = true) {
  const page = first();
  option(at)?.setAttribute("tabindex", "-1");
  at = Math.max(0, Math.min(session.count - 1, sample));
  if (first() !== page) showGrid();
  option(at).setAttribute("tabindex", "0");
  if (focus) option(at).focus();
  storeState();
}

// Number of samples in a row of the grid at its current width.
function columns() {
  const top = $("#grid").firstChild.offsetTop;
  const next = [...$("#grid").children].findIndex((child) => child.offsetTop !== top);
  return next < 0 ? PAGE : next;
}

function showGrid() {
  const last = Math.min(first() + PAGE, session.count);
  $("#position").textContent = `Samples ${number.format(first() + 1)}–${number.format(last)} of ${number.format(session.count)}`;
  $("#page-back").disabled = first() === 0;
  $("#page-on").disabled = last === session.count;
  $("#grid").replaceChildren(
    ...Array.from({ length: last - first() }, (_, step) => {
      const sample = first() + step;
      const image = element("img", { src: `/picture/${sample}.png`, alt: "", loading: "lazy", width: 64, height: 64, class: "stored" });
      const made = element("li", { role: "option", tabindex: sample === at ? "0" : "-1", "data-sample": sample }, image, element("span", { class: "badge" }));
      made.addEventListener("click", () => {
        go(sample);
        toggle(sample);
      });
      return made;
    }),
  );
  for (const child of $("#grid").children) mark(Number(child.dataset.sample));
}

function mark(sample) {
  const made = option(sample);
  if (!made) return;
  const names = [...concepts.keys()].filter((name) => concepts.get(name).has(sample));
  made.setAttribute("aria-selected", String(names.includes(active)));
  made.setAttribute("aria-label", [`Sample ${sample + 1}`, ...names.map(visible)].join(", "));
  made.lastChild.textContent = names.map((name) => [...concepts.keys()].indexOf(name) + 1).join(" ");
}

function show() {
  showConcepts();
  for (const child of $("#grid").children) mark(Number(child.dataset.sample));
  storeState();
}

function showConcepts() {
  const focused = document.activeElement?.closest("#concepts") && document.activeElement.dataset.focus;
  const images = new Map();
  $("#concepts").replaceChildren(...[...concepts.keys()].map((name, index) => card(name, index, images)));
  means = images;
  if (focused) [...$("#concepts").querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focused)?.focus();
  $("#hint").textContent = active === null ? "Name a concept, then choose its exemplars." : `Choosing exemplars: ${visible(active)}`;
}

function card(name, index, images) {
  const samples = [...concepts.get(name)].sort((a, b) => a - b);
  const key = index < 9 ? [element("kbd", {}, String(index + 1)), " "] : [];
  const words = samples.length ? count(samples.length, "exemplar") : "no exemplar yet";
  const title = element("button", { type: "button", class: "concept", "aria-pressed": String(name === active), "data-focus": `concept ${name}` }, ...key, element("bdi", {}, visible(name)), element("small", {}, words));
  title.addEventListener("click", () => choose(name));
  const parts = [title];
  if (samples.length) {
    const src = `/mean.png?samples=${samples.join()}`;
    const mean = means.get(`${name} ${src}`) || element("img", { class: "mean stored", src, width: 96, height: 96 });
    mean.alt = `Mean of ${count(samples.length, "exemplar")} of ${visible(name)}`;
    images.set(`${name} ${src}`, mean);
    const thumbs = samples.map((sample) => {
      const image = element("img", { src: `/picture/${sample}.png`, alt: "", width: 32, height: 32, class: "stored" });
      const button = element("button", { type: "button", class: "thumb", "aria-label": `Go to sample ${sample + 1}`, "data-focus": `${name} ${sample}` }, image);
      button.addEventListener("click", () => go(sample));
      return button;
    });
    const note = samples.length < PAPER_EXEMPLARS ? [element("small", {}, `the paper averages ${PAPER_EXEMPLARS}`)] : [];
    parts.push(element("div", { class: "preview" }, mean, element("div", {}, element("div", { class: "thumbs" }, ...thumbs), ...note)));
  } else {
    const drop = element("button", { type: "button", "aria-label": `Delete the concept ${visible(name)}` }, "×");
    drop.addEventListener("click", () => {
      concepts.delete(name);
      if (active === name) active = null;
      show();
    });
    parts.push(drop);
  }
  return element("li", { class: samples.length ? "" : "empty" }, ...parts);
}

// Concepts without exemplars are in no file: this tab stores them.
function storeState() {
  sessionStorage.setItem(`at ${undoHistory.name}`, JSON.stringify({ at, active, names: [...concepts.keys()] }));
}

async function load() {
  session = await get("/api/exemplars", {});
  const names = new Set([...concepts.keys(), ...Object.keys(session.exemplars)]);
  concepts = new Map([...names].map((name) => [name, new Set(session.exemplars[name] || [])]));
}

$("#name").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.concept;
  const name = field.value.trim();
  field.value = "";
  if (!name || !undoHistory) return;
  if (!concepts.has(name)) concepts.set(name, new Set());
  choose(name);
  option(at).focus();
});
onClick("[data-action=undo]", undo);
onClick("#page-back", () => go(first() - PAGE, false));
onClick("#page-on", () => go(first() + PAGE, false));
listen(
  {
    ArrowRight: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    ArrowDown: () => at + columns() < session.count && go(at + columns()),
    ArrowUp: () => at >= columns() && go(at - columns()),
    PageDown: () => first() + PAGE < session.count && go(first() + PAGE),
    PageUp: () => go(Math.max(0, first() - PAGE)),
    Home: () => go(first()),
    End: () => go(first() + PAGE - 1),
    " ": () => toggle(at),
    Enter: () => toggle(at),
    u: undo,
    c: () => $("#name input").select(),
    ...Object.fromEntries([..."123456789"].map((key) => [key, () => concepts.size >= key && choose([...concepts.keys()][key - 1])])),
  },
  () => option(at).focus(),
);

start(async () => {
  session = await get("/api/exemplars", {});
  undoHistory = new UndoHistory(`exemplars ${session.storage_key} ${session.rater}`);
  const before = JSON.parse(sessionStorage.getItem(`at ${undoHistory.name}`) || "{}");
  concepts = new Map((before.names || []).map((name) => [name, new Set()]));
  await load();
  active = concepts.has(before.active) ? before.active : ([...concepts.keys()][0] ?? null);
  at = Math.min(before.at || 0, session.count - 1);
  showHeader(session, (n) => count(n, "exemplar"));
  showGrid();
  show();
});
