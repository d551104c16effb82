// What both pages share: saving, what can be undone, and their head. Names are foreign text: textContent only.

import { shown } from "./drawing.js";
import { Saver } from "./saving.js";

const MOST_UNDONE = 500;
let ready = false; // keys and buttons do nothing before
export const $ = (selector) => document.querySelector(selector);
export const number = new Intl.NumberFormat("en");
export const count = (n, one, many = `${one}s`) => `${number.format(n)} ${n === 1 ? one : many}`;

export const saver = new Saver((pending, trouble) => {
  $("#trouble").hidden = !trouble;
  if (trouble) $("#trouble").textContent = `Not saved yet (${count(pending, "edit")}): ${trouble}. Trying again …`;
  say(trouble ? "not saved" : pending ? "saving …" : "saved");
});

export function say(text) {
  $("#saved").textContent = text;
}

// What this tab has done, the last at the end; it outlives a reload.
export class Done {
  constructor(name) {
    this.name = name;
    this.edits = JSON.parse(sessionStorage.getItem(name) || "[]");
  }

  push(edit) {
    this.edits.push(edit);
    this.keep();
  }

  pop() {
    const last = this.edits.pop();
    this.keep();
    return last;
  }

  keep() {
    sessionStorage.setItem(this.name, JSON.stringify(this.edits.slice(-MOST_UNDONE)));
  }
}

export function showHead(session, things) {
  $("#rater").textContent = `Rater: ${session.rater}`;
  $("#rater").title = `What you judge goes to ${shown(session.file)}`;
  $("#elsewhere").hidden = !session.elsewhere;
  $("#elsewhere").textContent = `Not shown: ${things(session.elsewhere)} on samples of another model or seed.`;
}

// keys: what each key does, told whether Shift is held; nothing happens in fields, but for Escape, which leaves them.
export function listen(keys, leave) {
  $("#help-button").addEventListener("click", () => $("#help").showModal());
  document.addEventListener("keydown", (event) => {
    if (!ready || event.ctrlKey || event.altKey || event.metaKey || $("#help").open) return;
    if (event.target.matches("input")) {
      if (event.key === "Escape") leave();
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      return $("#help").showModal();
    }
    if (!Object.hasOwn(keys, event.key)) return;
    if (event.target.matches("button, a") && [" ", "Enter"].includes(event.key)) return; // those press the button
    if (event.repeat && !/^(Arrow|Page)/.test(event.key)) return;
    event.preventDefault();
    keys[event.key](event.shiftKey);
  });
}

// Brings a child into view without scrolling the page.
export function reveal(box, child) {
  const top = child.offsetTop - box.offsetTop;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + child.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + child.offsetHeight - box.clientHeight;
}

export function click(selector, act) {
  $(selector).addEventListener("click", () => ready && act());
}

export async function start(begin) {
  history.replaceState(null, "", location.pathname); // the token is used up
  try {
    await begin();
    ready = true;
    say("");
  } catch (error) {
    say(`could not start: ${error.message}`);
  }
}
