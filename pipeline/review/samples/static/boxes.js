// The page for boxes: the current sample, its boxes, and the keys.

import { element, visible } from "./elements.js";
import { $, UndoHistory, count, listen, number, onClick, reveal, saver, showHeader, showStatus, start } from "./judging.js";
import { get } from "./saving.js";
import { Stage, shift, stretch } from "./stage.js";

let session = null;
let stage = null;
let undoHistory = null; // edits: {sample, before, after, token}; edits with equal tokens are undone together
let at = 0;
let selected = null; // index of a box
let token = 0; // the same for all moves of a selected box
let viewed = new Map(); // sample to its boxes; has only samples that were viewed

const boxes = () => viewed.get(at) || [];
const object = () => visible(session.object);

// Applies an edit as the server does: boxes that others drew in the meantime are not lost.
function merge(current, before, after) {
  const has = (list, box) => (list || []).some((one) => String(one) === String(box));
  const kept = (current || []).filter((box) => !has(before, box) || has(after, box));
  const added = (after || []).filter((box) => !has(kept, box) && !has(before, box));
  const merged = [...kept, ...added];
  return merged.length || after ? merged : null;
}

async function send(sample, before, after) {
  const merged = merge(viewed.get(sample), before, after);
  if (merged) viewed.set(sample, merged);
  else viewed.delete(sample);
  try {
    await saver.send("/api/boxes", { sample, before, after });
  } catch (error) {
    viewed = await load();
    show();
    showStatus(`refused: ${error.message}`);
  }
}

function edit(after, token = 0) {
  const before = viewed.get(at) || null;
  const last = undoHistory.edits.at(-1);
  if (token && last?.token === token && last.sample === at) {
    last.after = after;
    undoHistory.store();
  } else undoHistory.push({ sample: at, before, after, token });
  send(at, before, after);
}

const replaced = (index, box) => boxes().map((one, number) => (number === index ? box : one));
const exists = (box, except) => boxes().some((one, index) => index !== except && String(one) === String(box));

function change(index, box) {
  if (exists(box, index)) return showStatus("this box exists already");
  edit(replaced(index, box), token);
  show();
}

function pick(index) {
  selected = index;
  token = index === null ? 0 : Math.floor(Math.random() * 2 ** 50) + 1;
  show();
}

function add(box, select) {
  if (exists(box)) return showStatus("this box exists already");
  const newToken = select ? Math.floor(Math.random() * 2 ** 50) + 1 : 0;
  edit([...boxes(), box], newToken);
  selected = select ? boxes().length - 1 : null;
  token = newToken;
  show();
}

function go(sample) {
  at = Math.max(0, Math.min(session.count - 1, sample));
  selected = null;
  show();
}

function markViewed() {
  if (!viewed.has(at)) edit([]); // viewed, without an object
}

const actions = {
  back: () => go(at - 1),
  on() {
    markViewed();
    go(at + 1);
  },
  nextUnviewed() {
    markViewed();
    const ahead = [...Array(session.count).keys()].map((step) => (at + step) % session.count);
    const next = ahead.find((sample) => !viewed.has(sample));
    if (next === undefined) {
      show();
      showStatus("all samples have been viewed");
    } else go(next);
  },
  new() {
    const extent = Math.max(1, Math.round(session.side / 4));
    let box = [Math.floor((session.side - extent) / 2), Math.floor((session.side - extent) / 2), extent, extent];
    for (let tries = 0; exists(box) && tries < session.side; tries++) box = shift(box, 1, 1, session.side);
    add(box, true);
  },
  select: () => boxes().length && pick(selected === null ? 0 : (selected + 1) % boxes().length),
  remove() {
    if (!boxes().length) return;
    const removed = selected ?? boxes().length - 1;
    edit(boxes().filter((box, index) => index !== removed));
    pick(null);
  },
  undo() {
    const last = undoHistory.pop();
    if (!last) return showStatus("nothing to undo");
    send(last.sample, last.after, last.before);
    go(last.sample);
  },
};

function arrow(x, y, resize) {
  if (selected === null) return x + y > 0 ? actions.on() : actions.back();
  const box = (resize ? stretch : shift)(boxes()[selected], x, y, session.side);
  if (String(box) !== String(boxes()[selected])) change(selected, box);
}

