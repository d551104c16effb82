// Keys and buttons that both pages have: labels, views, zoom and help.

const LABELS = ["same_bytes", "same_pixels", "near", "mirrored", "similar", "different"];
const LABEL_KEYS = { p: "same_pixels", n: "near", m: "mirrored", s: "similar", d: "different" };
const $ = (selector) => document.querySelector(selector);

export const click = (selector) => {
  const button = $(selector);
  if (!button.disabled && !button.hidden) button.click();
};

export const words = (label) => label.replace("_", " ");

export const labelKeys = {
  ...Object.fromEntries(LABELS.map((name, number) => [String(number + 1), () => click(`[data-label=${name}]`)])),
  ...Object.fromEntries(Object.entries(LABEL_KEYS).map(([key, name]) => [key, () => click(`[data-label=${name}]`)])),
};

export function eachButton(attribute, act) {
  for (const button of document.querySelectorAll(`button[data-${attribute}]`)) {
    button.addEventListener("click", () => act(button.dataset[attribute]));
  }
}

// Connects the buttons of the views and the help; returns the keys for the same actions.
export function viewKeys(pictures) {
  eachButton("view", (view) => {
    pictures.setView(view);
    for (const button of document.querySelectorAll("button[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === pictures.view));
    }
  });
  $("#source").addEventListener("click", () => {
    pictures.setSource(!pictures.source);
    $("#source").setAttribute("aria-pressed", String(pictures.source));
  });
  const [zoomIn, zoomOut, fit] = [() => pictures.zoom(1.5), () => pictures.zoom(1 / 1.5), () => pictures.fit()];
  const help = () => $("#help").showModal();
  for (const [button, act] of [["#zoom-in", zoomIn], ["#zoom-out", zoomOut], ["#zoom-fit", fit], ["#help-button", help]]) {
    $(button).addEventListener("click", act);
  }
  return {
    v: () => click("button[data-view=side]"),
    c: () => click("button[data-view=difference]"),
    b: () => click("button[data-view=blink]"),
    o: () => click("#source"),
    "+": zoomIn,
    "=": zoomIn,
    "-": zoomOut,
    0: fit,
    "?": help,
  };
}

// Calls the function of a pressed key. Held keys repeat only if they move (j, k). While `disabled()`, keys do nothing.
export function listen(keys, disabled) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || $("#help").open || disabled()) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Escape") {
        event.preventDefault(); // by default, Escape empties the field
        $("#list").focus();
      }
      return;
    }
    if (!Object.hasOwn(keys, event.key)) return;
    if (event.repeat && /^[a-z1-6?/]$/.test(event.key) && !"jk".includes(event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}

export function showSaving(say, pending, problem) {
  const box = $("#save-error");
  box.hidden = !problem;
  if (problem) box.textContent = `Not saved yet (${pending} ${pending === 1 ? "edit" : "edits"}): ${problem}. Trying again …`;
  say(problem ? "not saved" : pending ? "saving …" : "saved");
}

export function showProgress(judged, total) {
  const number = new Intl.NumberFormat("en");
  $("#bar").max = Math.max(total, 1);
  $("#bar").value = judged;
  $("#judged").textContent = `${number.format(judged)} of ${number.format(total)} judged`;
}

export const nonce = () => Array.from(crypto.getRandomValues(new Uint32Array(4))).join("-");
