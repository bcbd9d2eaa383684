/* Plots: each canvas is drawn from the JSON that stands beside it, in the page's colours. */
"use strict";

(() => {
    const COLOURS = {
        light: ["#2563eb", "#dc2626", "#0d9488", "#b45309", "#7c3aed", "#4d7c0f"],
        dark: ["#60a5fa", "#f87171", "#2dd4bf", "#fbbf24", "#c4b5fd", "#a3e635"],
    };
    const INK = { light: "#4b5563", dark: "#b6bcc7" };
    const GRID = { light: "#e5e7eb", dark: "#374151" };
    let charts = [];

    const theme = () => (document.documentElement.classList.contains("dark") ? "dark" : "light");

    function datasets(spec) {
        const colours = COLOURS[theme()];
        const colour = (at) => colours[at % colours.length];
        if (spec.bars.length) {
            return spec.bars.map(([label, data], at) => ({ label, data, backgroundColor: colour(at) }));
        }
        return spec.lines.map((line, at) => ({
            label: line.label,
            data: line.points.map(([x, y]) => ({ x, y })),
            showLine: !line.dots,
            borderColor: line.faint ? INK[theme()] : colour(at),
            backgroundColor: line.faint ? INK[theme()] : colour(at),
            borderDash: line.faint ? [4, 4] : at === 1 ? [6, 3] : [],
            borderWidth: line.faint ? 1 : 2,
            pointRadius: line.dots ? 2 : line.points.length > 30 || line.faint ? 0 : 3,
        }));
    }

    function axis(title, range) {
        const ink = INK[theme()];
        return {
            type: "linear",
            title: { display: true, text: title, color: ink },
            ticks: { color: ink },
            grid: { color: GRID[theme()] },
            ...(range ? { min: range[0], max: range[1] } : {}),
        };
    }

    function options(spec) {
        const several = (spec.bars.length || spec.lines.length) > 1;
        const names = { ...axis(spec.x), type: "category" };
        const scales = spec.bars.length
            ? spec.sideways
                ? { x: axis(spec.y), y: names }
                : { x: names, y: axis(spec.y) }
            : { x: axis(spec.x, spec.range), y: axis(spec.y, spec.range) };
        return {
            animation: false,
            indexAxis: spec.sideways ? "y" : "x",
            maintainAspectRatio: false,
            plugins: { legend: { display: several, labels: { color: INK[theme()], boxWidth: 24 } } },
            scales,
        };
    }

    function draw() {
        for (const chart of charts) chart.destroy();
        charts = [...document.querySelectorAll("canvas[data-plot]")].map((canvas) => {
            const spec = JSON.parse(document.getElementById(canvas.dataset.plot).textContent);
            const data = { labels: spec.ticks.length ? spec.ticks : spec.labels, datasets: datasets(spec) };
            return new Chart(canvas, { type: spec.bars.length ? "bar" : "scatter", data, options: options(spec) });
        });
    }

    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["class"] });
    document.addEventListener("jobs:renewed", draw);
    draw();
})();
