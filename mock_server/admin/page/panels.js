// The parts beside the exchanges: faults and scenarios, state, jobs, clock.
import { call, picked } from "./api.js";
import { el, say, table, told, when } from "./dom.js";

let timer;
export const leave = () => clearInterval(timer);
const whose = () => (picked.account ? `account ${picked.account}` : "every account");
const note = () => el("p", { class: "quiet" }, `What you change here is for ${whose()}. Pick another at the top.`);
const field = (label, control) => el("label", { class: "field" }, label, control);
const then = (body, part, run) => told(async (event) => { await run(event); await part(body); });

export async function faults(body) {
  const [rules, scenario, operations] = await Promise.all([call("/faults"), call("/scenario"), call("/operations")]);
  const on = scenario.data.name;
  const effect = el("input", { name: "effect", value: "429", required: true, list: "effects", autocomplete: "off" });
  const operation = el("input", { name: "operation", list: "operations", placeholder: "all of them", autocomplete: "off" });
  const times = el("input", { name: "times", type: "number", min: "1", max: "1000000", placeholder: "always" });
  const add = then(body, faults, async () => {
    await call("/faults", { method: "POST", json: {
      effect: effect.value.trim(),
      ...(operation.value.trim() ? { match: { operation: operation.value.trim() } } : {}),
      ...(times.value ? { times: Number(times.value) } : {}),
    } });
    say("The fault is on.");
  });
  const ids = operations.data.filter((one) => one.emulated).map((one) => one.id);
  const remove = (rule) => rule.source === "api"
    ? el("button", { "aria-label": `Remove fault ${rule.id}`, onclick: then(body, faults, () => call(`/faults/${encodeURIComponent(rule.id)}`, { method: "DELETE", account: rule.account ?? "" })) }, "Remove")
    : rule.source;
  body.replaceChildren(note(),
    el("div", { class: "card" }, el("h3", {}, "Add a fault"),
      el("form", { class: "bar", onsubmit: add }, field("Effect", effect), field("Operation", operation), field("Times", times),
        el("button", { class: "main" }, "Switch on")),
      el("p", { class: "quiet small" }, "An effect is a status (429;retry-after=2), hang, disconnect, malformed, delay=2, cut=3, and others of the header x-mock-fault."),
      el("datalist", { id: "effects" }, ...["429;retry-after=1", "500", "503", "401", "hang", "disconnect", "malformed", "delay=2", "cut=3"].map((value) => el("option", { value }))),
      el("datalist", { id: "operations" }, ...ids.map((value) => el("option", { value })))),
    rules.data.length
      ? table("Fault rules", ["Rule", "Effect", "For", "Account", "Used", ""], rules.data.map((rule) => [
        rule.id, el("code", {}, JSON.stringify(rule.effect ?? rule.effects)), el("code", {}, rule.match ? JSON.stringify(rule.match) : "all"),
        rule.account ?? "every one", `${rule.used}${rule.times ? ` of ${rule.times}` : ""}`, remove(rule)]))
      : el("p", { class: "quiet" }, "No fault is on."),
    el("h3", {}, "Scenarios"),
    el("ul", { class: "cards" }, ...scenario.scenarios.map((one) => el("li", { class: "card" },
      el("h4", {}, one.name), el("p", {}, one.about),
      el("button", { "aria-pressed": String(one.name === on), "aria-label": `Scenario ${one.name}`, class: one.name === on ? "main" : "",
        onclick: then(body, faults, () => one.name === on ? call("/scenario", { method: "DELETE" }) : call("/scenario", { method: "POST", json: { name: one.name } })) },
      one.name === on ? "On: switch off" : "Switch on")))));
}

export async function state(body) {
  const { data } = await call("/state");
  const shown = el("div", {});
  const rows = async (name, offset = 0) => {
    const size = 50;
    const found = (await call(`/state/${encodeURIComponent(name)}?limit=${size}&offset=${offset}`)).data;
    const columns = Object.keys(found[0] ?? {});
    const cell = (column, value) => (column.endsWith("_at") && typeof value === "number" ? when(value) : value ?? "–");
    shown.replaceChildren(el("h3", { tabindex: "-1" }, name),
      table(`Rows of ${name}`, columns, found.map((row) => columns.map((column) => el("span", { class: "cell" }, cell(column, row[column]))))),
      el("p", { class: "buttons" },
        el("button", { disabled: offset === 0, onclick: told(() => rows(name, Math.max(0, offset - size))) }, "Newer"),
        el("button", { disabled: offset + found.length >= data.rows[name], onclick: told(() => rows(name, offset + size)) }, "Older"),
        ` ${offset + 1} to ${offset + found.length} of ${data.rows[name]}`));
    shown.firstChild.focus();
  };
  const names = Object.keys(data.rows);
  const number = (name, value) => el("div", { class: "card number" }, el("strong", {}, value), el("span", { class: "quiet" }, name));
  body.replaceChildren(el("p", { class: "quiet" }, `What ${whose()} keeps.`),
    el("div", { class: "cards" }, number("objects", data.objects), number("bytes", data.bytes), number("fault rules", data.faults),
      number("reply rules", data.replies), number("snapshots", data.snapshots)),
    el("h3", {}, "Tables"),
    names.length ? el("p", { class: "buttons" }, ...names.map((name) => el("button", { onclick: told(() => rows(name)) }, `${name} (${data.rows[name]})`)))
      : el("p", { class: "quiet" }, "No rows yet."),
    shown,
    el("p", { class: "buttons" }, el("button", { class: "danger", onclick: then(body, state, async () => {
      if (!confirm(`Everything of ${whose()} as new: rows, rules, counters, clock, journal?`)) return;
      await call("/reset", { method: "POST" });
      say("As new.");
    }) }, picked.account ? "Reset this account" : "Reset the server")));
}

