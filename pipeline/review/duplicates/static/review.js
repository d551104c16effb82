// The page: which pair is looked at, what is said of it, and the keys. Keys of pictures are foreign text: textContent only.

import { click, eachButton, labelKeys, listen, nonce, showTrouble, viewKeys, words } from "./controls.js";
import { drawList, drawPair, shown } from "./drawing.js";
import { Pictures } from "./pictures.js";
import { Saver, get } from "./saving.js";

const PAGE = 50;
const APART = new Set(["mirrored", "similar", "different"]);
const $ = (selector) => document.querySelector(selector);

const pictures = new Pictures($("#pictures"), (picture, source) => `/${source ? "source" : "picture"}/${picture.row}.png`);
const saver = new Saver((pending, trouble) => showTrouble(say, pending, trouble));
let session = null;
let list = null; // the page that is shown, as the server gave it
let at = 0; // position in the whole list
let bound = null; // position of the page that is on its way, from which the next step is taken
let wholeGroup = false;
let turn = 0; // of loading: only the answer to the last question counts
let asksAnew = false; // the query has changed, and its list is not there yet

const current = () => (list ? list.pairs[at - list.first] : undefined);
const isJudged = (pair) => Boolean(pair.verdict.label || pair.verdict.always || pair.saving);
const names = () => (list.kind === "removed" ? ["removed", "kept"] : ["first", "second"]);

function say(text) {
  $("#saved").textContent = text;
}

function query() {
  return Object.fromEntries(new FormData($("#query")));
}

// Load a page; false where what was sought is not there, null where another page is shown.
async function load(asked) {
  const mine = ++turn;
  bound = asked.seek ? null : (asked.position ?? null);
  await saver.idle(); // so that the answer knows what has just been said
  if (mine !== turn) return null;
  let page;
  try {
    page = await get("/api/pairs", { ...query(), list: list && !asksAnew ? list.list : "", ...asked });
  } catch (error) {
    if (mine !== turn) return null;
    bound = null;
    say(`could not load: ${error.message}`);
    return null;
  }
  if (mine !== turn) return null;
  bound = null;
  asksAnew = false;
  const saving = new Map((list && list.kind === page.kind ? list.pairs : []).map((pair) => [pair.id, pair]));
  page.pairs = page.pairs.map((pair) => (saving.get(pair.id)?.saving ? saving.get(pair.id) : pair));
  list = page;
  at = page.at;
  draw();
  return page.sought !== false;
}

function loadAnew() {
  asksAnew = true;
  return load({});
}

function draw() {
  if (wholeGroup) setWholeGroup(false);
  drawList(list, at, (position) => go(position));
  showPair();
}

function setWholeGroup(on) {
  wholeGroup = on;
  say(on ? `the next verdict is for the whole group of ${current().group_size}` : "");
}

function showPair() {
  const pair = current();
  drawPair(pair, list, at, names());
  const [removed, kept] = names();
  pictures.show(pair && (pair.kept.row === null ? null : pair.kept), pair && pair.removed, [kept, removed]);
  showVerdict();
  sessionStorage.setItem("place", JSON.stringify({ query: query(), pair: pair ? pair.id : null }));
}

function showVerdict() {
  const pair = current();
  const { label, keep, always } = pair ? pair.verdict : {};
  const parts = [label && words(label), keep && "keep the other one", always && "always keep"];
  let text = parts.filter(Boolean).join(", ") || "none yet";
  if (pair?.failed) text += ` – refused: ${pair.failed}`;
  else if (pair?.saving) text += " – not saved yet";
  else if (text !== "none yet") text += " – saved";
  $("#said").textContent = text;
  const removed = list.kind === "removed";
  const elsewhere = !pair || pair.kept.row === null;
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(button.dataset.label === label));
    button.disabled = elsewhere;
  }
  const states = {
    keep: [Boolean(keep), elsewhere || !removed || wholeGroup || pair.kept.sha256 === pair.removed.sha256],
    always: [Boolean(always), !pair || !removed],
    group: [wholeGroup, !pair || pair.group === null || pair.group_size < 3],
    clear: [null, !pair || !isJudged(pair)],
  };
  for (const [name, [pressed, disabled]] of Object.entries(states)) {
    const button = $(`[data-act=${name}]`);
    button.disabled = disabled;
    if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
  }
  drawList.mark(pair);
}

async function go(position) {
  if (asksAnew) return load({});
  if (!list || !list.total) return;
  const wanted = Math.max(0, Math.min(list.total - 1, position));
  if (wanted < list.first || wanted >= list.first + list.pairs.length) return load({ position: wanted });
  turn++;
  bound = null;
  at = wanted;
  draw();
}

const step = (by) => go((bound ?? at) + by);

async function goToUnjudged() {
  const ahead = list.pairs.findIndex((pair, number) => number > at - list.first && !isJudged(pair));
  if (ahead >= 0) return go(list.first + ahead);
  const position = list.first + PAGE < list.total ? list.first + PAGE : 0;
  if ((await load({ position, seek: "unjudged" })) === false) say("saved; every pair of this list has a verdict");
}

