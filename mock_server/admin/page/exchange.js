// One exchange, open: why it was answered so, what went each way, what was said.
import { call, fetched } from "./api.js";
import { el, find, pre, pretty, say, told, tone } from "./dom.js";

const pane = find("detail");
const NOT_SENT = ["host", "content-length", "accept-encoding", "connection", "authorization", "transfer-encoding"];
let turn = 0;
let audio = []; // addresses of blobs that play

export function close() {
  turn++;
  empty();
  pane.append(el("p", { class: "quiet hint" }, "Pick an exchange to see all of it. Arrow keys move, Enter opens."));
}

function empty() {
  pane.replaceChildren();
  audio.splice(0).forEach((address) => URL.revokeObjectURL(address));
}

export async function open(id) {
  const mine = ++turn;
  let e;
  let reasons;
  try {
    e = (await call(`/requests/${encodeURIComponent(id)}`)).data;
    reasons = await why(e);
  } catch (error) {
    if (mine === turn) {
      empty();
      pane.append(back(), el("p", { class: "hint" }, error.message));
    }
    return;
  }
  if (mine !== turn) return;
  empty();
  pane.append(back(), head(e), reasons, ...(e.spoken ?? []).map((one, n) => listen(e, one, n)),
    side("Request", e.request), e.frames ? frames(e.frames) : response(e));
  pane.scrollTop = 0;
}

const back = () => el("a", { class: "back", href: "#exchanges" }, "← All exchanges");

function head(e) {
  return el("div", { class: "head" },
    el("h3", {}, el("span", { class: `status ${tone(e)}` }, e.status || "none"), " ", e.kind === "socket" ? "WebSocket" : e.method, " ",
      el("span", { class: "address" }, e.path + (e.query ? `?${e.query}` : ""))),
    el("dl", { class: "facts" },
      ...fact("Operation", e.operation ?? "none of the API's"), ...fact("At", e.at), ...fact("Took", `${e.duration_ms} ms`),
      ...fact("Ended", e.ended.replace("_", " ")), ...fact("Account", e.account ?? "none"), ...fact("Id", e.id)),
    el("p", { class: "buttons" },
      el("button", { onclick: told(() => copy(curl(e), "The curl command")) }, "Copy as curl"),
      el("button", { onclick: told(() => copy(JSON.stringify(e, null, 2), "The exchange")) }, "Copy as JSON")));
}

const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];

async function copy(text, what) {
  await navigator.clipboard.writeText(text);
  say(`${what} is on the clipboard.`);
}

const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

/** As the command line's `requests --curl`: the key was never kept, it is TELNYX_API_KEY there. */
export function curl(e) {
  const words = ["curl", "-sS", "-X", e.method, quote(location.origin + e.path + (e.query ? `?${e.query}` : ""))];
  if (e.request.headers.some(([name]) => name === "authorization")) words.push("-H", '"Authorization: Bearer $TELNYX_API_KEY"');
  for (const [name, value] of e.request.headers) {
    if (!NOT_SENT.includes(name) && value !== "***") words.push("-H", quote(`${name}: ${value}`));
  }
  if (e.request.body) words.push("--data-binary", quote(e.request.body));
  return words.join(" ") + (e.request.truncated ? `  # the body was cut: it had ${e.request.size} bytes` : "");
}

async function why(e) {
  const box = el("div", { class: "why-box" }, el("h4", {}, "Why this answer"));
  const account = e.account ?? "";
  const rule = async (path, id) => {
    try {
      return (await call(path, { account })).data.find((one) => one.id === id);
    } catch {
      return undefined;
    }
  };
  const asked = (name) => e.request.headers.find(([key]) => key === name)?.[1];
  if (e.fault === "header") box.append(el("p", {}, "A fault that the request asked for: ", el("code", {}, `x-mock-fault: ${asked("x-mock-fault") ?? ""}`)));
  else if (e.fault) box.append(...shown("Fault", e.fault, await rule("/faults", e.fault)));
  if (e.reply === "default") box.append(el("p", {}, "No reply rule fits: the default answer, the same every time."));
  else if (e.reply) box.append(...shown("Reply", e.reply, await rule("/replies", e.reply)));
  if (e.near_misses.length) box.append(el("h4", {}, "Replies that came near"), el("ul", {}, ...e.near_misses.map((one) => el("li", {}, one))));
  if (e.warnings.length) box.append(el("h4", {}, "Warnings"), el("ul", { class: "warnings" }, ...e.warnings.map((one) => el("li", {}, one))));
  if (box.childElementCount === 1) box.append(el("p", { class: "quiet" }, "No fault and no reply had a part in it: it came from the state and the request."));
  return box;
}

