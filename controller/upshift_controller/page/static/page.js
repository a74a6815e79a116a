// Keeps a view as it is now. Without it the page works all the same, and is from when it was loaded.
"use strict";

(() => {
  const SOON_MS = 300, AFTER_MS = 1500, AWAY_EACH_MS = 3000, BUSY_EACH_MS = 5000, QUIET_EACH_MS = 30000;
  const link = document.getElementById("link"), asof = document.getElementById("asof");
  const live = () => document.querySelector("[data-live]");
  // What time it is there: this machine's clock may be wrong, its pace is not.
  let there = Date.parse(asof.dateTime), since = performance.now();
  const clock = (ms) => `${new Date(ms).toISOString().slice(11, 19)} UTC`;
  let awayAt = null, timer = null, looking = false, again = false, eager = 0;

  // Time that is left is counted here, from the moment it came: this machine's clock may be wrong.
  const words = (ms) => {
    const s = Math.max(0, Math.ceil(ms / 1000)), two = (n) => String(n).padStart(2, "0");
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
    const m = Math.floor(s / 60), h = Math.floor(m / 60);
    return h < 48 ? `${h} h ${two(m % 60)} min` : `${Math.floor(h / 24)} d ${two(h % 24)} h`;
  };
  const begin = (root) => {
    for (const it of root.querySelectorAll("[data-left]")) {
      it.endsAt = performance.now() + Number(it.dataset.left);
    }
  };
  const tick = () => {
    let ended = false;
    for (const it of document.querySelectorAll("[data-left]")) {
      const left = it.endsAt - performance.now(), text = words(left);
      if (it.textContent !== text) it.textContent = text;
      ended ||= left <= 0 && left > -2000;
    }
    if (ended) soon();
  };

  const away = (why) => {
    awayAt ??= there;
    const text = `${why} What is shown is from ${clock(awayAt)}; boosts end on time all the same.`;
    if (link.textContent !== text) link.textContent = text;
    link.hidden = false;
  };
  const back = (date) => {
    there = Date.parse(date) || there + performance.now() - since;
    since = performance.now();
    awayAt = null;
    link.hidden = true;
    asof.textContent = clock(there);
  };

  // Only what differs is put in place, so that focus, selection and scrolling stay.
  const put = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-live]");
    const old = live();
    if (!fresh || !old) return;
    const ids = (root) => [...root.children].map((it) => it.id).join();
    const focused = document.activeElement, key = focused && old.contains(focused) && where(focused);
    if (ids(fresh) !== ids(old)) {
      old.replaceChildren(...fresh.children);
      begin(old);
    } else {
      for (const part of [...fresh.children]) {
        const former = document.getElementById(part.id);
        if (same(former) === same(part)) {
          const fresh = part.querySelectorAll("[data-left]");
          former.querySelectorAll("[data-left]").forEach((it, n) => { it.dataset.left = fresh[n].dataset.left; });
          begin(former);
          continue;
        }
        const scrolled = [...former.querySelectorAll(".scroll")].map((it) => it.scrollLeft);
        former.replaceWith(part);
        part.querySelectorAll(".scroll").forEach((it, n) => { it.scrollLeft = scrolled[n] ?? 0; });
        begin(part);
      }
    }
    if (key && !old.contains(document.activeElement)) {
      [...old.querySelectorAll("a, button, [tabindex]")].find((it) => where(it) === key)?.focus();
    }
  };
  const where = (it) => `${it.tagName} ${it.getAttribute("href") ?? it.getAttribute("aria-label") ?? it.className}`;
  const same = (part) => {
    const copy = part.cloneNode(true);
    for (const it of copy.querySelectorAll("[data-left]")) {
      // What runs out runs on by itself.
      it.textContent = "";
      it.removeAttribute("data-left");
    }
    return copy.innerHTML;
  };

  const look = async () => {
    if (looking) { again = true; return; }
    looking = true;
    clearTimeout(timer);
    try {
      const url = new URL(location.href);
      url.searchParams.set("part", "1");
      const answer = await fetch(url, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (answer.type === "opaqueredirect" || answer.status === 401) location.reload();
      else if (answer.ok) { put(await answer.text()); back(answer.headers.get("Date")); }
      else away(said(await answer.text()) ?? `The controller answers ${answer.status}.`);
    } catch {
      away("The controller is away.");
    }
    looking = false;
    const busy = document.querySelector("[data-left], .alarm");
    timer = setTimeout(() => document.hidden || look(), again ? SOON_MS : eager-- > 0 ? AFTER_MS : awayAt ? AWAY_EACH_MS : (busy ? BUSY_EACH_MS : QUIET_EACH_MS) * (0.9 + 0.2 * Math.random()));
    again = false;
  };
  // After a change come its agents, one by one.
  const changed = () => { eager = 3; soon(); };
  const said = (text) => {
    const error = new DOMParser().parseFromString(text, "text/html").getElementById("error");
    return error && [...error.children].map((it) => it.textContent.trim().replace(/[^.]$/, "$&.")).join(" ");
  };
  let due = null;
  const soon = () => { due ??= setTimeout(() => { due = null; look(); }, SOON_MS * (0.5 + Math.random())); };

  if (!live()) return;
  begin(document);
  setInterval(tick, 500);
  timer = setTimeout(look, BUSY_EACH_MS);
  const listen = () => {
    const news = new EventSource("/live");
    news.addEventListener("news", changed);
    news.addEventListener("open", () => { if (awayAt) soon(); });
    news.addEventListener("error", () => {
      soon();
      if (news.readyState === EventSource.CLOSED) setTimeout(listen, BUSY_EACH_MS);
    });
  };
  listen();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
})();
