// The page on which exemplars are chosen: a page of samples, the concepts, and the keys.

import { element, shown } from "./drawing.js";
import { $, Done, click, count, listen, number, saver, say, showHead, start } from "./judging.js";
import { get } from "./saving.js";

const PAGE = 200;
const ENOUGH = 3; // the paper's average

let session = null;
let done = null; // edits: {sample, concept, chosen}
let concepts = new Map(); // name to a set of samples
let active = null; // name of the concept that is chosen for
let at = 0; // sample that the keys are at
let means = new Map(); // address to picture: each is asked for once while it is shown

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
    say(`refused: ${error.message}`);
  }
}

function toggle(sample) {
  if (active === null) {
    say("name a concept first");
    return $("#name input").focus();
  }
  const chosen = !concepts.get(active).has(sample);
  done.push({ sample, concept: active, chosen });
  send(sample, active, chosen);
}

function undo() {
  const last = done.pop();
  if (!last) return say("nothing to undo");
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
  if (first() !== page) drawGrid();
  option(at).setAttribute("tabindex", "0");
  if (focus) option(at).focus();
  keep();
}

// Samples in a row of the grid, as it is laid out now.
function columns() {
  const top = $("#grid").firstChild.offsetTop;
  const next = [...$("#grid").children].findIndex((child) => child.offsetTop !== top);
  return next < 0 ? PAGE : next;
}

function drawGrid() {
  const last = Math.min(first() + PAGE, session.count);
  $("#place").textContent = `Samples ${number.format(first() + 1)}–${number.format(last)} of ${number.format(session.count)}`;
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
  const of = [...concepts.keys()].filter((name) => concepts.get(name).has(sample));
  made.setAttribute("aria-selected", String(of.includes(active)));
  made.setAttribute("aria-label", [`Sample ${sample + 1}`, ...of.map(shown)].join(", "));
  made.lastChild.textContent = of.map((name) => [...concepts.keys()].indexOf(name) + 1).join(" ");
}

function show() {
  showConcepts();
  for (const child of $("#grid").children) mark(Number(child.dataset.sample));
  keep();
}

function showConcepts() {
  const focused = document.activeElement?.closest("#concepts") && document.activeElement.dataset.focus;
  const now = new Map();
  $("#concepts").replaceChildren(...[...concepts.keys()].map((name, index) => card(name, index, now)));
  means = now;
  if (focused) [...$("#concepts").querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focused)?.focus();
  $("#told").textContent = active === null ? "Name a concept, then pick its exemplars." : `Picking: ${shown(active)}`;
}

function card(name, index, now) {
  const samples = [...concepts.get(name)].sort((a, b) => a - b);
  const key = index < 9 ? [element("kbd", {}, String(index + 1)), " "] : [];
  const words = samples.length ? count(samples.length, "exemplar") : "no exemplar yet";
  const title = element("button", { type: "button", class: "concept", "aria-pressed": String(name === active), "data-focus": `concept ${name}` }, ...key, element("bdi", {}, shown(name)), element("small", {}, words));
  title.addEventListener("click", () => choose(name));
  const parts = [title];
  if (samples.length) {
    const src = `/mean.png?samples=${samples.join()}`;
    const mean = means.get(`${name} ${src}`) || element("img", { class: "mean stored", src, width: 96, height: 96 });
    mean.alt = `Mean of ${count(samples.length, "exemplar")} of ${shown(name)}`;
    now.set(`${name} ${src}`, mean);
    const thumbs = samples.map((sample) => {
      const image = element("img", { src: `/picture/${sample}.png`, alt: "", width: 32, height: 32, class: "stored" });
      const button = element("button", { type: "button", class: "thumb", "aria-label": `Go to sample ${sample + 1}`, "data-focus": `${name} ${sample}` }, image);
      button.addEventListener("click", () => go(sample));
      return button;
    });
    const note = samples.length < ENOUGH ? [element("small", {}, `the paper averages ${ENOUGH}`)] : [];
    parts.push(element("div", { class: "made" }, mean, element("div", {}, element("div", { class: "thumbs" }, ...thumbs), ...note)));
  } else {
    const drop = element("button", { type: "button", "aria-label": `Drop the concept ${shown(name)}` }, "×");
    drop.addEventListener("click", () => {
      concepts.delete(name);
      if (active === name) active = null;
      show();
    });
    parts.push(drop);
  }
  return element("li", { class: samples.length ? "" : "empty" }, ...parts);
}

// Concepts without an exemplar stand in no file: this tab remembers them.
function keep() {
  sessionStorage.setItem(`at ${done.name}`, JSON.stringify({ at, active, names: [...concepts.keys()] }));
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
  if (!name || !done) return;
  if (!concepts.has(name)) concepts.set(name, new Set());
  choose(name);
  option(at).focus();
});
click("[data-act=undo]", undo);
click("#page-back", () => go(first() - PAGE, false));
click("#page-on", () => go(first() + PAGE, false));
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
  done = new Done(`exemplars ${session.place} ${session.rater}`);
  const before = JSON.parse(sessionStorage.getItem(`at ${done.name}`) || "{}");
  concepts = new Map((before.names || []).map((name) => [name, new Set()]));
  await load();
  active = concepts.has(before.active) ? before.active : ([...concepts.keys()][0] ?? null);
  at = Math.min(before.at || 0, session.count - 1);
  showHead(session, (n) => count(n, "exemplar"));
  drawGrid();
  show();
});