const words = ([left, top, width, height]) => `${width}×${height} at ${left}, ${top}`;

function show() {
  $("#position").textContent = `Sample ${number.format(at + 1)} of ${number.format(session.count)}`;
  const state = viewed.has(at) ? count(boxes().length, "box", "boxes") : "not viewed yet";
  $("#picture").src = `/picture/${at}.png`;
  $("#picture").alt = `Sample ${at + 1}: ${state}`;
  stage.show(boxes(), selected);
  $("#hint").textContent =
    selected === null
      ? `${state[0].toUpperCase()}${state.slice(1)}.`
      : `Box ${selected + 1} is selected, ${words(boxes()[selected])}: arrows move it, Shift and arrows change its size, Enter deselects it.`;
  $("#boxes").replaceChildren(
    ...boxes().map((box, index) => {
      const button = element("button", { type: "button", "aria-pressed": String(index === selected) }, `Box ${index + 1}: ${words(box)}`);
      button.addEventListener("click", () => {
        pick(index === selected ? null : index);
        $("#boxes").children[index].firstChild.focus();
      });
      return element("li", {}, button);
    }),
  );
  $("[data-action=back]").disabled = at === 0;
  $("[data-action=select]").disabled = $("[data-action=remove]").disabled = !boxes().length;
  const all = [...viewed.values()];
  const total = all.reduce((sum, list) => sum + list.length, 0);
  const boxed = all.filter((list) => list.length).length;
  $("#counter").textContent = `${count(total, "box", "boxes")} on ${number.format(boxed)} of ${count(session.count, "sample")}`;
  for (const [sample, option] of [...$("#strip").children].entries()) mark(option, sample);
  reveal($("#strip"), $("#strip").children[at]);
  $("#strip").setAttribute("aria-activedescendant", `sample-${at}`);
  sessionStorage.setItem(`at ${undoHistory.name}`, String(at));
}

function mark(option, sample) {
  option.setAttribute("aria-selected", String(sample === at));
  const found = viewed.get(sample);
  const text = found ? String(found.length) : "";
  const badge = option.lastChild;
  if (badge.textContent !== text) badge.textContent = text;
  option.classList.toggle("boxed", Boolean(found?.length));
  const state = found ? count(found.length, "box", "boxes") : "not viewed";
  option.setAttribute("aria-label", `Sample ${sample + 1}, ${state}`);
}

async function load() {
  session = await get("/api/boxes", {});
  return new Map(Object.entries(session.boxes).map(([sample, list]) => [Number(sample), list]));
}

for (const name of ["back", "on", "new", "select", "remove", "undo"]) onClick(`[data-action=${name}]`, actions[name]);
listen(
  {
    ArrowRight: (shift) => arrow(1, 0, shift),
    ArrowLeft: (shift) => arrow(-1, 0, shift),
    ArrowDown: (shift) => arrow(0, 1, shift),
    ArrowUp: (shift) => arrow(0, -1, shift),
    n: actions.nextUnviewed,
    b: actions.new,
    s: actions.select,
    u: actions.undo,
    Delete: actions.remove,
    Backspace: actions.remove,
    Enter: () => pick(null),
    Escape: () => pick(null),
    Home: () => go(0),
    End: () => go(Infinity),
  },
  () => {},
);

start(async () => {
  viewed = await load();
  undoHistory = new UndoHistory(`boxes ${session.storage_key} ${session.rater} ${session.object}`);
  showHeader(session, (n) => count(n, "box", "boxes"));
  $("#object").textContent = object();
  stage = new Stage($("#canvas"), session.side, { drawn: (box) => add(box, false), moved: change, picked: pick });
  $("#strip").replaceChildren(
    ...Array.from({ length: session.count }, (_, sample) => {
      const image = element("img", { src: `/picture/${sample}.png`, alt: "", loading: "lazy", width: 48, height: 48 });
      const option = element("li", { role: "option", id: `sample-${sample}` }, image, element("span", { class: "badge" }));
      option.addEventListener("click", () => go(sample));
      return option;
    }),
  );
  go(Number(sessionStorage.getItem(`at ${undoHistory.name}`)) || 0);
});
