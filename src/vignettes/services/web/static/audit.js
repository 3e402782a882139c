// Moves in time while the slider is moved. Without it a button does the same.
"use strict";
(() => {
  const form = document.getElementById("travel");
  if (!form) return;
  const slider = document.getElementById("version");
  const events = [...document.querySelectorAll("#story > li")];
  const PAUSE = 180;
  let timer = 0;
  let asked = null;

  const address = (version) => `${form.action}?version=${version}`;

  // What can be told without asking: which event it is, and which ones had not happened by then.
  const mark = () => {
    const version = Number(slider.value);
    const event = events[version - 1];
    document.getElementById("chosen").textContent = version;
    document.getElementById("said").textContent = event.dataset.said;
    slider.setAttribute("aria-valuetext", `Event ${version} of ${events.length}: ${event.dataset.said}`);
    events.forEach((each, index) => {
      each.classList.toggle("current", index + 1 === version);
      each.classList.toggle("later", index + 1 > version);
    });
  };

  const show = (fresh) => {
    const old = document.getElementById("then");
    const wasOpen = old.querySelector("details")?.open;
    old.replaceWith(fresh);
    const details = fresh.querySelector("details");
    if (details && wasOpen) details.open = true;
    document.getElementById("news").textContent = fresh.querySelector(".lead").textContent.replace(/\s+/g, " ").trim();
  };

  const move = async () => {
    asked?.abort();
    asked = new AbortController();
    const where = address(slider.value);
    try {
      const headers = { Accept: "text/html", "X-Audit-Fragment": "yes" };
      const answer = await fetch(where, { headers, signal: asked.signal });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("then");
      if (!fresh) return location.assign(where);
      show(fresh);
      history.replaceState(null, "", where);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(where);
    }
  };

  const moved = () => {
    mark();
    clearTimeout(timer);
    timer = setTimeout(move, PAUSE);
  };

  slider.addEventListener("input", moved);
  form.querySelector("button").hidden = true;
  document.getElementById("story").addEventListener("click", (event) => {
    const link = event.target.closest("a.to");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    slider.value = link.closest("li").dataset.version;
    moved();
  });
  // A slider that the browser remembers from before must not say another moment than the page shows.
  addEventListener("pageshow", () => {
    if (slider.value !== document.getElementById("then").dataset.version) moved();
  });
})();
