// SPDX-License-Identifier: Apache-2.0 OR MIT
// Everything works without this file. It only looks again at parts that change by themselves, counts
// down to the log-out, and says on the button what it would print.
'use strict';
(() => {
  const LOOK_MS = 1500;
  const SLOWEST_MS = 15000;
  const SOON_S = 60;

  const watch = (part, pause) => {
    setTimeout(async () => {
      let next = pause;
      try {
        const answer = await fetch(part.dataset.live, { cache: 'no-store', redirect: 'error' });
        if (answer.status === 403) return location.assign('/login?idle=1');
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
          const fresh = page.body.firstElementChild;
          if (!fresh) return;
          if (fresh.outerHTML !== part.outerHTML) {
            part.replaceWith(fresh);
            part = fresh;
          }
          next = LOOK_MS;
        } else {
          next = Math.min(pause * 2, SLOWEST_MS);
        }
      } catch {
        next = Math.min(pause * 2, SLOWEST_MS);
      }
      if (part.dataset.live) watch(part, next);
      else location.reload();
    }, pause);
  };
  document.querySelectorAll('[data-live]').forEach((part) => watch(part, LOOK_MS));

  const clock = document.querySelector('[data-left]');
  if (clock) {
    const end = Date.now() + Number(clock.dataset.left) * 1000;
    const show = () => {
      const left = Math.max(0, Math.round((end - Date.now()) / 1000));
      const seconds = String(left % 60).padStart(2, '0');
      clock.textContent = clock.dataset.text.replace('{}', `${Math.floor(left / 60)}:${seconds}`);
      clock.classList.toggle('soon', left <= SOON_S);
    };
    clock.hidden = false;
    show();
    setInterval(show, 1000);
  }

  const button = document.querySelector('[data-sum]');
  if (button) {
    const plain = button.textContent;
    const jobs = [...document.querySelectorAll('input[name=job]')];
    const sum = () => {
      const chosen = jobs.filter((job) => job.checked);
      const pages = chosen.map((job) => Number(job.dataset.pages));
      const known = chosen.length > 0 && pages.every((count) => count > 0);
      const total = pages.reduce((a, b) => a + b, 0);
      const texts = button.dataset;
      if (!known) button.textContent = plain;
      else if (total === 1) button.textContent = texts.sumPage;
      else if (chosen.length === 1) button.textContent = texts.sumJob.replace('{}', total);
      else button.textContent = texts.sum.replace('{}', chosen.length).replace('{}', total);
    };
    jobs.forEach((job) => job.addEventListener('change', sum));
    sum();
  }
})();
