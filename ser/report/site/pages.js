'use strict';
// Dates become ages; a page that follows a grid is asked for again, and its middle replaced, while it is looked at.
const units = [[86400, 'day'], [3600, 'hour'], [60, 'minute']];
function tellAges() {
  for (const time of document.querySelectorAll('time[datetime]')) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const unit = units.find(([length]) => seconds >= length);
    const number = unit && Math.floor(seconds / unit[0]);
    time.textContent = unit ? `${number} ${unit[1]}${number > 1 ? 's' : ''} ago` : 'just now';
  }
}
async function refresh(main) {
  const note = document.getElementById('note');
  try {
    const answer = await fetch(location.href, { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const open = new Set([...main.querySelectorAll('details[open]')].map((one) => one.id));
    main.replaceChildren(...fresh.querySelector('main').childNodes);
    for (const one of main.querySelectorAll('details')) if (open.has(one.id)) one.open = true;
    document.title = fresh.title;
    note.hidden = true;
    tellAges();
  } catch {
    note.hidden = false;
  }
}
tellAges();
const followed = document.querySelector('main[data-every]');
if (followed) {
  setInterval(() => { if (!document.hidden) refresh(followed); }, 1000 * followed.dataset.every);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(followed); });
}
