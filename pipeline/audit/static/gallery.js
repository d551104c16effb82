// The gallery's controls. The page embeds this file after difference.js. Text from outside is only set as textContent.

const $ = (selector) => document.querySelector(selector);
const pairs = [...document.querySelectorAll("#list .pair")];
const tools = $("#tools");
const ticked = $("#ticked");

// Ties keep the order of the page, in which the least certain pairs come first.
const text = (name) => (one, other) => (one.dataset[name] < other.dataset[name] ? -1 : Number(one.dataset[name] > other.dataset[name]));
const largest = (name) => (one, other) => other.dataset[name] - one.dataset[name];
const orders = { score: () => 0, reason: text("reason"), group: largest("group"), pixels: largest("pixels"), key: text("key") };

function arrange() {
  const { sort, reason, text } = tools.elements;
  const wanted = text.value.toLowerCase();
  const matches = (pair) => (!reason.value || pair.dataset.reason === reason.value) && keys.get(pair).includes(wanted);
  const ordered = [...pairs].sort(orders[sort.value]);
  for (const pair of ordered) pair.hidden = !matches(pair);
  $("#list").replaceChildren(...ordered);
  const shown = pairs.filter((pair) => !pair.hidden).length;
  $("#count").textContent = shown === pairs.length ? `${shown} pairs` : `${shown} of ${pairs.length} pairs`;
}

const keys = new Map(pairs.map((pair) => [pair, [pair.dataset.key, ...[...pair.querySelectorAll("figcaption code")].map((code) => code.textContent)].join("\n").toLowerCase()]));

// Pictures: the embedded one, or the original file if the page links to it and the browser can show it.

const embedded = new Map([...document.querySelectorAll(".pair img")].map((image) => [image, image.src]));

function showOriginals(on) {
  for (const [image, uri] of embedded) {
    const link = image.closest("a");
    if (!link) continue;
    image.onerror = () => {
      image.onerror = null;
      image.src = uri;
    };
    image.src = on ? link.href : uri;
  }
}

// Differences are drawn when they come into view.

const drawn = new IntersectionObserver(async (entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    drawn.unobserve(target);
    const images = [...target.closest(".pictures").querySelectorAll("img")].map((image) => Object.assign(new Image(), { src: embedded.get(image) }));
    await Promise.all(images.map((image) => image.decode()));
    drawDifference(target, ...images, target.closest(".pair").hasAttribute("data-mirrored"));
    target.dataset.drawn = "yes";
  }
}, { rootMargin: "50%" });

function showDifferences(on) {
  if (pairs.length) $("#difference-note").hidden = !on;
  for (const figure of document.querySelectorAll(".difference")) figure.hidden = !on;
}

// Ticked pairs. They are remembered for a reload, if the browser allows it.

const boxOf = (pair) => pair.querySelector(".tick input");
const tickedPairs = () => pairs.filter((pair) => boxOf(pair).checked);
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function showTicked() {
  const chosen = tickedPairs();
  ticked.hidden = !chosen.length;
  $("#ticked-heading").textContent = `${chosen.length} ticked`;
  $("#command").textContent = [ticked.dataset.command, ...chosen.map((pair) => `--key ${quoted(pair.dataset.key)}`)].join(" ");
  $("#copy").textContent = "Copy the command";
  try {
    localStorage.setItem(ticked.dataset.storage, JSON.stringify(chosen.map((pair) => pair.dataset.key)));
  } catch {
    // the ticks are not remembered
  }
}

function readTicks() {
  try {
    const remembered = new Set(JSON.parse(localStorage.getItem(ticked.dataset.storage)));
    for (const pair of pairs) boxOf(pair).checked = remembered.has(pair.dataset.key);
  } catch {
    // nothing is remembered
  }
  showTicked();
}

async function copyCommand() {
  getSelection().selectAllChildren($("#command"));
  try {
    await navigator.clipboard.writeText($("#command").textContent);
    $("#copy").textContent = "Copied";
  } catch {
    $("#copy").textContent = "Selected: copy it with Ctrl-C";
  }
}

function downloadVerdicts() {
  const label = `,${$("#label").value},,,`;
  const lines = tickedPairs().map((pair) => pair.querySelector(".line").textContent.replace(/,different,,,$/, label));
  const file = new Blob([[ticked.dataset.header, ...new Set(lines), ""].join("\n")], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "verdicts.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const canvas of document.querySelectorAll(".difference canvas")) drawn.observe(canvas);
if (pairs.length) {
  tools.hidden = false;
  for (const pair of pairs) pair.querySelector(".tick").hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["sort", "reason", "text"]) tools.elements[name].addEventListener("input", arrange);
  tools.elements.size.addEventListener("input", (event) => $("#list").style.setProperty("--card-width", `${event.target.value}rem`));
  tools.elements.difference.addEventListener("change", (event) => showDifferences(event.target.checked));
  tools.elements.originals?.addEventListener("change", (event) => showOriginals(event.target.checked));
  $("#list").addEventListener("change", showTicked);
  $("#copy").addEventListener("click", copyCommand);
  $("#download").addEventListener("click", downloadVerdicts);
  $("#untick").addEventListener("click", () => {
    for (const pair of tickedPairs()) boxOf(pair).checked = false;
    showTicked();
  });
  arrange();
  showDifferences(tools.elements.difference.checked);
  showOriginals(Boolean(tools.elements.originals?.checked));
  readTicks();
} else {
  showDifferences(true);
  showOriginals(true);
}
