// The list of exchanges: as they come, filtered, with only the rows in sight in the document.
import { call } from "./api.js";
import { el, failed, find, say, told, tone } from "./dom.js";
import { close, open } from "./exchange.js";

const MOST = 1000;
const EXTRA = 8; // rows beyond those in sight
let all = []; // oldest first
let shown = []; // newest first
let active = null; // id of the row the keys are at
let inBodies = null; // ids whose bodies have the search text
let paused = false;
let waiting = []; // what came while paused
let drawn = new Map();
let due = false;
let missed = 0;

const list = find("list");
const rows = find("rows");
const rowHeight = () => (matchMedia("(max-width: 760px)").matches ? 58 : 36);

export async function load() {
  const found = await call("/requests?brief=true&limit=1000");
  all = found.data.reverse();
  waiting = [];
  missed = 0;
  filter();
}

export function add(batch, notSeen) {
  missed += notSeen;
  if (paused) waiting = waiting.concat(batch).slice(-MOST);
  else take(batch);
  if (paused) count();
}

function take(batch) {
  const known = new Set(all.slice(-300).map((e) => e.id));
  const fresh = batch.filter((e) => !known.has(e.id));
  all = all.concat(fresh).slice(-MOST);
  const before = shown[0];
  filter();
  if (list.scrollTop > rowHeight() && before) {
    list.scrollTop += shown.indexOf(before) * rowHeight(); // who reads further down stays where they are
  }
  if (inBodies) searchBodies();
}

function fits(e) {
  const which = find("which").value;
  if (which === "failed" && !failed(e)) return false;
  if (which === "socket" && e.kind !== "socket") return false;
  if (which === "fault" && !e.fault) return false;
  if (which === "told" && !e.warnings.length && !e.near_misses.length) return false;
  const text = find("search").value.trim().toLowerCase();
  if (!text) return true;
  const line = [e.method, e.path, e.query, e.operation, e.status, e.ended, e.fault, e.reply, e.id, e.account, ...e.warnings];
  return line.join(" ").toLowerCase().includes(text) || Boolean(inBodies?.has(e.id));
}

function filter() {
  shown = all.filter(fits).reverse();
  count();
  draw();
}

function count() {
  const some = shown.length === all.length ? `${all.length} exchanges` : `${shown.length} of ${all.length} exchanges`;
  const held = paused && waiting.length ? `, ${waiting.length} more while paused` : "";
  const text = some + held + (missed ? `, ${missed} came too fast to show` : "");
  if (find("count").textContent !== text) find("count").textContent = text;
}

let timer;
function searchBodies() {
  clearTimeout(timer);
  timer = setTimeout(told(async () => {
    const text = find("search").value.trim();
    inBodies = null;
    if (text) {
      const found = await call(`/requests?brief=true&limit=1000&text=${encodeURIComponent(text)}`);
      inBodies = new Set(found.data.map((e) => e.id));
    }
    filter();
  }), 250);
}

function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    const height = rowHeight();
    const { scrollTop, clientHeight } = list; // read before anything is written, or the page is laid out twice
    const whole = `${Math.max(shown.length * height, 1)}px`;
    if (rows.style.height !== whole) rows.style.height = whole;
    const first = Math.max(0, Math.floor(scrollTop / height) - EXTRA);
    const last = Math.min(shown.length, Math.ceil((scrollTop + clientHeight) / height) + EXTRA);
    const kept = new Map();
    for (let i = first; i < last; i++) {
      const e = shown[i];
      const row = drawn.get(e.id) ?? makeRow(e);
      row.style.transform = `translateY(${i * height}px)`;
      row.setAttribute("aria-posinset", i + 1);
      row.setAttribute("aria-setsize", shown.length);
      row.setAttribute("aria-selected", String(e.id === active));
      kept.set(e.id, row);
    }
    for (const [id, row] of drawn) if (!kept.has(id)) row.remove();
    let next = rows.firstChild; // in the order in which they are read out
    for (const row of kept.values()) {
      if (row === next) next = next.nextSibling;
      else rows.insertBefore(row, next);
    }
    drawn = kept;
    if (active && kept.has(active)) list.setAttribute("aria-activedescendant", `x-${active}`);
    else list.removeAttribute("aria-activedescendant");
    list.classList.toggle("empty", !shown.length);
  });
}

function makeRow(e) {
  const why = e.fault === "header" || e.fault === "key" ? `fault by ${e.fault}` : e.fault ? e.fault : e.reply && e.reply !== "default" ? e.reply : "";
  const status = e.status || "none";
  const told = e.warnings.length + e.near_misses.length;
  const row = el("div", { role: "option", id: `x-${e.id}`, class: "row" },
    el("span", { class: "time" }, e.at.slice(11, 23)),
    el("span", { class: `status ${tone(e)}` }, status),
    el("span", { class: "method" }, e.kind === "socket" ? "WS" : e.method),
    el("span", { class: "path" }, e.path + (e.query ? `?${e.query}` : "")),
    el("span", { class: "why" }, why + (told ? ` ⚠${told}` : "") + (e.ended === "complete" ? "" : ` ${e.ended.replace("_", " ")}`)),
    el("span", { class: "ms" }, `${e.duration_ms.toFixed(e.duration_ms < 10 ? 1 : 0)} ms`));
  row.addEventListener("click", () => go(shown.findIndex((x) => x.id === e.id), true));
  return row;
}

function go(index, opened) {
  if (!shown.length) return;
  const at = Math.min(Math.max(index, 0), shown.length - 1);
  active = shown[at].id;
  const height = rowHeight();
  if (at * height < list.scrollTop) list.scrollTop = at * height;
  else if ((at + 1) * height > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * height - list.clientHeight;
  draw();
  if (opened) {
    location.hash = `exchanges/${active}`;
    if (matchMedia("(max-width: 760px)").matches) find("detail").focus();
  }
}

list.addEventListener("keydown", (event) => {
  const at = shown.findIndex((e) => e.id === active);
  const page = Math.max(1, Math.floor(list.clientHeight / rowHeight()) - 1);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + page, PageUp: at - page }[event.key];
  if (to !== undefined) go(to, false);
  else if (event.key === "Enter" || event.key === " ") go(at, true);
  else return;
  event.preventDefault();
});

export function route(id) {
  document.body.classList.toggle("opened", Boolean(id));
  if (!id) return close();
  active = id;
  draw();
  return open(id);
}

list.addEventListener("scroll", draw, { passive: true });
new ResizeObserver(draw).observe(list);
find("filters").addEventListener("submit", (event) => event.preventDefault());
find("search").addEventListener("input", () => { filter(); searchBodies(); });
find("which").addEventListener("change", filter);
find("pause").addEventListener("click", () => {
  paused = !paused;
  find("pause").setAttribute("aria-pressed", String(paused));
  find("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) take(waiting.splice(0));
});
find("forget").addEventListener("click", told(async () => {
  const { deleted } = await call("/requests", { method: "DELETE" });
  say(`${deleted} exchanges forgotten.`);
}));
