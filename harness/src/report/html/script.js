'use strict';
(() => {
  const form = document.getElementById('filter');
  const items = Array.from(document.querySelectorAll('[data-item]'), (element) => ({
    element,
    list: element.closest('[data-list]').dataset.list,
    scheme: element.dataset.scheme.split(' '),
    group: element.dataset.group.split(' '),
    level: [element.dataset.level],
    outcome: element.dataset.outcome,
    fate: element.dataset.fate,
    text: null,
  }));
  const say = (text) => { document.getElementById('said').textContent = text; };

  // The filter as what stands behind `#`; anything there without `=` is a place in the page.
  const read = () => {
    const chosen = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== '') chosen.append(name, value);
    return chosen;
  };
  const write = (chosen) => {
    for (const field of form.elements) {
      if (field.type === 'checkbox') field.checked = chosen.getAll(field.name).includes(field.value);
      else if (field.name) {
        field.value = chosen.get(field.name) ?? '';
        // A select that has no such choice.
        if (field.selectedIndex === -1) field.value = '';
      }
    }
  };
  const remember = (chosen) => {
    const state = chosen.toString();
    const page = location.href.split('#')[0];
    // A page that is shown inside another one may not be allowed to.
    try { history.replaceState(null, '', state ? `${page}#${state}` : page); } catch { /* the filter works without */ }
  };
  const apply = () => {
    const chosen = read();
    const words = (chosen.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = chosen.getAll('outcome');
    const fits = (item) => {
      for (const name of ['scheme', 'group', 'level']) {
        if (chosen.has(name) && !item[name].includes(chosen.get(name))) return false;
      }
      if (item.outcome !== undefined && outcomes.length > 0 && !outcomes.includes(item.outcome)) return false;
      if (item.fate !== undefined && chosen.has('fate') && chosen.get('fate') !== item.fate) return false;
      if (words.length === 0) return true;
      item.text ??= item.element.textContent.toLowerCase();
      return words.every((word) => item.text.includes(word));
    };
    const counts = new Map();
    for (const item of items) {
      const count = counts.get(item.list) ?? { shown: 0, all: 0 };
      const shown = fits(item);
      if (item.element.hidden === shown) item.element.hidden = !shown;
      count.all += 1;
      if (shown) count.shown += 1;
      counts.set(item.list, count);
    }
    const said = [];
    for (const [list, count] of counts) {
      const text = count.shown === count.all ? `${count.all}` : `${count.shown} of ${count.all}`;
      document.querySelector(`[data-count="${list}"]`).textContent = text;
      said.push(`${text} ${list}`);
    }
    document.getElementById('shown').textContent = chosen.size > 0 ? said.join(' · ') : '';
    return chosen;
  };
  const changed = () => remember(apply());

  // Goes to the place behind `#`, through whatever is closed or filtered out.
  const visit = () => {
    const state = location.hash.slice(1);
    if (state.includes('=')) {
      write(new URLSearchParams(state));
      apply();
      return;
    }
    let place = null;
    try { place = document.getElementById(decodeURIComponent(state)); } catch { return; }
    if (!place) return;
    if (place.closest('[data-item][hidden]')) {
      write(new URLSearchParams());
      apply();
      say('The filter is cleared to show this place.');
    }
    for (let at = place; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    const own = place.querySelector(':scope > details');
    if (own) own.open = true;
    place.scrollIntoView();
  };

  const copy = async (button) => {
    const source = button.parentElement.querySelector('pre');
    let done = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      done = document.execCommand('copy');
    }
    say(done ? 'Copied.' : 'Selected; copy it with the keyboard.');
    button.classList.toggle('done', done);
    button.addEventListener('blur', () => button.classList.remove('done'), { once: true });
  };

  for (const element of document.querySelectorAll('.script')) element.hidden = false;
  for (const cell of document.querySelectorAll('[data-filter]')) {
    const link = document.createElement('a');
    link.href = `#${cell.dataset.filter || 'q='}`;
    link.append(...cell.childNodes);
    cell.append(link);
  }
  form.addEventListener('input', changed);
  form.addEventListener('submit', (event) => event.preventDefault());
  // The fields are empty only after the event.
  form.addEventListener('reset', () => queueMicrotask(() => { write(new URLSearchParams()); changed(); }));
  document.getElementById('fate').addEventListener('input', changed);
  addEventListener('hashchange', visit);
  document.addEventListener('click', (event) => {
    const button = event.target.closest('.copy');
    if (button) copy(button);
  });

  // On paper everything of a finding is open.
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = Array.from(document.querySelectorAll('.finding details:not([open])'));
    for (const details of opened) details.open = true;
  });
  addEventListener('afterprint', () => { for (const details of opened) details.open = false; });

  const theme = document.getElementById('theme');
  const paint = () => { document.documentElement.dataset.theme = theme.value; };
  // Storage may be forbidden to a file.
  try { theme.value = localStorage.getItem('countersign-theme') ?? ''; } catch { /* as the system */ }
  theme.addEventListener('input', () => {
    paint();
    try { localStorage.setItem('countersign-theme', theme.value); } catch { /* for this once */ }
  });
  paint();
  visit();
})();
