// Keeps the page for people on duty up to date, and sends what they do without leaving it. Without this it works as well.
"use strict";
(() => {
  const board = document.getElementById("board");
  const news = document.getElementById("news");
  // Whoever has sent a form without this script stands at its address, where there is nothing to look at.
  const BOARD = "/ops";
  const EVERY = 4000;
  const LONGEST = 30000;
  const PATIENCE = 15000;
  const NO_ANSWER = 500;
  const UNKNOWN = "No answer: press again, it is done once.";
  const NOT_TAKEN = "Not taken, nothing was done: load the page anew, and do it again.";
  let failures = 0;
  let timer = 0;
  let isSending = false;

  const shown = () => document.getElementById("shown");
  const live = (text, isStale) => {
    const place = document.getElementById("live");
    place.textContent = text;
    place.classList.toggle("stale", isStale);
  };

  // Whatever somebody has opened, is typing into, or has typed into, stays as it is until they are done with it. So does
  // a form of which nobody knows what became: only the same one, sent again, is the same command.
  const isInUse = (part) =>
    part.querySelector(".unsettled") ||
    [...part.querySelectorAll("input:not([type=hidden])")].some((each) => each.value !== "" || each === document.activeElement);
  const folds = (id) => [...(document.getElementById(id)?.querySelectorAll("details") || [])];
  const opened = () =>
    [...board.querySelectorAll("details[open]")].map((each) => {
      const home = each.id || each.closest("[id]").id;
      return [home, folds(home).indexOf(each)];
    });
  const withoutProofs = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[name=command_id], [name=proof]").forEach((each) => each.removeAttribute("value"));
    copy.querySelectorAll("details").forEach((each) => each.removeAttribute("open"));
    return copy.innerHTML;
  };

  const place = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("shown");
    if (!fresh) return false;
    const open = opened();
    const focus = document.activeElement;
    const home = focus.closest("[id]")?.id;
    const kept = [...shown().querySelectorAll(".part")].filter(isInUse);
    fresh.querySelectorAll(".part").forEach((part) => {
      const old = shown().querySelector(`#${CSS.escape(part.id)}`);
      if (old && (kept.includes(old) || withoutProofs(old) === withoutProofs(part))) part.replaceWith(old);
    });
    kept
      .filter((part) => part.querySelector(".unsettled") && !fresh.querySelector(`#${CSS.escape(part.id)}`))
      .forEach((part) => fresh.querySelector("#head").after(part));
    shown().replaceWith(fresh);
    open.forEach(([home, number]) => {
      const details = number < 0 ? document.getElementById(home) : folds(home)[number];
      if (details) details.open = true;
    });
    if (!focus.isConnected && home) {
      const again = [...(document.getElementById(home)?.querySelectorAll("a, button, summary") || [])];
      again.find((each) => each.textContent === focus.textContent)?.focus({ preventScroll: true });
    }
    return true;
  };

  const waiting = (root) => root.querySelector("#wanted")?.textContent.replace(/\s+/g, " ").trim();
  const asked = (address, how) =>
    fetch(address, {
      ...how,
      headers: { ...how.headers, Accept: "text/html", "X-Ops-Fragment": "yes" },
      signal: AbortSignal.timeout(PATIENCE),
    });

  const told = async (answer) => {
    if (answer.status === 401) {
      live("signed out: load the page anew to sign in", true);
      return false;
    }
    if (answer.status !== 304 && !place(await answer.text())) return false;
    const now = answer.headers.get("Vignettes-Now");
    if (now) document.getElementById("asof").textContent = `${now} UTC`;
    live("live", false);
    return true;
  };

  const look = async () => {
    const before = waiting(document);
    const headers = { "If-None-Match": `"${shown().dataset.sign}"` };
    const answer = await asked(BOARD + location.search, { headers });
    if (!answer.ok && answer.status !== 304) return answer.status === 401 && told(answer);
    if (!(await told(answer))) return false;
    if (waiting(document) !== before) news.textContent = waiting(document);
    return true;
  };

  const again = (pause) => {
    clearTimeout(timer);
    timer = setTimeout(tick, pause);
  };
  const tick = async () => {
    if (isSending || document.hidden) return again(EVERY);
    const isThere = await look().catch(() => false);
    failures = isThere ? 0 : failures + 1;
    if (failures === 2) live("no answer: this is old", true);
    again(Math.min(EVERY * 2 ** Math.min(failures, 3), LONGEST));
  };

  // What is said of a form stays beside it, whatever the board tells meanwhile.
  const settled = (form) => {
    form.classList.remove("unsettled");
    if (form.nextElementSibling?.matches(".notice")) form.nextElementSibling.remove();
  };
  const unsettled = (form, words) => {
    settled(form);
    const said = document.createElement("p");
    said.className = "notice act";
    said.textContent = words;
    form.classList.add("unsettled");
    form.after(said);
    form.querySelectorAll("button").forEach((each) => each.removeAttribute("aria-disabled"));
    news.textContent = words;
  };

  // A button is pressed once: the form has one command, and says what became of it where it stands.
  const sent = async (form, button) => {
    const answer = await asked(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
    if (answer.status >= NO_ANSWER) throw new Error("nobody knows what became of it");
    if (!answer.ok) return unsettled(form, NOT_TAKEN);
    settled(form);
    form.querySelectorAll("input:not([type=hidden])").forEach((each) => (each.value = ""));
    form.querySelectorAll("details").forEach((each) => (each.open = false));
    await told(answer);
    const notice = board.querySelector("#notice .notice, .entries .notice");
    if (!notice) return;
    news.textContent = notice.textContent;
    notice.tabIndex = -1;
    notice.focus({ preventScroll: false });
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!board.contains(form) || form.dataset.file !== undefined) return;
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    const button = event.submitter;
    form.querySelectorAll("button").forEach((each) => each.setAttribute("aria-disabled", "true"));
    sent(form, button)
      .catch(() => unsettled(form, UNKNOWN))
      .finally(() => {
        isSending = false;
        again(EVERY);
      });
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) again(0);
  });
  live("live", false);
  again(EVERY);
})();
