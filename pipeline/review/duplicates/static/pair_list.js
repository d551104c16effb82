// Shows a page of the list of pairs, and the keys and figures of a pair. All text from outside is set as textContent.

import { element, visible } from "./elements.js";

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat("en");

const short = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

export function showList(list, at, go) {
  const box = $("#list");
  if (box.dataset.page !== `${list.list} ${list.first}` || box.pairs !== list.pairs) {
    box.dataset.page = `${list.list} ${list.first}`;
    box.pairs = list.pairs;
    box.replaceChildren(...list.pairs.map((pair, index) => item(pair, list.first + index, go)));
  }
  for (const [index, option] of [...box.children].entries()) {
    option.setAttribute("aria-selected", String(list.first + index === at));
  }
  const selected = box.children[at - list.first];
  box.setAttribute("aria-activedescendant", selected ? selected.id : "");
  if (selected) {
    const [top, bottom] = [selected.offsetTop - box.offsetTop, selected.offsetTop - box.offsetTop + selected.offsetHeight];
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }
  const last = list.first + list.pairs.length;
  $("#pages").textContent = list.total ? `${number.format(list.first + 1)}–${number.format(last)} of ${number.format(list.total)}` : "no pair";
  $("#page-back").disabled = list.first === 0;
  $("#page-on").disabled = last >= list.total;
}

function item(pair, position, go) {
  const thumbnail = (picture) => (picture.row === null ? "" : element("img", { src: `/picture/${picture.row}.png`, alt: "", loading: "lazy", width: 48, height: 48 }));
  const key = element("bdi", { class: "key" }, short(visible(pair.removed.key)));
  const facts = [pair.score === null ? "" : `score ${pair.score.toFixed(2)}`, `${pair.hamming} bits`, pair.similarity === null ? "" : pair.similarity.toFixed(3)].filter(Boolean).join(" · ");
  const text = element("span", { class: "text" }, key, element("small", {}, facts));
  const option = element("li", { role: "option", id: `pair-${pair.id}` }, thumbnail(pair.kept), thumbnail(pair.removed), text, element("span", { class: "mark" }));
  option.addEventListener("click", () => go(position));
  setMark(option, pair);
  return option;
}

function setMark(option, pair) {
  const { label, always } = pair.verdict;
  const words = label ? label.replace("_", " ") : always ? "always keep" : "";
  const box = option.querySelector(".mark");
  box.textContent = pair.failed ? "refused" : pair.saving ? "…" : words;
  option.classList.toggle("judged", Boolean(words) && !pair.saving && !pair.failed);
}

// Updates the mark of a pair after a change of its verdict.
export const updateMark = (pair) => {
  const option = pair && document.getElementById(`pair-${pair.id}`);
  if (option && $("#list").pairs.includes(pair)) setMark(option, pair);
};

export function showPairDetails(pair, list, at, names) {
  const title = { removed: "Pair", misses: "Near miss", mirrored: "Mirrored match" }[list.kind];
  $("#position").textContent = pair ? `${title} ${number.format(at + 1)} of ${number.format(list.total)}` : "No pair matches the filter";
  const figures = [$("#pictures .removed"), $("#pictures .kept")];
  for (const [index, figure] of figures.entries()) {
    const picture = pair && (index ? pair.kept : pair.removed);
    figure.querySelector(".tag").textContent = names[index];
    figure.querySelector(".key").textContent = picture ? visible(picture.key) : "";
    figure.querySelector(".source").textContent = picture && picture.row !== null ? source(picture) : "";
  }
  const facts = pair
    ? [
        ["reason", pair.reason.replaceAll("_", " ")],
        ["distance", `${pair.hamming} of 128 bits`],
        ["similarity", pair.similarity === null ? "–" : pair.similarity.toFixed(4)],
        ["score", pair.score === null ? "–" : pair.score.toFixed(2)],
        ["group", pair.group === null ? "" : `${number.format(pair.group_size)} pictures`],
      ]
    : [];
  $("#facts").replaceChildren(
    ...facts.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  $("#others").textContent = pair && pair.others.length ? `Other raters: ${pair.others.join("; ")}` : "";
}

function source(picture) {
  const label = picture.label ? `, ${short(visible(picture.label))}` : "";
  return `source ${picture.width}×${picture.height}, ${number.format(picture.bytes)} bytes${label}`;
}
