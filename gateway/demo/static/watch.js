// Plays a film that does not exist, in a player that looks like a video to whoever watches it: the edge's script.
"use strict";

const stage = document.querySelector(".player");
const button = stage.querySelector("[data-play]");
const bar = stage.querySelector("progress");
const clock = stage.querySelector("output");

class Film extends EventTarget {
  media = stage.dataset.media;
  currentTime = 0;
  playbackRate = 1;
  paused = true;
  ended = false;
  #ticking = null;

  play() {
    if (this.ended) this.currentTime = 0;
    this.paused = this.ended = false;
    this.#ticking = setInterval(() => this.#tick(), 1000);
    this.dispatchEvent(new Event("play"));
  }

  pause() {
    clearInterval(this.#ticking);
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }

  #tick() {
    this.currentTime = Math.min(this.currentTime + 1, bar.max);
    this.dispatchEvent(new Event("timeupdate"));
    if (this.currentTime === bar.max) {
      this.ended = true;
      this.pause();
    }
  }
}

const film = new Film();

function show() {
  const seconds = film.currentTime;
  bar.value = seconds;
  clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  button.textContent = film.paused ? "Play" : "Pause";
}

for (const type of ["play", "pause", "timeupdate"]) film.addEventListener(type, show);
button.addEventListener("click", () => (film.paused ? film.play() : film.pause()));
// Not there if the script was blocked; the film plays all the same.
window.latchstring?.watch(film);
stage.querySelector(".controls").hidden = false;