export async function jobs(body) {
  const [plans, found] = await Promise.all([call("/plans"), call("/jobs")]);
  const put = (kind, text) => then(body, jobs, async () => {
    await call("/plans", { method: "PUT", json: { [kind]: text() } });
    say(`New jobs of ${kind} go by the new plan.`);
  });
  const steps = (job) => job.steps.map((step) => `${step.status}@${step.at}`).join(", ") + (job.by_poll ? " (by reads)" : "");
  body.replaceChildren(note(), el("h3", {}, "Plans for new jobs"),
    el("ul", { class: "cards" }, ...plans.data.map((plan) => {
      const input = el("input", { value: plan.plan, list: `plan-${plan.kind}`, autocomplete: "off" });
      return el("li", { class: "card" }, el("h4", {}, plan.kind),
        el("form", { onsubmit: put(plan.kind, () => input.value.trim() || null) }, field("Plan", input),
          el("datalist", { id: `plan-${plan.kind}` }, ...["immediate", "stuck", ...plan.ends].map((value) => el("option", { value }))),
          el("p", { class: "buttons" }, el("button", { class: "main" }, "Set"),
            el("button", { type: "button", onclick: put(plan.kind, () => null) }, "Take back"))),
        el("p", { class: "quiet small" }, `From ${plan.source}. Ends: ${plan.ends.join(", ")}.`));
    })),
    ...Object.entries(found.data).flatMap(([name, rows]) => [el("h3", {}, name),
      table(`Jobs in ${name}`, ["Id", "By its plan", "Plan", "Age", "Reads", "Account"], rows.map((job) => [
        job.id, el("strong", {}, job.planned), steps(job), `${job.age.toFixed(1)} s`, job.polls, job.account]))]),
    Object.keys(found.data).length ? "" : el("p", { class: "quiet" }, "No jobs yet."));
}

export async function clock(body) {
  const now = el("p", { class: "clock" });
  const how = el("p", { class: "quiet", role: "status" });
  const tick = async () => {
    const at = await call("/clock");
    now.textContent = at.now.replace("T", " ").replace("Z", " UTC");
    const text = at.speed === 0 ? "Frozen." : at.speed === 1 ? "Runs as fast as real time." : `Runs ${at.speed} times as fast as real time.`;
    if (how.textContent !== text) how.textContent = text;
  };
  const move = (json) => told(async () => { await call("/clock", { method: "POST", json: typeof json === "function" ? json() : json }); await tick(); });
  const seconds = el("input", { type: "number", step: "any", value: "60", required: true });
  const instant = el("input", { placeholder: "2026-01-31T12:00:00Z", required: true });
  const speed = el("input", { type: "number", min: "0", max: "1000000", step: "any", value: "1", required: true });
  const form = (label, input, button, json) => el("form", { class: "bar", onsubmit: move(json) }, field(label, input), el("button", { class: "main" }, button));
  await tick();
  leave();
  timer = setInterval(() => tick().catch(() => {}), 1000);
  body.replaceChildren(el("p", { class: "quiet" }, picked.account ? `The time of account ${picked.account}.` : "The time of the server, which accounts follow unless moved."), now, how,
    el("p", { class: "buttons" }, el("button", { onclick: move({ freeze: true }) }, "Freeze"), el("button", { onclick: move({ freeze: false }) }, "Let it run"),
      el("button", { onclick: move({ advance: 1 }) }, "+1 s"), el("button", { onclick: move({ advance: 60 }) }, "+1 min"),
      el("button", { onclick: move({ advance: 3600 }) }, "+1 h"), el("button", { onclick: move({ advance: 86400 }) }, "+1 day"),
      el("button", { onclick: move(() => ({ set: new Date().toISOString(), freeze: false })) }, "Back to real time")),
    form("Advance by seconds", seconds, "Advance", () => ({ advance: Number(seconds.value) })),
    form("Set to an instant", instant, "Set", () => ({ set: instant.value.trim() })),
    form("Speed", speed, "Set speed", () => ({ speed: Number(speed.value) })));
}
