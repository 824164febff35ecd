// The admin API: calls with the token and the account that was picked, and the stream of exchanges.
import { find } from "./dom.js";

const KEY = "telnyx-ai-mock-admin-token";
export const picked = { account: "" };

function headers(account) {
  const sent = {};
  const token = sessionStorage.getItem(KEY);
  if (token) sent["x-mock-admin-token"] = token;
  if (account) sent["x-mock-account"] = account;
  return sent;
}

async function send(path, { method = "GET", json, account = picked.account, signal } = {}) {
  const options = { method, headers: headers(account), signal };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["content-type"] = "application/json";
  }
  const answer = await fetch(`/_mock${path}`, options);
  if (answer.status === 401) {
    await askToken(sessionStorage.getItem(KEY) ? "That token is not right." : "");
    return send(path, { method, json, account, signal });
  }
  if (!answer.ok) throw new Error(await detail(answer));
  return answer;
}

async function detail(answer) {
  try {
    const body = await answer.json();
    return body.errors?.[0]?.detail ?? body.detail?.map((d) => `${d.loc.join(".")}: ${d.msg}`).join("; ") ?? answer.statusText;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

export const call = async (path, options) => (await send(path, options)).json();
export const fetched = send;

let asking = null;
function askToken(wrong) {
  asking ??= new Promise((done) => {
    find("ask-wrong").textContent = wrong;
    find("ask").showModal();
    find("ask").oncancel = (event) => event.preventDefault();
    find("ask-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, find("token").value);
      find("token").value = "";
      find("ask").close();
      asking = null;
      done();
    };
  });
  return asking;
}

/** Calls `on[event](data)` for every event of the stream, and begins again when it breaks off, until `signal` says stop. */
export async function follow(on, signal) {
  while (!signal.aborted) {
    try {
      const answer = await send("/requests/stream", { signal });
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), on);
    } catch (error) {
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    on.lost();
    await new Promise((done) => setTimeout(done, 1000));
  }
}

async function read(reader, on) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const match = /^event: (\w+)\ndata: (.*)$/s.exec(event);
      if (match) on[match[1]]?.(JSON.parse(match[2]));
    }
  }
}
