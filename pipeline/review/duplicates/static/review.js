// The page for browsing: the current pair, its verdict, and the keys. Picture keys are text from outside: textContent only.

import { click, eachButton, labelKeys, listen, nonce, showProgress, showSaving, viewKeys, words } from "./controls.js";
import { visible } from "./elements.js";
import { showList, showPairDetails, updateMark } from "./pair_list.js";
import { Pictures } from "./pictures.js";
import { Saver, get } from "./saving.js";

const PAGE = 50;
const NOT_DUPLICATES = new Set(["mirrored", "similar", "different"]);
const $ = (selector) => document.querySelector(selector);

const pictures = new Pictures($("#pictures"), (picture, source) => `/${source ? "source" : "picture"}/${picture.row}.png`);
const saver = new Saver((pending, problem) => showSaving(showStatus, pending, problem));
let session = null;
let list = null; // the shown page of the list, as sent by the server
let at = 0; // position in the whole list
let requested = null; // position of a requested page; the next step counts from it
let wholeGroup = false;
let loads = 0; // number of requests; only the answer to the last one is used
let queryChanged = false; // the list of the changed query is not loaded yet

const current = () => (list ? list.pairs[at - list.first] : undefined);
const isJudged = (pair) => Boolean(pair.verdict.label || pair.verdict.always || pair.saving);
const names = () => (list.kind === "removed" ? ["removed", "kept"] : ["first", "second"]);

function showStatus(text) {
  $("#saved").textContent = text;
}

function query() {
  return Object.fromEntries(new FormData($("#query")));
}

// Loads a page of the list. Returns false if `seek` found no pair, null if a later request replaced this one.
async function load(parameters) {
  const mine = ++loads;
  requested = parameters.seek ? null : (parameters.position ?? null);
  await saver.idle(); // so that the answer includes the last verdicts
  if (mine !== loads) return null;
  let page;
  try {
    page = await get("/api/pairs", { ...query(), list: list && !queryChanged ? list.list : "", ...parameters });
  } catch (error) {
    if (mine !== loads) return null;
    requested = null;
    showStatus(`could not load: ${error.message}`);
    return null;
  }
  if (mine !== loads) return null;
  requested = null;
  queryChanged = false;
  const saving = new Map((list && list.kind === page.kind ? list.pairs : []).map((pair) => [pair.id, pair]));
  page.pairs = page.pairs.map((pair) => (saving.get(pair.id)?.saving ? saving.get(pair.id) : pair));
  list = page;
  at = page.position;
  showPage();
  return page.found !== false;
}

function loadNewQuery() {
  queryChanged = true;
  return load({});
}

function showPage() {
  if (wholeGroup) setWholeGroup(false);
  showList(list, at, (position) => go(position));
  showPair();
}

function setWholeGroup(on) {
  wholeGroup = on;
  showStatus(on ? `the next verdict applies to the whole group of ${current().group_size}` : "");
}

function showPair() {
  const pair = current();
  showPairDetails(pair, list, at, names());
  showProgress(list.judged, list.total);
  const [removed, kept] = names();
  const mirrored = list.kind === "mirrored" || pair?.reason === "mirrored";
  pictures.show(pair && (pair.kept.row === null ? null : pair.kept), pair && pair.removed, [kept, removed], mirrored);
  showVerdict();
  sessionStorage.setItem("review", JSON.stringify({ query: query(), pair: pair ? pair.id : null }));
}

function showVerdict() {
  const pair = current();
  const { label, keep, always } = pair ? pair.verdict : {};
  const parts = [label && words(label), keep && "keep the removed one", always && "always keep"];
  let text = parts.filter(Boolean).join(", ") || "none yet";
  if (pair?.failed) text += ` – refused: ${pair.failed}`;
  else if (pair?.saving) text += " – not saved yet";
  else if (text !== "none yet") text += " – saved";
  $("#verdict-text").textContent = text;
  const removed = list.kind === "removed";
  const notInSet = !pair || pair.kept.row === null;
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(button.dataset.label === label));
    button.disabled = notInSet;
  }
  const states = {
    keep: [Boolean(keep), notInSet || !removed || wholeGroup || pair.kept.sha256 === pair.removed.sha256],
    always: [Boolean(always), !pair || !removed],
    group: [wholeGroup, !pair || pair.group === null || pair.group_size < 3],
    clear: [null, !pair || !isJudged(pair)],
  };
  for (const [name, [pressed, disabled]] of Object.entries(states)) {
    const button = $(`[data-action=${name}]`);
    button.disabled = disabled;
    if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
  }
  updateMark(pair);
}

async function go(position) {
  if (queryChanged) return load({});
  if (!list || !list.total) return;
  const wanted = Math.max(0, Math.min(list.total - 1, position));
  if (wanted < list.first || wanted >= list.first + list.pairs.length) return load({ position: wanted });
  loads++;
  requested = null;
  at = wanted;
  showPage();
}