// A verdict is about contents: other pairs of the page may have the same.
function spread({ verdict, removed, kept }) {
  for (const other of list.pairs) {
    if (other.saving || other.removed.sha256 !== removed.sha256) continue;
    other.verdict = other.kept.sha256 === kept.sha256 ? { ...verdict } : { ...other.verdict, always: verdict.always };
    drawList.mark(other);
  }
}

// Say all there is to say of the pair that is shown.
async function judge(verdict, onward = true) {
  const [pair, { kind }, group] = [current(), list, wholeGroup];
  const before = pair.verdict;
  pair.verdict = group ? { ...before, ...(verdict.always ? { always: true } : { label: verdict.label }) } : verdict;
  pair.saving = (pair.saving || 0) + 1;
  pair.failed = "";
  wholeGroup = false;
  showVerdict();
  const sent = saver.send("/api/verdict", { kind, id: pair.id, group, ...verdict });
  if (onward && !group) goToUnjudged();
  try {
    const answer = await sent;
    pair.saving--;
    if (!pair.saving) Object.assign(pair, answer.pair);
    spread(pair);
    if (group) {
      await load({ position: at });
      say(`saved for ${answer.count} pairs`);
      goToUnjudged();
    }
  } catch (error) {
    pair.saving--;
    pair.failed = error.message;
    pair.verdict = before;
  }
  if (list) showVerdict();
  drawList.mark(pair);
}

const acts = {
  keep() {
    const { label, keep, always } = current().verdict;
    judge({ label: label && !APART.has(label) ? label : "near", keep: !keep, always }, !keep);
  },
  always() {
    const { label, keep, always } = current().verdict;
    judge({ label, keep, always: wholeGroup || !always }, !always);
  },
  group() {
    setWholeGroup(!wholeGroup);
    showVerdict();
  },
  clear() {
    judge({ label: "", keep: false, always: false }, false);
  },
  async undo() {
    const answer = await saver.send("/api/undo", { nonce: nonce() });
    if (answer.id === null) return say("nothing to undo");
    say("undone");
    const there = answer.kind === list.kind && (await load({ seek: "pair", value: answer.id, position: at }));
    if (there === false) say("undone, of a pair that is not in this list");
  },
};

function label(name) {
  const { keep, always } = current().verdict;
  judge({ label: name, keep: keep && !wholeGroup && !APART.has(name), always: always && !wholeGroup });
}

const keys = {
  ...labelKeys,
  ...viewKeys(pictures),
  ...Object.fromEntries(
    [["k", "keep"], ["a", "always"], ["g", "group"], ["x", "clear"], ["u", "undo"]].map(([key, act]) => [key, () => click(`[data-act=${act}]`)]),
  ),
  ...Object.fromEntries(["ArrowDown", "ArrowRight", "j"].map((key) => [key, () => step(1)])),
  ...Object.fromEntries(["ArrowUp", "ArrowLeft", "i"].map((key) => [key, () => step(-1)])),
  PageDown: () => go(list.first + PAGE),
  PageUp: () => go(Math.max(0, list.first - PAGE)),
  Home: () => go(0),
  End: () => go(Infinity),
  "/": () => $("#jump input").select(),
  f() {
    $("#filters").open = true;
    $("#query [name=text]").select();
  },
};

listen(keys, () => !list);
eachButton("label", label);
eachButton("act", (act) => acts[act]());
$("#page-back").addEventListener("click", () => go(list.first - PAGE));
$("#page-on").addEventListener("click", () => go(list.first + PAGE));
$("#jump").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = new FormData(event.target).get("key");
  if (!value) return;
  const there = await load({ seek: "key", value, position: at + 1 });
  say(there ? "" : "no key in this list has that text");
  if (there) $("#list").focus();
});
$("#query").addEventListener("submit", (event) => event.preventDefault());
$("#query").addEventListener("change", loadAnew);
$("#query").addEventListener("reset", () => setTimeout(loadAnew));

async function start() {
  history.replaceState(null, "", "/"); // the token is used up
  session = await get("/api/session", {});
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `Verdicts go to ${shown(session.verdicts)}`;
  $("#source").hidden = !session.sources;
  const place = JSON.parse(sessionStorage.getItem("place") || "{}");
  for (const [name, value] of Object.entries(place.query || {})) {
    const field = $("#query").elements[name];
    if (field) field.value = value;
    if (value && !["kind", "sort", "falling"].includes(name)) $("#filters").open = true; // what is left out is seen
  }
  if (!$("#query [name=kind]").value) $("#query").reset();
  const seek = place.pair == null ? {} : { seek: "pair", value: place.pair };
  if ((await load(seek)) !== null) say("");
}

start().catch((error) => say(`could not start: ${error.message}`));
