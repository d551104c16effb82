// Shows what the server estimates from the verdicts on a draw.

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat("en");
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(2));
const share = (value) => (value === null ? "–" : `${percent(value)} %`);
const count = (value, thing) => `${number.format(value)} ${thing}${value === 1 ? "" : "s"}`;

function cell(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

export function drawEstimate(said, rater) {
  const mine = said.raters[rater] || { judged: 0, wrong: 0, controls_judged: 0, controls_missed: 0 };
  const settled = said.false_removal_rate_high < 0.01;
  const facts = [
    ["False removals", `${share(said.false_removal_rate)} (95 %: ${share(said.false_removal_rate_low)} to ${share(said.false_removal_rate_high)})`],
    ["Judged by anybody", `${number.format(said.judged)} of ${count(said.of, "removed pair")}, ${number.format(said.wrong)} wrong`],
    ["Under 1 in 100", settled ? "settled" : said.needed === null ? "this draw cannot settle it" : `settled after ${number.format(said.needed)} more without an error`],
    ["Your controls", mine.controls_judged ? `${number.format(mine.controls_missed)} of ${number.format(mine.controls_judged)} taken for duplicates` : "none judged yet"],
    ["Agreement", said.agreement ? `${number.format(said.agreement.agree)} of ${count(said.agreement.pairs, "removed pair")} that several raters judged` : "no pair judged by two raters yet"],
  ];
  if (said.stale) facts.push(["Stale", "this draw is of another detector than today's"]);
  $("#figures").replaceChildren(
    ...facts.map(([name, value]) => {
      const row = document.createElement("div");
      row.append(cell("dt", name), cell("dd", value));
      return row;
    }),
  );
  $("#strata tbody").replaceChildren(
    ...Object.entries(said.strata).map(([stratum, { size, of, judged, wrong, rate, low, high }]) => {
      const row = document.createElement("tr");
      const figures = [number.format(size), `${number.format(judged)} of ${number.format(of)}`, number.format(wrong), percent(rate), `${percent(low)} to ${percent(high)}`];
      const head = Object.assign(cell("th", stratum.replaceAll("_", " ")), { scope: "row" });
      row.append(head, ...figures.map((text) => cell("td", text)));
      return row;
    }),
  );
  $("#method").textContent = `Method: ${said.method}.`;
}
