// Making elements. Whatever comes from outside goes in as text.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null && child !== false).map((c) => (c instanceof Node ? c : String(c))));
  return made;
}

export const find = (id) => document.getElementById(id);

export function say(text, bad = false) {
  const said = find("said");
  said.textContent = text;
  said.className = bad ? "bad shown" : "shown";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (said.className = ""), 4000);
}

/** Runs what a button does; what goes wrong is told. */
export const told = (run) => async (event) => {
  event?.preventDefault?.();
  try {
    await run(event);
  } catch (error) {
    say(error.message, true);
  }
};

export function table(caption, heads, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", { class: "sr" }, caption),
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)))))));
}

export const failed = (e) => e.status >= 400 || !e.status || e.ended !== "complete";

export function tone(e) {
  return e.status >= 500 || !e.status ? "bad" : failed(e) ? "warn" : "good";
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export const pre = (text, label) => el("pre", { tabindex: "0", role: "region", "aria-label": label }, text);

export const when = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", "");
