// The page on which boxes are drawn: which sample is shown, which boxes are on it, and the keys.

import { element, shown } from "./drawing.js";
import { $, Done, click, count, listen, number, reveal, saver, say, showHead, start } from "./judging.js";
import { get } from "./saving.js";
import { Stage, shift, stretch } from "./stage.js";

let session = null;
let stage = null;
let done = null; // edits: {sample, before, after, token}; equal tokens are one edit
let at = 0;
let selected = null; // index of a box
let token = 0; // of the moves of one selected box
let said = new Map(); // sample to its boxes; absent where it was not looked at

const boxes = () => said.get(at) || [];
const object = () => shown(session.object);

// What the server makes of an edit too: what others have drawn in the meantime stays.
function merge(current, before, after) {
  const has = (list, box) => (list || []).some((one) => String(one) === String(box));
  const kept = (current || []).filter((box) => !has(before, box) || has(after, box));
  const come = (after || []).filter((box) => !has(kept, box) && !has(before, box));
  const merged = [...kept, ...come];
  return merged.length || after ? merged : null;
}

async function send(sample, before, after) {
  const merged = merge(said.get(sample), before, after);
  if (merged) said.set(sample, merged);
  else said.delete(sample);
  try {
    await saver.send("/api/boxes", { sample, before, after });
  } catch (error) {
    said = await load();
    show();
    say(`refused: ${error.message}`);
  }
}

function edit(after, mine = 0) {
  const before = said.get(at) || null;
  const last = done.edits.at(-1);
  if (mine && last?.token === mine && last.sample === at) {
    last.after = after;
    done.keep();
  } else done.push({ sample: at, before, after, token: mine });
  send(at, before, after);
}

const replaced = (index, box) => boxes().map((one, number) => (number === index ? box : one));
const known = (box, but) => boxes().some((one, index) => index !== but && String(one) === String(box));

function change(index, box) {
  if (known(box, index)) return say("that box is there already");
  edit(replaced(index, box), token);
  show();
}

function pick(index) {
  selected = index;
  token = index === null ? 0 : Math.floor(Math.random() * 2 ** 50) + 1;
  show();
}

function add(box, select) {
  if (known(box)) return say("that box is there already");
  const mine = select ? Math.floor(Math.random() * 2 ** 50) + 1 : 0;
  edit([...boxes(), box], mine);
  selected = select ? boxes().length - 1 : null;
  token = mine;
  show();
}

function go(sample) {
  at = Math.max(0, Math.min(session.count - 1, sample));
  selected = null;
  show();
}

function leave() {
  if (!said.has(at)) edit([]); // looked at, and none found
}

const acts = {
  back: () => go(at - 1),
  on() {
    leave();
    go(at + 1);
  },
  unseen() {
    leave();
    const ahead = [...Array(session.count).keys()].map((step) => (at + step) % session.count);
    const next = ahead.find((sample) => !said.has(sample));
    if (next === undefined) {
      show();
      say("all samples were looked at");
    } else go(next);
  },
  new() {
    const extent = Math.max(1, Math.round(session.side / 4));
    let box = [Math.floor((session.side - extent) / 2), Math.floor((session.side - extent) / 2), extent, extent];
    for (let tries = 0; known(box) && tries < session.side; tries++) box = shift(box, 1, 1, session.side);
    add(box, true);
  },
  select: () => boxes().length && pick(selected === null ? 0 : (selected + 1) % boxes().length),
  drop() {
    if (!boxes().length) return;
    const gone = selected ?? boxes().length - 1;
    edit(boxes().filter((box, index) => index !== gone));
    pick(null);
  },
  undo() {
    const last = done.pop();
    if (!last) return say("nothing to undo");
    send(last.sample, last.after, last.before);
    go(last.sample);
  },
};

function arrow(x, y, change_size) {
  if (selected === null) return x + y > 0 ? acts.on() : acts.back();
  const box = (change_size ? stretch : shift)(boxes()[selected], x, y, session.side);
  if (String(box) !== String(boxes()[selected])) change(selected, box);
}

const words = ([left, top, width, height]) => `${width}×${height} at ${left}, ${top}`;

function show() {
  $("#place").textContent = `Sample ${number.format(at + 1)} of ${number.format(session.count)}`;
  const state = said.has(at) ? count(boxes().length, "box", "boxes") : "not looked at yet";
  $("#picture").src = `/picture/${at}.png`;
  $("#picture").alt = `Sample ${at + 1}: ${state}`;
  stage.show(boxes(), selected);
  $("#told").textContent =
    selected === null
      ? `${state[0].toUpperCase()}${state.slice(1)}.`
      : `Box ${selected + 1} is selected, ${words(boxes()[selected])}: arrows move it, Shift and arrows change its size, Enter is done.`;
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
  $("[data-act=back]").disabled = at === 0;
  $("[data-act=select]").disabled = $("[data-act=drop]").disabled = !boxes().length;
  const all = [...said.values()];
  const total = all.reduce((sum, list) => sum + list.length, 0);
  const boxed = all.filter((list) => list.length).length;
  $("#counter").textContent = `${count(total, "box", "boxes")} on ${number.format(boxed)} of ${count(session.count, "sample")}`;
  for (const [sample, option] of [...$("#strip").children].entries()) mark(option, sample);
  reveal($("#strip"), $("#strip").children[at]);
  $("#strip").setAttribute("aria-activedescendant", `sample-${at}`);
  sessionStorage.setItem(`at ${done.name}`, String(at));
}

function mark(option, sample) {
  option.setAttribute("aria-selected", String(sample === at));
  const found = said.get(sample);
  const text = found ? String(found.length) : "";
  const badge = option.lastChild;
  if (badge.textContent !== text) badge.textContent = text;
  option.classList.toggle("boxed", Boolean(found?.length));
  const state = found ? count(found.length, "box", "boxes") : "not looked at";
  option.setAttribute("aria-label", `Sample ${sample + 1}, ${state}`);
}

async function load() {
  session = await get("/api/boxes", {});
  return new Map(Object.entries(session.boxes).map(([sample, list]) => [Number(sample), list]));
}

for (const name of ["back", "on", "new", "select", "drop", "undo"]) click(`[data-act=${name}]`, acts[name]);
listen(
  {
    ArrowRight: (size) => arrow(1, 0, size),
    ArrowLeft: (size) => arrow(-1, 0, size),
    ArrowDown: (size) => arrow(0, 1, size),
    ArrowUp: (size) => arrow(0, -1, size),
    n: acts.unseen,
    b: acts.new,
    s: acts.select,
    u: acts.undo,
    Delete: acts.drop,
    Backspace: acts.drop,
    Enter: () => pick(null),
    Escape: () => pick(null),
    Home: () => go(0),
    End: () => go(Infinity),
  },
  () => {},
);

start(async () => {
  said = await load();
  done = new Done(`boxes ${session.place} ${session.rater} ${session.object}`);
  showHead(session, (n) => count(n, "box", "boxes"));
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
  go(Number(sessionStorage.getItem(`at ${done.name}`)) || 0);
});
