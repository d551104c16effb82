// The page for judging a pair sample blind: one pair at a time, in the order of the sample, without any other information.

import { click, eachButton, labelKeys, listen, nonce, showProgress, showSaving, viewKeys, words } from "./controls.js";
import { visible } from "./elements.js";
import { showEstimate } from "./estimate.js";
import { Pictures } from "./pictures.js";
import { Saver, get } from "./saving.js";

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat("en");

const pictures = new Pictures($("#pictures"), (side, source) => `/sample/${at}/${source ? "source/" : ""}${side}.png`);
const saver = new Saver((pending, problem) => showSaving(showStatus, pending, problem));
let session = null;
let pairs = []; // of each: label, missing, saving (number of pending edits), failed (reason of a refusal)
let at = 0;
let estimates = 0; // number of requested estimates; only the answer to the last one is used

function showStatus(text) {
  $("#saved").textContent = text;
}

function go(position) {
  at = Math.max(0, Math.min(pairs.length - 1, position));
  const { missing } = pairs[at];
  pictures.show(missing ? null : "a", missing ? null : "b", ["first", "second"]);
  sessionStorage.setItem(`sample ${session.name}`, at);
  showPair();
}

function showPair() {
  const { label, missing, saving, failed } = pairs[at];
  $("#position").textContent = `Pair ${number.format(at + 1)} of ${number.format(pairs.length)}`;
  showProgress(pairs.filter((pair) => pair.label).length, pairs.length);
  let text = label ? words(label) : missing ? "none: a picture is no longer in the set" : "none yet";
  if (failed) text += ` – refused: ${failed}`;
  else if (saving) text += " – not saved yet";
  else if (label) text += " – saved";
  $("#verdict-text").textContent = text;
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(button.dataset.label === label));
    button.disabled = missing;
  }
  $("[data-action=clear]").disabled = !label;
  $("#back").disabled = at === 0;
  $("#on").disabled = at === pairs.length - 1;
  $("#next").disabled = pairs.every(isDone);
}

const isDone = (pair) => Boolean(pair.label || pair.missing);

function goToUnjudged() {
  const order = pairs.map((_, step) => (at + 1 + step) % pairs.length);
  const next = order.find((index) => !isDone(pairs[index]));
  if (next !== undefined) return go(next);
  showPair();
  return undefined;
}

async function judge(label) {
  const pair = pairs[at];
  const before = pair.label;
  Object.assign(pair, { label, saving: pair.saving + 1, failed: "" });
  const sent = saver.send("/api/sample/verdict", { number: at, label });
  if (label) goToUnjudged();
  else showPair();
  try {
    const answer = await sent;
    pair.saving--;
    if (!pair.saving) pair.label = answer.label;
    if (label && pairs.every(isDone)) showStatus("saved; you have judged every pair");
  } catch (error) {
    pair.saving--;
    Object.assign(pair, { label: before, failed: error.message });
  }
  showPair();
  estimate();
}

async function estimate() {
  if ($("#estimate").hidden) return;
  const mine = ++estimates;
  try {
    const answer = await get("/api/sample/estimate", {});
    if (mine === estimates) showEstimate(answer, session.rater);
  } catch (error) {
    showStatus(`no estimate: ${error.message}`);
  }
}

const actions = {
  clear: () => judge(""),
  async undo() {
    const answer = await saver.send("/api/sample/undo", { nonce: nonce() });
    if (answer.number === null) return showStatus("nothing to undo");
    pairs[answer.number].label = answer.label;
    go(answer.number);
    showStatus("undone");
    return estimate();
  },
  estimate() {
    const hidden = !$("#estimate").hidden;
    $("#estimate").hidden = hidden;
    $("[data-action=estimate]").setAttribute("aria-expanded", String(!hidden));
    return estimate();
  },
};

const keys = {
  ...labelKeys,
  ...viewKeys(pictures),
  ...Object.fromEntries([["x", "clear"], ["u", "undo"], ["e", "estimate"]].map(([key, action]) => [key, () => click(`[data-action=${action}]`)])),
  ...Object.fromEntries(["ArrowDown", "ArrowRight", "j"].map((key) => [key, () => go(at + 1)])),
  ...Object.fromEntries(["ArrowUp", "ArrowLeft", "k"].map((key) => [key, () => go(at - 1)])),
  PageDown: () => click("#next"),
  Home: () => go(0),
  End: () => go(Infinity),
};

async function start() {
  history.replaceState(null, "", "/sample"); // removes the used token from the address
  session = await get("/api/sample/session", {});
  pairs = session.labels.map((label, index) => ({ label, missing: session.missing[index], saving: 0, failed: "" }));
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `Verdicts go to ${visible(session.verdicts)}`;
  $("#source").hidden = !session.sources;
  $("#notes").hidden = !session.notes.length;
  for (const note of session.notes) $("#notes").append(Object.assign(document.createElement("li"), { textContent: visible(note) }));
  const saved = sessionStorage.getItem(`sample ${session.name}`);
  if (saved !== null) return go(Number(saved));
  go(0);
  if (isDone(pairs[0])) goToUnjudged();
  return undefined;
}

eachButton("label", judge);
eachButton("action", (action) => actions[action]());
listen(keys, () => !pairs.length);
$("#back").addEventListener("click", () => go(at - 1));
$("#on").addEventListener("click", () => go(at + 1));
$("#next").addEventListener("click", goToUnjudged);
start().catch((error) => showStatus(`could not start: ${error.message}`));
