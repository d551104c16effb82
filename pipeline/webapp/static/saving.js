// Sends edits one after the other. A failed edit is kept and sent again until the server answers.

const RESTARTED = "the server was restarted: open the link that it printed, in this browser, and leave this page open";
const NO_ANSWER = "the server does not answer: start it again on the same port, and leave this page open";
const REFUSED = new Set([400, 404, 405, 413, 415]); // sending it again would not help

export class Saver {
  // changed(pending, problem) is called after every change; problem is a text, or empty.
  constructor(changed) {
    this.changed = changed;
    this.queue = [];
    this.problem = "";
    this.wake = () => {};
    window.addEventListener("beforeunload", (event) => {
      if (this.queue.length) event.preventDefault();
    });
    window.addEventListener("online", () => this.wake());
  }

  // Resolves to the server's answer; rejects if the server refuses the edit.
  send(path, body) {
    return new Promise((resolve, reject) => {
      this.queue.push({ path, body: JSON.stringify(body), resolve, reject });
      this.changed(this.queue.length, this.problem);
      if (this.queue.length === 1) this.run();
    });
  }

  // Resolves when no edit is pending, or when one fails.
  async idle() {
    while (this.queue.length && !this.problem) await new Promise((go) => setTimeout(go, 20));
  }

  async run() {
    let wait = 500;
    while (this.queue.length) {
      const { path, body, resolve, reject } = this.queue[0];
      const [answer, refusal, problem] = await post(path, body);
      this.problem = problem;
      if (problem) {
        this.changed(this.queue.length, problem);
        await new Promise((go) => {
          this.wake = go;
          setTimeout(go, wait);
        });
        wait = Math.min(wait * 2, 5000);
        continue;
      }
      wait = 500;
      this.queue.shift();
      this.changed(this.queue.length, "");
      if (refusal) reject(new Error(refusal));
      else resolve(answer);
    }
  }
}

// Returns [answer, refusal, problem]; exactly one is set.
async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const signal = AbortSignal.timeout(30000);
    const response = await fetch(path, { method: "POST", headers, body, signal });
    if (response.ok) return [await response.json(), "", ""];
    if (response.status === 403) return [null, "", RESTARTED];
    const reply = await response.json().catch(() => ({}));
    const text = reply.error || `the server answered ${response.status}`;
    return REFUSED.has(response.status) ? [null, text, ""] : [null, "", text];
  } catch {
    return [null, "", NO_ANSWER];
  }
}

export async function get(path, parameters) {
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`).catch(() => {
    throw new Error(NO_ANSWER);
  });
  const reply = await response.json().catch(() => ({}));
  if (response.status === 403) throw new Error(RESTARTED);
  if (!response.ok) throw new Error(reply.error || `the server answered ${response.status}`);
  return reply;
}
