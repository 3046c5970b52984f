// What the page does beyond its forms: saves without a reload, and shows what arrives while it arrives.
// Every form works without this file, and this file asks the server for nothing that a form or a link would not.

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const FEED_ROWS = 40;

document.documentElement.classList.add("js");

// --- what arrives ----------------------------------------------------------------------------------------------------

const live = byId("live");
const stream = new EventSource(`/api/stream?after=${byId("feed").dataset.last}`);
let waiting = null;
let lastAsked = 0;
let lastAnswered = 0;
let epoch = byId("feed").dataset.last.split("-")[0];

function say(state, text) {
  if (live.textContent === text) return;
  live.dataset.state = state;
  live.textContent = text;
}

stream.addEventListener("open", () => say("on", "live"));
stream.addEventListener("error", () => say("lost", "connecting"));
for (const name of ["project", "faults"]) {
  stream.addEventListener(name, (message) => {
    // The first on each connection says what holds there, which may be what the page shows already.
    const state = read(message)?.state;
    if (state !== undefined && state !== byId("meta").dataset.state) refresh();
  });
}
stream.addEventListener("update", (message) => {
  const update = read(message);
  if (update === null) return;
  if (waiting === null) requestAnimationFrame(show);
  // Of messages that come faster than they are shown, the counters of the last count, and the rows of all.
  else if (waiting.epoch === update.epoch) update.feed = [...update.feed, ...waiting.feed].slice(0, FEED_ROWS);
  waiting = update;
});

/** What cannot be read is not shown, and then the page does not say that it is live. */
function read(message) {
  try {
    const data = JSON.parse(message.data);
    if (message.type === "update") say("on", "live");
    return data;
  } catch {
    say("lost", "unreadable, reload");
    return null;
  }
}

function show() {
  const update = waiting;
  waiting = null;
  byId("total").textContent = number.format(update.total);
  byId("refused").textContent = number.format(update.refused);
  byId("dismiss").hidden = update.refused === 0;
  byId("no-events").hidden = update.total > 0;
  const feed = byId("feed");
  if (update.epoch !== epoch) feed.replaceChildren();
  epoch = update.epoch;
  feed.prepend(...update.feed.map(row));
  while (feed.children.length > FEED_ROWS) feed.lastElementChild.remove();
  byId("refusals").replaceChildren(...update.refusals.map(refusal));
  showCounts(update);
}

function row(data) {
  const item = document.createElement("li");
  item.className = data.kind;
  item.append(part("time", "", data.time));
  for (const name of ["kind", "user", "what", "detail"]) item.append(part("span", name, data[name]));
  return item;
}

function refusal(data) {
  const box = part("div", "refusal", "");
  const head = document.createElement("p");
  head.append(part("time", "", data.time), ` ${data.what}`);
  const list = document.createElement("ul");
  list.append(...data.problems.map((problem) => part("li", "", problem)));
  box.append(head, list);
  return box;
}

function part(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

function showCounts(update) {
  const counts = new Map(update.exposures.map((item) => [JSON.stringify([item.flag, item.rule, item.variation]), item]));
  const conversions = new Map(update.conversions.map((item) => [JSON.stringify([item.flag, item.variation]), item.words]));
  for (const target of document.querySelectorAll(".target")) {
    const { flag } = target.dataset;
    const rule = JSON.parse(target.dataset.rule);
    const rows = [...target.querySelectorAll("[data-variation]")];
    const of = (element) => counts.get(JSON.stringify([flag, rule, element.dataset.variation]))?.count ?? 0;
    const total = rows.reduce((sum, element) => sum + of(element), 0);
    for (const element of rows) {
      const share = total ? (100 * of(element)) / total : 0;
      put(element, "observed", total ? `${Number(share.toFixed(1))} %` : "–");
      put(element, "count", number.format(of(element)));
      element.querySelector(".fill")?.setAttribute("width", `${share}%`);
      const dealt = Number(element.dataset.configured) > 0;
      put(element, "conversions", (dealt && conversions.get(JSON.stringify([flag, element.dataset.variation]))) || "");
    }
    const note = target.closest("details")?.querySelector("[data-total]");
    if (note) note.textContent = total ? ` · ${number.format(total)} exposures` : "";
  }
}

function put(element, name, text) {
  const place = element.querySelector(`[data-part="${name}"]`);
  if (place && place.textContent !== text) place.textContent = text;
}

// --- forms -----------------------------------------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  if (form.method === "get") {
    const query = new URLSearchParams(new FormData(form));
    history.replaceState(null, "", `/?${query}`);
    await refresh();
    return;
  }
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
  if (answer === null) {
    say("lost", "not saved: no connection");
    return;
  }
  const page = parse(await answer.text());
  // Saved, or changed by somebody else meanwhile: what holds is shown then, and not what was written.
  if (answer.ok || page.querySelector("[data-superseded]")) delete form.dataset.dirty;
  // The answer is the page without its query: what was asked of "who gets what" is asked again.
  delete byId("outcome").firstElementChild?.dataset.superseded;
  if (!answer.ok || !location.search) swap(page);
  // And what is on its way may be of before the answer, or of after it.
  if ((answer.ok && location.search) || lastAnswered < lastAsked) await refresh();
  byId("said").textContent = answer.ok ? "Saved." : byId("outcome").textContent.trim();
});

