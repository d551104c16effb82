// Shows the server's estimate from the verdicts on a pair sample.

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat("en");
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(2));
const share = (value) => (value === null ? "–" : `${percent(value)} %`);
const count = (value, thing) => `${number.format(value)} ${thing}${value === 1 ? "" : "s"}`;

function cell(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

export function showEstimate(estimate, rater) {
  const mine = estimate.raters[rater] || { judged: 0, wrong: 0, controls_judged: 0, controls_missed: 0 };
  const settled = estimate.false_removal_rate_high < 0.01;
  const facts = [
    ["False removals", `${estimate.false_removal_rate === null ? "too few judged to tell" : share(estimate.false_removal_rate)} (95 %: ${share(estimate.false_removal_rate_low)} to ${share(estimate.false_removal_rate_high)})`],
    ["Judged by all raters", `${number.format(estimate.judged)} of ${count(estimate.of, "removed pair")}, ${number.format(estimate.wrong)} wrong`],
    ["Rate below 1 %", settled ? "shown" : estimate.needed === null ? "this sample is too small to show it" : `shown after ${number.format(estimate.needed)} more right removals`],
    ["Your controls", mine.controls_judged ? `${number.format(mine.controls_missed)} of ${number.format(mine.controls_judged)} called duplicates` : "none judged yet"],
    ["Agreement", estimate.agreement ? `${number.format(estimate.agreement.agree)} of ${count(estimate.agreement.pairs, "removed pair")} with several raters` : "no pair has two raters yet"],
  ];
  if (estimate.stale) facts.push(["Outdated", "the pairs were removed by another detector than the current one"]);
  $("#figures").replaceChildren(
    ...facts.map(([name, value]) => {
      const row = document.createElement("div");
      row.append(cell("dt", name), cell("dd", value));
      return row;
    }),
  );
  $("#strata tbody").replaceChildren(
    ...Object.entries(estimate.strata).map(([stratum, { size, of, judged, wrong, rate, low, high }]) => {
      const row = document.createElement("tr");
      const figures = [number.format(size), `${number.format(judged)} of ${number.format(of)}`, number.format(wrong), percent(rate), `${percent(low)} to ${percent(high)}`];
      const head = Object.assign(cell("th", stratum.replaceAll("_", " ")), { scope: "row" });
      row.append(head, ...figures.map((text) => cell("td", text)));
      return row;
    }),
  );
  $("#method").textContent = `Method: ${estimate.method}.`;
}
