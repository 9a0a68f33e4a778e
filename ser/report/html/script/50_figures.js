// Figures: series that can be hidden, by the legend or by the buttons below it, and downloads of what is shown.
const namesOf = (element) => (element.dataset.series || '').split('|').filter(Boolean);

function picture(svg) {
  const copy = svg.cloneNode(true), ink = getComputedStyle(svg).color;
  const [, , width, height] = svg.getAttribute('viewBox').split(' ');
  copy.setAttribute('width', width);
  copy.setAttribute('height', height);
  copy.setAttribute('style', `color: ${ink}; fill: ${ink}; font-family: system-ui, sans-serif; background: ${getComputedStyle(svg.closest('figure')).backgroundColor}`);
  copy.querySelectorAll('[hidden], .off').forEach((each) => each.remove());
  return { text: new XMLSerializer().serializeToString(copy), width: +width, height: +height };
}

function savePng(svg, name) {
  const { text, width, height } = picture(svg), image = new Image();
  image.onload = () => {
    const canvas = make('canvas', { width: Math.round(2 * width), height: Math.round(2 * height) });
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(`${name}.png`, 'image/png', blob));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function figureTools(figure, name, title) {
  const svg = () => figure.querySelector('svg');
  return [
    button('SVG', `Download as SVG: ${title}`, () => save(`${name}.svg`, 'image/svg+xml', picture(svg()).text)),
    button('PNG', `Download as PNG: ${title}`, () => savePng(svg(), name)),
  ];
}

class Drawing {
  constructor(figure) {
    this.figure = figure;
    this.name = figure.dataset.name;
    this.off = new Set();
    this.marks = [...figure.querySelectorAll('.marks[data-series]')];
    const order = [...figure.querySelectorAll('.legend-entry')].flatMap(namesOf);
    this.series = [...new Set([...order, ...this.marks.flatMap(namesOf)])];
    this.buttons = this.series.map((series) => {
      const each = make('button', { type: 'button', class: 'series', 'aria-pressed': 'true', onclick: () => this.turn(series) }, series);
      return each;
    });
    for (const entry of figure.querySelectorAll('.legend-entry')) entry.addEventListener('click', () => namesOf(entry).forEach((series) => this.turn(series)));
    const title = figure.querySelector('figcaption').textContent.split(/[.:]/)[0];
    const tools = make('div', { class: 'tools' }, ...(this.series.length > 1 ? ['Show', ...this.buttons] : []), ...figureTools(figure, this.name, title));
    figure.querySelector('.scroll').after(tools);
    restorers.push(() => this.restore());
  }

  turn(series) {
    if (!this.off.delete(series)) this.off.add(series);
    this.draw();
    keep(`off.${this.name}`, [...this.off].join('|'));
  }

  draw() {
    for (const each of this.marks) each.classList.toggle('off', namesOf(each).some((series) => this.off.has(series)));
    for (const entry of this.figure.querySelectorAll('.legend-entry')) entry.classList.toggle('faint', namesOf(entry).some((series) => this.off.has(series)));
    for (const [place, series] of this.series.entries()) this.buttons[place].setAttribute('aria-pressed', String(!this.off.has(series)));
  }

  restore() {
    const off = (state.values.get(`off.${this.name}`) || '').split('|').filter((series) => this.series.includes(series));
    if (off.join('|') !== [...this.off].join('|')) { this.off = new Set(off); this.draw(); }
  }
}

for (const figure of document.querySelectorAll('figure.drawn')) new Drawing(figure);
