// What makes the pages of an order livelier. Without it they work as well: reloading shows what is new.
"use strict";
(() => {
  const order = document.getElementById("order");

  // A form is sent once, however often its button is pressed; stopped on its way, it can be sent again after a while.
  const SENDING = 8000;
  const free = (form) => {
    delete form.dataset.sent;
    form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
    setTimeout(free, SENDING, form);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(free));
  if (!order) return;

  // How long is left, by the service's clock.
  const skew = Date.parse(order.dataset.now) - Date.now();
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  const written = (seconds) => {
    const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(
      ([size]) => seconds >= 2 * size || size === 1,
    );
    return words.format(Math.floor(seconds / size), unit);
  };
  const countDown = () => {
    document.querySelectorAll("[data-until]").forEach((place) => {
      const seconds = (Date.parse(place.dataset.until) - Date.now() - skew) / 1000;
      place.textContent = seconds > 0 ? written(seconds) : "";
    });
  };
  countDown();
  setInterval(countDown, 1000);

  // Show another state of the order. Whatever somebody is typing in, or has typed into, stays as it is.
  const isInUse = (part) =>
    (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((each) => each.value !== each.defaultValue);

  const withoutCountDown = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[data-until]").forEach((place) => place.replaceChildren());
    return copy.innerHTML;
  };

  const focusAgain = (focused, home) => {
    if (document.activeElement === focused) return;
    const alike = [...(home && document.getElementById(home)?.querySelectorAll("a, button") || [])];
    const again = focused.isConnected ? focused : alike.find((each) => each.textContent === focused.textContent);
    if (again) again.focus({ preventScroll: true });
  };

  const show = (fresh) => {
    const headline = (root) => root.querySelector("h1").textContent.trim();
    const before = headline(order);
    const focused = document.activeElement;
    const home = focused.closest(".part")?.id;
    const parts = [...fresh.children];
    order.querySelectorAll(".part").forEach((old) => {
      if (!parts.some((part) => part.id === old.id) && !isInUse(old)) old.remove();
    });
    let next = order.firstElementChild;
    parts.forEach((part) => {
      const old = document.getElementById(part.id);
      const isStale = old && old.matches(".part") && !isInUse(old) && withoutCountDown(old) !== withoutCountDown(part);
      const shown = old && !isStale ? old : part;
      if (isStale) {
        if (next === old) next = part;
        old.replaceWith(part);
      }
      if (shown !== next && !(old && isInUse(shown))) order.insertBefore(shown, next);
      next = shown.nextElementSibling;
    });
    order.dataset.sign = fresh.dataset.sign;
    countDown();
    focusAgain(focused, home);
    if (headline(order) !== before) document.getElementById("news").textContent = headline(order);
  };

  // Follow the order. What was told last is fetched until it is shown, one question at a time, and a stream of events
  // that was refused is asked for again, less and less often: browsers themselves give up then.
  if (!("EventSource" in window)) return;
  const LONGEST_PAUSE = 30000;
  let told = order.dataset.sign;
  let events = null;
  let tries = 0;
  let isFetching = false;
  let isOver = false;

  const pause = () => new Promise((done) => setTimeout(done, Math.min(1000 * 2 ** tries, LONGEST_PAUSE)));
  const isRefused = () => events === null || events.readyState === EventSource.CLOSED;

  const end = () => {
    isOver = true;
    events?.close();
    const gone = document.getElementById("gone");
    gone.append(gone.querySelector("template").content);
  };

  const refresh = async () => {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (answer.status === 404) end();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    show(page.getElementById("order"));
  };

  const catchUp = async () => {
    if (isFetching) return;
    isFetching = true;
    while (!isOver && (isRefused() || order.dataset.sign !== told)) {
      if (tries) await pause();
      tries += 1;
      await refresh().catch(() => {});
      if (!isOver && isRefused()) follow();
    }
    isFetching = false;
  };

  const follow = () => {
    events = new EventSource(order.dataset.follow);
    events.addEventListener("sign", (event) => {
      told = event.data;
      tries = 0;
      catchUp();
    });
    events.addEventListener("gone", end);
    events.addEventListener("error", () => {
      if (isRefused()) catchUp();
    });
  };

  follow();
  addEventListener("pagehide", () => {
    isOver = true;
    events.close();
  });
  // Come back to from another page, it may be shown as it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
