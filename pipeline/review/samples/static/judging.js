// Shared by both pages: saving, undo, the header and keys. Names are text from outside: textContent only.

import { visible } from "./elements.js";
import { Saver } from "./saving.js";

const MAX_UNDO = 500;
let ready = false; // until then, keys and buttons do nothing
export const $ = (selector) => document.querySelector(selector);
export const number = new Intl.NumberFormat("en");
export const count = (n, one, many = `${one}s`) => `${number.format(n)} ${n === 1 ? one : many}`;

export const saver = new Saver((pending, problem) => {
  $("#save-error").hidden = !problem;
  if (problem) $("#save-error").textContent = `Not saved yet (${count(pending, "edit")}): ${problem}. Trying again …`;
  showStatus(problem ? "not saved" : pending ? "saving …" : "saved");
});

export function showStatus(text) {
  $("#saved").textContent = text;
}

// The edits of this tab, latest last; kept across reloads.
export class UndoHistory {
  constructor(name) {
    this.name = name;
    this.edits = JSON.parse(sessionStorage.getItem(name) || "[]");
  }

  push(edit) {
    this.edits.push(edit);
    this.store();
  }

  pop() {
    const last = this.edits.pop();
    this.store();
    return last;
  }

  store() {
    sessionStorage.setItem(this.name, JSON.stringify(this.edits.slice(-MAX_UNDO)));
  }
}

export function showHeader(session, describeCount) {
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `Judgements go to ${visible(session.file)}`;
  $("#hidden-count").hidden = !session.hidden;
  $("#hidden-count").textContent = `Not shown: ${describeCount(session.hidden)} on samples of another model or seed.`;
}

// keys: a function for each key, called with whether Shift is held. In fields, only Escape works: it calls leaveField.
export function listen(keys, leaveField) {
  $("#help-button").addEventListener("click", () => $("#help").showModal());
  document.addEventListener("keydown", (event) => {
    if (!ready || event.ctrlKey || event.altKey || event.metaKey || $("#help").open) return;
    if (event.target.matches("input")) {
      if (event.key === "Escape") leaveField();
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      return $("#help").showModal();
    }
    if (!Object.hasOwn(keys, event.key)) return;
    if (event.target.matches("button, a") && [" ", "Enter"].includes(event.key)) return; // these keys press the focused button
    if (event.repeat && !/^(Arrow|Page)/.test(event.key)) return;
    event.preventDefault();
    keys[event.key](event.shiftKey);
  });
}

// Scrolls the box, not the page, so that a child is visible.
export function reveal(box, child) {
  const top = child.offsetTop - box.offsetTop;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + child.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + child.offsetHeight - box.clientHeight;
}

export function onClick(selector, action) {
  $(selector).addEventListener("click", () => ready && action());
}

export async function start(begin) {
  history.replaceState(null, "", location.pathname); // removes the used token from the address
  try {
    await begin();
    ready = true;
    showStatus("");
  } catch (error) {
    showStatus(`could not start: ${error.message}`);
  }
}
