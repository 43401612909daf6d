// Tells the edge what happens on this page: views, link clicks, conversions, viewing. The manual is docs/beacons.md.
// It leaves nothing in the browser: no cookie, no storage, no id that outlives the page.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.latchstring) return;

  const HEARTBEAT_MS = 10_000;
  const RETRY_MS = 5_000;
  const address = (path) => new URL(path, script.dataset.edge || script.src).href;
  // An app's `origin` is "null".
  const here = location.protocol + "//" + location.host;
  const randomId = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(12))));
  const common = {
    app: script.dataset.app,
    platform: script.dataset.platform || "web",
    campaign: new URLSearchParams(location.search).get("utm_campaign")?.slice(0, 128),
  };

  // --- Sending: whatever way it goes, an event keeps its id and its words, so it counts once. ------------------------
  let blocked = !navigator.sendBeacon;

  const pixel = (event) => {
    new Image().src = address("/b.gif?" + new URLSearchParams(event));
  };

  function send(type, fields, isProbe) {
    const now = Date.now();
    const event = { type, id: randomId(), page: here + location.pathname };
    for (const [name, value] of Object.entries({ ...common, ...fields }))
      if (value != null && value !== "") event[name] = String(value);
    event.time = event.sent = now;
    const body = JSON.stringify([event]);
    if (blocked) pixel(event);
    else if (!isProbe) navigator.sendBeacon(address("/b"), body) || pixel(event);
    // sendBeacon never says what became of a request, fetch does: if the page's view is blocked, so is all the rest.
    else
      fetch(address("/b"), { method: "POST", body, keepalive: true, credentials: "include" }).then(
        (answer) => answer.ok || setTimeout(pixel, RETRY_MS, event),
        () => pixel(event, (blocked = true)),
      );
  }

  // --- Page views: not while prerendered, and again when the page comes back out of the browser's memory. ------------
  function view() {
    const from = document.referrer.split("/")[2];
    send("view", { referrer: from === location.host ? "" : from }, true);
    if (script.dataset.conversion) send("conversion", { goal: script.dataset.conversion });
  }
  if (document.prerendering) addEventListener("prerenderingchange", view, { once: true });
  else view();
  addEventListener("pageshow", (event) => event.persisted && view());

  // --- Link clicks, and conversions by click or form. ----------------------------------------------------------------
  function converted(element) {
    if (element) send("conversion", { goal: element.dataset.conversion });
  }
  function clicked({ target, button }) {
    const link = target.closest?.("a[href], area[href]");
    if (button < 2 && /^http/.test(link?.protocol)) send("click", { link: link.origin + link.pathname });
    if (!button) converted(target.closest?.("[data-conversion]:not(form, script)"));
  }
  addEventListener("click", clicked, true);
  addEventListener("auxclick", clicked, true);
  addEventListener("submit", ({ target }) => converted(target.closest("[data-conversion]")), true);

  // --- Viewing: a heartbeat at every change, every ten seconds while it plays, and when the page goes away. ----------
  const viewings = new Map();

  function heartbeat({ target: player, type }) {
    let viewing = viewings.get(player);
    if (!viewing && type === "play") viewings.set(player, (viewing = { id: randomId(), ping: 0 }));
    if (!viewing) return;
    const state = player.seeking ? "seeking" : player.ended ? "ended" : player.paused ? "paused" : "playing";
    // A player that seeks is at its goal already: where it was is what the last event knew.
    if (state !== "seeking") viewing.position = Math.round(player.currentTime * 1000);
    const said = state + viewing.position;
    if (said === viewing.said || (type === "timeupdate" && Date.now() < viewing.next)) return;
    viewing.said = said;
    viewing.next = Date.now() + HEARTBEAT_MS;
    send("heartbeat", {
      viewing: viewing.id,
      ping: viewing.ping++,
      media: player.dataset?.media || player.media || location.pathname,
      play_state: state,
      position_ms: viewing.position,
      playback_rate: player.playbackRate,
    });
    if (state === "ended") viewings.delete(player);
  }
  function watch(player) {
    for (const type of ["play", "pause", "seeking", "seeked", "timeupdate", "ratechange", "ended"])
      player.addEventListener(type, heartbeat, true);
  }
  watch(document);
  const leave = () => viewings.forEach((_, target) => target.paused || heartbeat({ target }));
  addEventListener("pagehide", leave);
  addEventListener("visibilitychange", () => document.hidden && leave());

  window.latchstring = (type, fields) => send(type, fields);
  window.latchstring.watch = watch;
})();