async function refresh() {
  const mine = ++lastAsked;
  const answer = await fetch(`/${location.search}`).catch(() => null);
  const html = answer?.ok && (await answer.text());
  lastAnswered = Math.max(lastAnswered, mine);
  if (html && mine === lastAsked) swap(parse(html)); // else a later one has, or will have, what is newer
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

/** Take over what is different in another rendering of the page, but nothing that somebody is writing in. */
function swap(page) {
  const focused = document.activeElement?.id;
  const cards = [...document.querySelectorAll(".flag")];
  const fresh = [...page.querySelectorAll(".flag")];
  const keys = (list) => JSON.stringify(list.map((card) => card.dataset.flag));
  if (keys(cards) !== keys(fresh)) take(byId("flags"), page.getElementById("flags"));
  else cards.forEach((card, index) => takeCard(card, fresh[index]));
  for (const id of ["notices", "meta", "answers"]) take(byId(id), page.getElementById(id));
  // That something was not saved stays to be read until something else is done.
  if (!byId("outcome").querySelector("[data-superseded]")) take(byId("outcome"), page.getElementById("outcome"));
  if (!byId("faults").querySelector("[data-dirty]")) take(byId("faults"), page.getElementById("faults"));
  prepare();
  if (focused && document.activeElement?.id !== focused) byId(focused)?.focus({ preventScroll: true });
}

/** Of a card in which somebody is writing, all but the forms in which they are. */
function takeCard(old, fresh) {
  const written = [...old.querySelectorAll(".target[data-dirty]")];
  const forms = (card) => [...card.querySelectorAll(".target")];
  const ids = (card) => JSON.stringify(forms(card).map((form) => form.id));
  if (!written.length || !written.every((form) => fresh.querySelector(`#${CSS.escape(form.id)}`))) take(old, fresh);
  else if (ids(old) === ids(fresh)) {
    const others = forms(fresh);
    forms(old).forEach((form, index) => written.includes(form) || take(form, others[index]));
    take(old.querySelector("header"), fresh.querySelector("header"));
  }
}

function take(old, fresh) {
  const open = [...old.querySelectorAll("details[open][id]")].map((element) => element.id);
  for (const id of open) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  if (old.outerHTML !== fresh.outerHTML) old.replaceWith(document.adoptNode(fresh));
}

/** Sliders are of no use without this file, so they come hidden. */
function prepare() {
  for (const slider of document.querySelectorAll("input[data-follows][hidden]")) slider.hidden = false;
}

document.addEventListener("input", ({ target: input }) => {
  const form = input.closest(".target, .fault");
  if (!form) return;
  form.dataset.dirty = "";
  if (input.dataset.follows) byId(input.dataset.follows).value = input.value;
  const slider = input.id && form.querySelector(`[data-follows="${CSS.escape(input.id)}"]`);
  if (slider) slider.value = input.value;
  const shares = [...form.querySelectorAll('[name^="split."]')];
  if (shares.length) {
    const changed = shares.some((share) => share.value !== share.defaultValue);
    const sum = Math.round(shares.reduce((total, share) => total + Number(share.value), 0) * 100) / 100;
    const wrong = changed && sum !== 100;
    form.querySelector(".sum").textContent = wrong ? `The split makes ${sum} %, not 100 %` : "";
    form.querySelector(".save button").disabled = wrong;
  }
});

prepare();
