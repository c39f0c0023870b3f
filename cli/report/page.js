// Draws the charts and makes tabs; the page is whole without it.
"use strict";
(() => {
  const page = document.documentElement;
  const options = JSON.parse(document.getElementById("charts").textContent);
  const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
  const exact = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const text = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;

  // What JSON cannot say: functions, by the names that the options use for them.
  const functions = {
    // A line from low to high of each item, across the bar or through the point.
    span: (params, api) => {
      const flat = api.value(3) === 1;
      const at = api.value(0);
      const from = api.coord(flat ? [api.value(1), at] : [at, api.value(1)]);
      const to = api.coord(flat ? [api.value(2), at] : [at, api.value(2)]);
      const style = api.style({ stroke: dark ? "#e6eaf1" : "#1c2330", fill: null, lineWidth: 1.5 });
      const cap = 5;
      const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
      const [dx, dy] = flat ? [0, cap] : [cap, 0];
      return { type: "group", children: [
        line(from[0], from[1], to[0], to[1]),
        line(from[0] - dx, from[1] - dy, from[0] + dx, from[1] + dy),
        line(to[0] - dx, to[1] - dy, to[0] + dx, to[1] + dy)] };
    },
    number: (value) => short.format(value),
    name: (value) => (value.length > 40 ? `${value.slice(0, 38)}\u2026` : value),
    item: (params) => {
      const list = Array.isArray(params) ? params : [params];
      const title = text(list[0].axisValueLabel ?? list[0].name);
      const rows = list.filter((p) => p.seriesType !== "custom").map((p) => {
        const value = Array.isArray(p.value) ? p.value : [p.value];
        const unit = p.data && p.data.unit ? ` ${text(p.data.unit)}` : "";
        const told = p.data && p.data.told ? text(p.data.told) : exact.format(value[value.length - 1]) + unit;
        return `${p.marker}${text(p.seriesName)}: <b data-value="${value[value.length - 1]}">${told}</b>`;
      });
      return [`<b>${title}</b>`, ...rows].join("<br>");
    },
  };
  const revive = (node) => {
    if (Array.isArray(node)) return node.map(revive);
    if (node === null || typeof node !== "object") {
      return typeof node === "string" && node.startsWith("fn:") ? functions[node.slice(3)] : node;
    }
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, revive(value)]));
  };

  const drawn = new Map();
  // A legend takes as many lines as it needs, and bars that are many or have long names more room.
  const pen = document.createElement("canvas").getContext("2d");
  const fit = (place, option) => {
    place.style.height = "";
    const names = option.legend?.show === false ? [] : option.series.map((series) => series.name ?? "");
    let lines = 1;
    let x = 0;
    for (const name of names) {
      const width = pen.measureText(name).width * 1.25 + 48;
      if (x > 0 && x + width > place.clientWidth) {
        lines += 1;
        x = 0;
      }
      x += width;
    }
    const more = 22 * (lines - 1);
    const bars = option.yAxis.type === "category" ? 34 * option.yAxis.data.length + 80 : 0;
    place.style.height = `${Math.max(place.clientHeight, bars) + more}px`;
    return { grid: { top: option.grid.top + more } };
  };
  const draw = () => {
    for (const place of document.querySelectorAll(".chart")) {
      if (place.offsetParent === null) continue;
      const option = options[place.id];
      const room = fit(place, option);
      if (!drawn.has(place.id)) {
        const chart = echarts.init(place, dark ? "dark" : null, { renderer: "svg" });
        chart.setOption({ backgroundColor: "transparent", animation: false, textStyle: { fontFamily: "inherit" },
          ...revive(option) });
        drawn.set(place.id, chart);
      }
      const chart = drawn.get(place.id);
      chart.resize();
      chart.setOption(room);
    }
  };

  if (typeof echarts !== "undefined") page.classList.add("charts");
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const show = (chosen) => {
      for (const tab of tabs) {
        const on = tab === chosen;
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = on ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
      }
      if (page.classList.contains("charts")) draw();
    };
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) show(tab);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
      show(next);
      next.focus();
    });
    if (page.classList.contains("charts")) show(tabs[0]);
  }
  if (page.classList.contains("charts")) {
    draw();
    addEventListener("resize", draw);
    addEventListener("beforeprint", () => {
      for (const panel of document.querySelectorAll("[role=tabpanel]")) panel.hidden = false;
      draw();
    });
  }
  // The numbers of charts are closed on a screen and open on paper; the long chains stay closed.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")].filter((d) => !d.querySelector("pre"));
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
  if (page.classList.contains("charts")) {
    globalThis.planner_charts = drawn;
  }
})();
