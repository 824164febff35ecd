// Starts the console: the parts, the account that is picked, the stream of exchanges.
import { call, follow, picked } from "./api.js";
import { el, find, say, told } from "./dom.js";
import * as exchanges from "./exchanges.js";
import * as panels from "./panels.js";

const PARTS = ["exchanges", "faults", "state", "jobs", "clock"];
let stop = new AbortController();
const shortened = (id) => `${id.slice(0, 13)}…`;

function live(text, tone) {
  find("live").textContent = text;
  find("live").className = `pill ${tone}`;
}

const reload = told(exchanges.load);

function watch() {
  stop.abort();
  stop = new AbortController();
  follow({
    open: async () => { await reload(); live("live", "good"); },
    exchanges: ({ data, missed }) => { exchanges.add(data, missed); accountsSoon(data); },
    emptied: reload,
    lost: () => live("no connection", "bad"),
  }, stop.signal);
}

const seen = new Set();
function accountsSoon(batch) {
  if (batch.some((e) => e.account && !seen.has(e.account))) accounts();
}

const accounts = told(async () => {
  const { data } = await call("/accounts", { account: "" });
  data.forEach((one) => seen.add(one.id));
  const options = data.map((one) => el("option", { value: one.id, selected: one.id === picked.account }, `${shortened(one.id)} (${one.exchanges})`));
  find("account").replaceChildren(el("option", { value: "" }, "All accounts"), ...options);
});

find("account").addEventListener("change", () => {
  picked.account = find("account").value;
  watch();
  show();
});
find("account").addEventListener("focus", accounts);

const show = told(async () => {
  const [part, id] = location.hash.slice(1).split("/");
  const name = PARTS.includes(part) ? part : "exchanges";
  for (const other of PARTS) find(other).hidden = other !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  panels.leave();
  if (name === "exchanges") await exchanges.route(id && decodeURIComponent(id));
  else await panels[name](find(name).querySelector(".body"));
});

addEventListener("hashchange", show);

told(async () => {
  const health = await call("/health", { account: "" });
  find("about").textContent = `${health.version}, ${health.profile}`;
  await accounts();
  watch();
  await show();
})();

addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? "Something went wrong.", true));
