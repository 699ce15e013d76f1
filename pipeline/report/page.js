"use strict";
// A tab chosen in one strip is chosen in all that have it, so that one row is followed down the page.
for (const input of document.querySelectorAll(".tabs > input")) {
  input.addEventListener("change", () => {
    const name = input.nextElementSibling.textContent;
    for (const other of document.querySelectorAll(".tabs > input")) {
      if (other !== input && other.nextElementSibling.textContent === name) other.checked = true;
    }
  });
}
// A hair line follows the pointer over a time chart and the values under it are written below.
for (const figure of document.querySelectorAll("figure[data-readout]")) {
  const plot = figure.querySelector(".plot");
  const line = figure.querySelector(".readout");
  const hair = plot.appendChild(document.createElement("div"));
  hair.className = "hair";
  let data = null;
  plot.addEventListener("pointermove", (event) => {
    data ??= JSON.parse(figure.dataset.readout);
    const box = plot.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - data.left) / data.width;
    const n = Math.floor(share * data.labels.length);
    if (n < 0 || n >= data.labels.length) return;
    hair.style.display = "block";
    hair.style.left = `${event.clientX - box.left}px`;
    line.replaceChildren(document.createTextNode(data.labels[n]));
    for (const [name, colour, values] of data.series) {
      if (values[n] === null) continue;
      const item = line.appendChild(document.createElement("span"));
      const mark = item.appendChild(document.createElement("i"));
      mark.style.background = colour;
      item.append(`${name} ${values[n].toLocaleString("en", { maximumFractionDigits: 1 })}`);
    }
  });
  plot.addEventListener("pointerleave", () => {
    hair.style.display = "none";
    line.textContent = line.dataset.hint;
  });
}
