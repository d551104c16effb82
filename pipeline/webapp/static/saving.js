// Sends edits one after the other. What fails is kept and tried again until the server has answered.

const ANEW = "the server was started anew: open the link it has printed, in this browser, and leave this page open";
const SILENT = "the server does not answer: start it again at the same port, and leave this page open";
const REFUSED = new Set([400, 404, 405, 413, 415]); // asking again would not help

export class Saver {
  // changed(pending, trouble) is called after every change; trouble is a text, or empty.
  constructor(changed) {
    this.changed = changed;
    this.queue = [];
    this.trouble = "";
    this.wake = () => {};
    window.addEventListener("beforeunload", (event) => {
      if (this.queue.length) event.preventDefault();
    });
    window.addEventListener("online", () => this.wake());
  }

  // The server's answer; an error where it refused.
  send(path, body) {
    return new Promise((resolve, reject) => {
      this.queue.push({ path, body: JSON.stringify(body), resolve, reject });
      this.changed(this.queue.length, this.trouble);
      if (this.queue.length === 1) this.run();
    });
  }

  // Until nothing is on its way, or something fails.
  async idle() {
    while (this.queue.length && !this.trouble) await new Promise((go) => setTimeout(go, 20));
  }

  async run() {
    let wait = 500;
    while (this.queue.length) {
      const { path, body, resolve, reject } = this.queue[0];
      const [answer, refusal, trouble] = await post(path, body);
      this.trouble = trouble;
      if (trouble) {
        this.changed(this.queue.length, trouble);
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

// [answer, refusal, trouble]: one of them is there.
async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const signal = AbortSignal.timeout(30000);
    const response = await fetch(path, { method: "POST", headers, body, signal });
    if (response.ok) return [await response.json(), "", ""];
    if (response.status === 403) return [null, "", ANEW];
    const said = await response.json().catch(() => ({}));
    const text = said.error || `the server answered ${response.status}`;
    return REFUSED.has(response.status) ? [null, text, ""] : [null, "", text];
  } catch {
    return [null, "", SILENT];
  }
}

export async function get(path, parameters) {
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`).catch(() => {
    throw new Error(SILENT);
  });
  const said = await response.json().catch(() => ({}));
  if (response.status === 403) throw new Error(ANEW);
  if (!response.ok) throw new Error(said.error || `the server answered ${response.status}`);
  return said;
}