function shown(kind, id, rule) {
  const line = el("p", {}, `${kind} `, el("code", {}, id));
  if (!rule) return [line];
  const source = rule.file ? `${rule.file}${rule.line ? `:${rule.line}` : ""}` : rule.source ?? "api";
  line.append(source === "api" ? " from the admin API" : ` from ${source}`);
  return [line, el("details", {}, el("summary", {}, "The rule"), pre(JSON.stringify(rule, null, 2), `${kind} rule`))];
}

function listen(e, id, n) {
  const box = el("div", { class: "listen" });
  const play = el("button", { onclick: told(async () => {
    const answer = await fetched(`/syntheses/${encodeURIComponent(id)}`, { account: e.account });
    const address = URL.createObjectURL(await answer.blob());
    audio.push(address);
    const player = el("audio", { controls: true, "aria-label": "What was said" });
    player.src = address;
    box.replaceChildren(el("p", {}, "“", decodeURIComponent(answer.headers.get("x-spoken-text")), "”"), player);
    player.focus();
  }) }, `Listen to what was said${n ? ` (${n + 1})` : ""}`);
  box.append(play);
  return box;
}

function side(title, side) {
  return el("section", { class: "side" }, el("h4", {}, title, el("span", { class: "quiet" }, ` ${side.size} bytes`)),
    headers(title, side), ...body(title, side));
}

function headers(title, side) {
  return el("details", {}, el("summary", {}, `${side.headers.length} headers`),
    pre(side.headers.map(([name, value]) => `${name}: ${value}`).join("\n"), `${title} headers`));
}

function body(title, side) {
  const cut = side.truncated ? [el("p", { class: "quiet" }, `The first 16 KB of ${side.size} bytes.`)] : [];
  return side.body ? [pre(pretty(side.body), `${title} body`), ...cut] : [];
}

function response(e) {
  const type = e.response.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (!type.startsWith("text/event-stream")) {
    if (/^(audio|video|image)\/|octet-stream/.test(type)) {
      return el("section", { class: "side" }, el("h4", {}, "Response", el("span", { class: "quiet" }, ` ${e.response.size} bytes of ${type}`)), headers("Response", e.response));
    }
    return side("Response", e.response);
  }
  const events = e.response.body.split(/\r?\n\r?\n/).filter(Boolean);
  const text = events.map(spoken).join("");
  return el("section", { class: "side" }, el("h4", {}, "Response", el("span", { class: "quiet" }, ` a stream of ${events.length} events`)),
    headers("Response", e.response),
    text && pre(text, "The text, put together"),
    el("details", { open: events.length <= 30 }, el("summary", {}, "As it came"),
      el("ol", { class: "events" }, ...events.map((event) => el("li", {}, el("code", {}, event))))),
    e.response.truncated && el("p", { class: "quiet" }, `The first 16 KB of ${e.response.size} bytes.`));
}

function spoken(event) {
  try {
    return JSON.parse(event.replace(/^data: /m, "")).choices?.[0]?.delta?.content ?? "";
  } catch {
    return "";
  }
}

function frames(frames) {
  const way = (title, one) => el("div", {}, el("h4", {}, title, el("span", { class: "quiet" }, ` ${one.count} frames, ${one.size} bytes`)),
    one.first && el("p", { class: "quiet" }, "The first"), one.first && frame(one.first, `${title}: first frame`),
    one.count > 1 && el("p", { class: "quiet" }, "The last"), one.count > 1 && frame(one.last, `${title}: last frame`));
  const end = frames.close;
  return el("section", { class: "side" }, way("Frames from the client", frames.received), way("Frames from the server", frames.sent),
    el("p", {}, end ? `Closed by the ${end.by} with ${end.code}${end.reason ? `: ${end.reason}` : ""}.` : "Open."));
}

const frame = (one, label) => pre(one.text !== undefined ? pretty(one.text) : `(binary, base64) ${one.base64}`, label);
