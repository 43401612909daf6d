// Plays a film that does not exist, and tells the edge how far it got: one heartbeat every five seconds while it runs.
"use strict";

const player = document.querySelector(".player");
const button = player.querySelector("[data-play]");
const bar = player.querySelector("progress");
const clock = player.querySelector("output");
const HEARTBEAT_SECONDS = 5;

let seconds = 0;
let ticking = null;

function heartbeat() {
  const event = { id: crypto.randomUUID(), e: "heartbeat", p: player.dataset.path, position_seconds: seconds };
  // text/plain needs no preflight, and sendBeacon outlives the page.
  navigator.sendBeacon("/b", JSON.stringify([event]));
}

function show() {
  bar.value = seconds;
  clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function tick() {
  seconds = Math.min(seconds + 1, bar.max);
  show();
  if (seconds % HEARTBEAT_SECONDS === 0) heartbeat();
  if (seconds === bar.max) pause();
}

function pause() {
  clearInterval(ticking);
  ticking = null;
  button.textContent = "Play";
  heartbeat();
}

button.addEventListener("click", () => {
  if (ticking !== null) {
    pause();
    return;
  }
  button.textContent = "Pause";
  heartbeat();
  ticking = setInterval(tick, 1000);
});

player.querySelector(".controls").hidden = false;