const step = (by) => go((requested ?? at) + by);

async function goToUnjudged() {
  const ahead = list.pairs.findIndex((pair, number) => number > at - list.first && !isJudged(pair));
  if (ahead >= 0) return go(list.first + ahead);
  const position = list.first + PAGE < list.total ? list.first + PAGE : 0;
  if ((await load({ position, seek: "unjudged" })) === false) showStatus("saved; all pairs of this list have verdicts");
}

// A verdict refers to contents: other pairs of the page with the same contents have it too.
function copyVerdict({ verdict, removed, kept }) {
  for (const other of list.pairs) {
    if (other.saving || other.removed.sha256 !== removed.sha256) continue;
    other.verdict = other.kept.sha256 === kept.sha256 ? { ...verdict } : { ...other.verdict, always: verdict.always };
    updateMark(other);
  }
}

// Saves the complete verdict on the current pair.
async function judge(verdict, advance = true) {
  const [pair, { kind, list: name }, group] = [current(), list, wholeGroup];
  const before = pair.verdict;
  pair.verdict = group ? { ...before, ...(verdict.always ? { always: true } : { label: verdict.label }) } : verdict;
  pair.saving = (pair.saving || 0) + 1;
  pair.failed = "";
  wholeGroup = false;
  showVerdict();
  const sent = saver.send("/api/verdict", { list: name, kind, id: pair.id, group, ...verdict });
  if (advance && !group) goToUnjudged();
  try {
    const answer = await sent;
    pair.saving--;
    if (!pair.saving) Object.assign(pair, answer.pair);
    if (list.list === name && answer.judged !== null) {
      list.judged = answer.judged;
      showProgress(list.judged, list.total);
    }
    copyVerdict(pair);
    if (group) {
      await load({ position: at });
      showStatus(`saved for ${answer.count} pairs`);
      goToUnjudged();
    }
  } catch (error) {
    pair.saving--;
    pair.failed = error.message;
    pair.verdict = before;
  }
  if (list) showVerdict();
  updateMark(pair);
}

const actions = {
  keep() {
    const { label, keep, always } = current().verdict;
    judge({ label: label && !NOT_DUPLICATES.has(label) ? label : "near", keep: !keep, always }, !keep);
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
    if (answer.id === null) return showStatus("nothing to undo");
    showStatus("undone");
    const there = answer.kind === list.kind && (await load({ seek: "pair", value: answer.id, position: at }));
    if (there === false) showStatus("undone; the pair is not in this list");
  },
};

function label(name) {
  const { keep, always } = current().verdict;
  judge({ label: name, keep: keep && !wholeGroup && !NOT_DUPLICATES.has(name), always: always && !wholeGroup });
}

const keys = {
  ...labelKeys,
  ...viewKeys(pictures),
  ...Object.fromEntries(
    [["r", "keep"], ["a", "always"], ["g", "group"], ["x", "clear"], ["u", "undo"]].map(([key, action]) => [key, () => click(`[data-action=${action}]`)]),
  ),
  ...Object.fromEntries(["ArrowDown", "ArrowRight", "j"].map((key) => [key, () => step(1)])),
  ...Object.fromEntries(["ArrowUp", "ArrowLeft", "k"].map((key) => [key, () => step(-1)])),
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
eachButton("action", (action) => actions[action]());
$("#page-back").addEventListener("click", () => go(list.first - PAGE));
$("#page-on").addEventListener("click", () => go(list.first + PAGE));
$("#jump").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = new FormData(event.target).get("key");
  if (!value) return;
  const there = await load({ seek: "key", value, position: at + 1 });
  showStatus(there ? "" : "no key of this list contains the text");
  if (there) $("#list").focus();
});
$("#query").addEventListener("submit", (event) => event.preventDefault());
$("#query").addEventListener("change", loadNewQuery);
$("#query").addEventListener("reset", () => setTimeout(loadNewQuery));

async function start() {
  history.replaceState(null, "", "/"); // removes the used token from the address
  session = await get("/api/session", {});
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `Verdicts go to ${visible(session.verdicts)}`;
  $("#source").hidden = !session.sources;
  const saved = JSON.parse(sessionStorage.getItem("review") || "{}");
  for (const [name, value] of Object.entries(saved.query || {})) {
    const field = $("#query").elements[name];
    if (field) field.value = value;
    if (value && !["kind", "sort", "descending"].includes(name)) $("#filters").open = true; // so that an active filter is visible
  }
  if (!$("#query [name=kind]").value) $("#query").reset();
  const seek = saved.pair == null ? {} : { seek: "pair", value: saved.pair };
  if ((await load(seek)) !== null) showStatus("");
}

start().catch((error) => showStatus(`could not start: ${error.message}`));
