// The page of a draw: one pair at a time, in the order drawn, and nothing that tells how it came about.

import { click, eachButton, labelKeys, listen, nonce, showTrouble, viewKeys, words } from "./controls.js";
import { shown } from "./drawing.js";
import { drawEstimate } from "./estimate.js";
import { Pictures } from "./pictures.js";
import { Saver, get } from "./saving.js";

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat("en");

const pictures = new Pictures($("#pictures"), (side, source) => `/sample/${at}/${source ? "source/" : ""}${side}.png`);
const saver = new Saver((pending, trouble) => showTrouble(say, pending, trouble));
let session = null;
let pairs = []; // of each: label, missing, saving (edits on their way), failed (why one was refused)
let at = 0;
let asked = 0; // for the estimate: only the answer to the last question counts

function say(text) {
  $("#saved").textContent = text;
}

function go(position) {
  at = Math.max(0, Math.min(pairs.length - 1, position));
  const { missing } = pairs[at];
  pictures.show(missing ? null : "a", missing ? null : "b", ["first", "second"]);
  sessionStorage.setItem(`draw ${session.name}`, at);
  draw();
}

function draw() {
  const { label, missing, saving, failed } = pairs[at];
  const judged = pairs.filter((pair) => pair.label).length;
  $("#place").textContent = `Pair ${number.format(at + 1)} of ${number.format(pairs.length)}`;
  $("#bar").max = pairs.length;
  $("#bar").value = judged;
  $("#judged").textContent = `${number.format(judged)} of ${number.format(pairs.length)} judged by you`;
  let text = label ? words(label) : missing ? "none, for a picture is not in the set any more" : "none yet";
  if (failed) text += ` – refused: ${failed}`;
  else if (saving) text += " – not saved yet";
  else if (label) text += " – saved";
  $("#said").textContent = text;
  for (const button of document.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-pressed", String(button.dataset.label === label));
    button.disabled = missing;
  }
  $("[data-act=clear]").disabled = !label;
  $("#back").disabled = at === 0;
  $("#on").disabled = at === pairs.length - 1;
  $("#next").disabled = pairs.every(isDone);
}

const isDone = (pair) => Boolean(pair.label || pair.missing);

function goToUnjudged() {
  const places = pairs.map((_, step) => (at + 1 + step) % pairs.length);
  const next = places.find((place) => !isDone(pairs[place]));
  if (next !== undefined) return go(next);
  draw();
  return undefined;
}

async function judge(label) {
  const pair = pairs[at];
  const before = pair.label;
  Object.assign(pair, { label, saving: pair.saving + 1, failed: "" });
  const sent = saver.send("/api/sample/verdict", { number: at, label });
  if (label) goToUnjudged();
  else draw();
  try {
    const answer = await sent;
    pair.saving--;
    if (!pair.saving) pair.label = answer.label;
    if (label && pairs.every(isDone)) say("saved; you have judged every pair");
  } catch (error) {
    pair.saving--;
    Object.assign(pair, { label: before, failed: error.message });
  }
  draw();
  estimate();
}

async function estimate() {
  if ($("#estimate").hidden) return;
  const mine = ++asked;
  try {
    const answer = await get("/api/sample/estimate", {});
    if (mine === asked) drawEstimate(answer, session.rater);
  } catch (error) {
    say(`no estimate: ${error.message}`);
  }
}

const acts = {
  clear: () => judge(""),
  async undo() {
    const answer = await saver.send("/api/sample/undo", { nonce: nonce() });
    if (answer.number === null) return say("nothing to undo");
    pairs[answer.number].label = answer.label;
    go(answer.number);
    say("undone");
    return estimate();
  },
  estimate() {
    const hidden = !$("#estimate").hidden;
    $("#estimate").hidden = hidden;
    $("[data-act=estimate]").setAttribute("aria-expanded", String(!hidden));
    return estimate();
  },
};

const keys = {
  ...labelKeys,
  ...viewKeys(pictures),
  ...Object.fromEntries([["x", "clear"], ["u", "undo"], ["e", "estimate"]].map(([key, act]) => [key, () => click(`[data-act=${act}]`)])),
  ...Object.fromEntries(["ArrowDown", "ArrowRight", "j"].map((key) => [key, () => go(at + 1)])),
  ...Object.fromEntries(["ArrowUp", "ArrowLeft", "i"].map((key) => [key, () => go(at - 1)])),
  PageDown: () => click("#next"),
  Home: () => go(0),
  End: () => go(Infinity),
};

async function start() {
  history.replaceState(null, "", "/sample"); // the token is used up
  session = await get("/api/sample/session", {});
  pairs = session.said.map((label, place) => ({ label, missing: session.missing[place], saving: 0, failed: "" }));
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `Verdicts go to ${shown(session.verdicts)}`;
  $("#source").hidden = !session.sources;
  $("#notes").hidden = !session.notes.length;
  for (const note of session.notes) $("#notes").append(Object.assign(document.createElement("li"), { textContent: shown(note) }));
  const place = sessionStorage.getItem(`draw ${session.name}`);
  if (place !== null) return go(Number(place));
  go(0);
  if (isDone(pairs[0])) goToUnjudged();
  return undefined;
}

eachButton("label", judge);
eachButton("act", (act) => acts[act]());
listen(keys, () => !pairs.length);
$("#back").addEventListener("click", () => go(at - 1));
$("#on").addEventListener("click", () => go(at + 1));
$("#next").addEventListener("click", goToUnjudged);
start().catch((error) => say(`could not start: ${error.message}`));
