// What makes the pages of an order livelier. Without it they work as well: reloading shows what is new.
"use strict";
(() => {
  const order = document.getElementById("order");

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
  });
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
    });
  });
  if (!order) return;

  // How long is left, by the service's clock.
  const skew = Date.parse(order.dataset.now) - Date.now();
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  const told = (seconds) => {
    const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(
      ([size]) => seconds >= 2 * size || size === 1,
    );
    return words.format(Math.floor(seconds / size), unit);
  };
  const countDown = () => {
    document.querySelectorAll("[data-until]").forEach((place) => {
      const seconds = (Date.parse(place.dataset.until) - Date.now() - skew) / 1000;
      place.textContent = seconds > 0 ? told(seconds) : "";
    });
  };
  countDown();
  setInterval(countDown, 1000);

  // Follow the order. Whatever somebody is typing in, or has typed into, stays as it is.
  const isInUse = (part) =>
    (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((each) => each.value !== each.defaultValue);

  const swap = (old, fresh) => {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(fresh);
    if (!focused) return;
    const again = [...fresh.querySelectorAll("a, button")].find((each) => each.textContent === focused.textContent);
    if (again) again.focus({ preventScroll: true });
  };

  const show = (fresh) => {
    const headline = (root) => root.querySelector("h1").textContent.trim();
    const before = headline(order);
    const known = new Map([...order.querySelectorAll(".part")].map((part) => [part.id, part]));
    let last = null;
    fresh.querySelectorAll(".part").forEach((part) => {
      const old = known.get(part.id);
      known.delete(part.id);
      if (!old) {
        last ? last.after(part) : order.prepend(part);
      } else if (!isInUse(old) && old.innerHTML !== part.innerHTML) {
        swap(old, part);
      }
      last = document.getElementById(part.id);
    });
    known.forEach((part) => isInUse(part) || part.remove());
    order.dataset.sign = fresh.dataset.sign;
    countDown();
    if (headline(order) !== before) document.getElementById("news").textContent = headline(order);
  };

  const refresh = async () => {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    show(page.getElementById("order"));
  };

  if (!("EventSource" in window)) return;
  const events = new EventSource(order.dataset.follow);
  events.addEventListener("sign", (event) => {
    if (event.data !== order.dataset.sign) refresh().catch(() => {});
  });
  events.addEventListener("gone", () => {
    events.close();
    document.getElementById("gone").hidden = false;
  });
  addEventListener("pagehide", () => events.close());
})();
