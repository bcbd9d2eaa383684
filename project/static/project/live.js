/* The Live page: one socket, one picture a second, drawn into one card for each endpoint. */
"use strict";

(() => {
    const WINDOW_S = 60;
    const RUNNING_S = 10; // a share is taken over so many seconds, so that few readings a second give a steady line
    const MOST_LABELS = 6;
    const COLOURS = {
        light: ["#2563eb", "#dc2626", "#0d9488", "#b45309", "#7c3aed", "#4d7c0f", "#6b7280"],
        dark: ["#60a5fa", "#f87171", "#2dd4bf", "#fbbf24", "#c4b5fd", "#a3e635", "#9ca3af"],
    };

    const page = document.getElementById("live");
    const state = document.getElementById("live-state");
    const pause = document.getElementById("live-pause");
    const cards = document.getElementById("live-cards");
    const cardTemplate = document.getElementById("live-card");
    const noEndpoint = document.getElementById("live-none");
    const shown = new Map(); // slug: card

    /* ---- The connection ---------------------------------------------------------------------------------------- */

    let paused = false;
    let newest = null;
    let drawnAt = null;

    const connection = window.follow({
        page,
        state,
        again: document.getElementById("live-again"),
        address: () => page.dataset.socket,
        take,
        shown: () => (drawnAt === null ? null : clock(drawnAt)),
        hidden: "You may no longer see predictions. Ask an administrator.",
    });

    /* ---- The picture ------------------------------------------------------------------------------------------- */

    function take(picture) {
        if (picture.at === null) {
            connection.say("wait", "The server answers, but its processes are not heard: does Redis run?");
            return;
        }
        drawnAt = picture.at;
        newest = picture;
        for (const endpoint of picture.endpoints) remember(cardOf(endpoint), endpoint, picture.at);
        connection.say(paused ? "wait" : "live", paused ? "Paused. Nothing is lost meanwhile." : "Live");
        if (!paused && !document.hidden) draw();
    }

    function draw() {
        if (newest === null) return;
        const slugs = new Set(newest.endpoints.map((endpoint) => endpoint.slug));
        for (const [slug, card] of shown) {
            if (slugs.has(slug)) continue;
            if (card.chart) card.chart.destroy();
            card.root.remove();
            shown.delete(slug);
        }
        noEndpoint.hidden = newest.endpoints.length > 0;
        for (const endpoint of newest.endpoints) drawCard(cardOf(endpoint), endpoint, newest.at);
    }

    function cardOf(endpoint) {
        let card = shown.get(endpoint.slug);
        if (card) return card;
        const root = cardTemplate.content.firstElementChild.cloneNode(true);
        const find = (name) => root.querySelector(`[data-part="${name}"]`);
        card = { root, find, points: new Map(), chart: null, series: "" };
        const heading = find("name");
        heading.id = `live-${endpoint.slug}`;
        root.setAttribute("aria-labelledby", heading.id);
        find("table").setAttribute("aria-label", `Last predictions of ${endpoint.name}`);
        if (find("trial")) put(find("trial"), link(page.dataset.trial, { SLUG: endpoint.slug }, "Try it"));
        find("curl").textContent = find("curl").textContent
            .replaceAll("ADDRESS", location.origin)
            .replaceAll("ENDPOINT", endpoint.slug);
        shown.set(endpoint.slug, card);
        cards.append(root);
        return card;
    }

    function remember(card, endpoint, at) {
        for (const point of endpoint.points) card.points.set(point.at, point);
        for (const second of card.points.keys()) {
            if (second <= at - WINDOW_S - RUNNING_S) card.points.delete(second);
        }
    }

    function drawCard(card, endpoint, at) {
        const { find } = card;
        put(find("name"), link(page.dataset.endpoint, { SLUG: endpoint.slug }, endpoint.name));
        if (endpoint.version === null) put(find("version"), "no version is live");
        else {
            const named = { SLUG: endpoint.slug, TAG: endpoint.version };
            put(find("version"), "answered by ", link(page.dataset.version, named, endpoint.version), others(endpoint));
        }
        const warning = find("warning");
        warning.hidden = endpoint.reason === null;
        warning.textContent = endpoint.reason ?? "";
        find("sockets").textContent = whole(endpoint.sockets);
        find("rate").textContent = rate(endpoint.rate);
        find("p50").textContent = latency(endpoint.p50_s, endpoint.answers);
        find("p99").textContent = latency(endpoint.p99_s, endpoint.answers);
        const refused = Object.entries(endpoint.rejected);
        find("refused").textContent = whole(refused.reduce((sum, [, count]) => sum + count, 0));
        find("refusals").hidden = refused.length === 0;
        find("codes").replaceChildren(...refused.map(refusal));
        const quiet = endpoint.answers === 0;
        find("empty").hidden = !quiet;
        find("moving").hidden = quiet;
        find("last").hidden = endpoint.latest.length === 0;
        find("body").hidden = quiet && endpoint.latest.length === 0;
        drawRows(find("rows"), endpoint);
        if (!quiet) drawChart(card, endpoint, at);
    }

    function others(endpoint) {
        const tags = Object.keys(endpoint.versions).filter((tag) => tag !== endpoint.version);
        return tags.length ? `, in the last minute also by ${tags.join(", ")}` : "";
    }

    function refusal([code, count]) {
        const item = document.createElement("li");
        const name = document.createElement("code");
        name.textContent = code;
        const number = document.createElement("b");
        number.textContent = whole(count);
        item.append(name, " ", number);
        return item;
    }

    /* Rows that stay are left in place, since one of their links may have the focus. */
    function drawRows(body, endpoint) {
        const have = new Map([...body.children].map((line) => [line.dataset.id, line]));
        endpoint.latest.forEach((one, at) => {
            const line = have.get(one.id) ?? row(one, endpoint);
            have.delete(one.id);
            if (body.children[at] !== line) body.insertBefore(line, body.children[at] ?? null);
        });
        for (const line of have.values()) line.remove();
    }

    function row(one, endpoint) {
        const line = document.createElement("tr");
        line.dataset.id = one.id;
        const door = document.createElement("span");
        door.className = "live-roomy";
        door.textContent = ` (${one.source === "rest" ? "REST" : one.source})`;
        line.append(
            cell("", one.stored ? link(page.dataset.prediction, { ID: one.id }, clock(one.at)) : clock(one.at)),
            cell("", answer(one.output, endpoint.unit)),
            cell("number", latency(one.took_s, 1)),
            cell("", one.device ? link(page.dataset.device, { NAME: one.who }, one.who) : one.who, door),
            cell("live-wide", one.version),
        );
        return line;
    }

    /* ---- The chart --------------------------------------------------------------------------------------------- */

    function drawChart(card, endpoint, at) {
        const canvas = card.find("canvas");
        const regression = endpoint.kind === "regression";
        const lines = regression ? valueLines(card, endpoint, at) : shareLines(card, endpoint, at);
        const series = JSON.stringify([theme(), lines.map((line) => line.label)]);
        card.find("caption").textContent = regression
            ? `Value${endpoint.unit ? ` in ${endpoint.unit}` : ""}, the last minute`
            : `Share of each label, over ${RUNNING_S} seconds`;
        canvas.setAttribute("aria-label", lines.filter((line) => line.said).map((line) => line.said).join(", "));
        if (card.chart && card.series !== series) {
            card.chart.destroy();
            card.chart = null;
        }
        if (card.chart) {
            lines.forEach((line, at) => (card.chart.data.datasets[at].data = line.data));
            card.chart.update("none");
        } else {
            card.series = series;
            card.chart = new Chart(canvas, chartOf(lines, regression));
        }
    }

    function seconds(at) {
        return Array.from({ length: WINDOW_S }, (_, index) => at - WINDOW_S + 1 + index);
    }

    function shareLines(card, endpoint, at) {
        const counted = (second) => card.points.get(second)?.labels ?? {};
        const names = endpoint.labels.length ? endpoint.labels : ["normal", "anomaly"];
        const all = names.length <= MOST_LABELS ? names : [...mostFrequent(card, names), "others"];
        const data = new Map(all.map((label) => [label, []]));
        for (const second of seconds(at)) {
            const sums = new Map();
            let total = 0;
            for (let back = 0; back < RUNNING_S; back++) {
                for (const [label, count] of Object.entries(counted(second - back))) {
                    const name = data.has(label) ? label : "others";
                    sums.set(name, (sums.get(name) ?? 0) + count);
                    total += count;
                }
            }
            for (const label of all) {
                data.get(label).push({ x: second - at, y: total ? (100 * (sums.get(label) ?? 0)) / total : null });
            }
        }
        return all.map((label) => {
            const last = data.get(label).at(-1).y;
            return { label, data: data.get(label), said: last === null ? "" : `${label} ${Math.round(last)} %` };
        });
    }

    function mostFrequent(card, names) {
        const sums = new Map(names.map((name) => [name, 0]));
        for (const point of card.points.values()) {
            for (const [label, count] of Object.entries(point.labels ?? {})) sums.set(label, (sums.get(label) ?? 0) + count);
        }
        return [...sums].sort((a, b) => b[1] - a[1]).slice(0, MOST_LABELS).map(([name]) => name);
    }

    function valueLines(card, endpoint, at) {
        const mean = [], least = [], greatest = [];
        for (const second of seconds(at)) {
            const values = card.points.get(second)?.values;
            if (!values) continue;
            const x = second - at;
            mean.push({ x, y: values[1] / values[0] });
            least.push({ x, y: values[2] });
            greatest.push({ x, y: values[3] });
        }
        const last = mean.at(-1);
        return [
            { label: "mean", data: mean, said: last ? `last value ${number(last.y)} ${endpoint.unit ?? ""}` : "" },
            { label: "least", data: least, faint: true },
            { label: "greatest", data: greatest, faint: true },
        ];
    }

    function chartOf(lines, regression) {
        const colours = COLOURS[theme()];
        const ink = style("--live-soft"), grid = style("--live-grid");
        return {
            type: "line",
            data: {
                datasets: lines.map((line, at) => ({
                    label: line.label,
                    data: line.data,
                    borderColor: line.faint ? grid : colours[at % colours.length],
                    backgroundColor: line.faint ? grid : colours[at % colours.length],
                    borderWidth: line.faint ? 1 : 2,
                    borderDash: line.faint || at === 0 ? [] : [[6, 3], [2, 2], [8, 3, 2, 3]][(at - 1) % 3],
                    pointRadius: 0,
                    spanGaps: regression,
                    order: line.faint ? 1 : 0,
                })),
            },
            options: {
                animation: false,
                events: [],
                maintainAspectRatio: false,
                normalized: true,
                parsing: false,
                plugins: {
                    legend: {
                        display: !regression,
                        position: "bottom",
                        labels: { color: ink, usePointStyle: true, pointStyle: "line" },
                    },
                    tooltip: { enabled: false },
                },
                scales: {
                    x: {
                        type: "linear",
                        min: 1 - WINDOW_S,
                        max: 0,
                        grid: { display: false },
                        ticks: {
                            color: ink,
                            maxRotation: 0,
                            stepSize: 15,
                            callback: (second) => (second === 0 ? "now" : `${second} s`),
                        },
                        afterBuildTicks: (axis) => (axis.ticks = [-45, -30, -15, 0].map((value) => ({ value }))),
                    },
                    y: {
                        ...(regression ? { grace: "10%" } : { min: 0, max: 100 }),
                        grid: { color: grid },
                        ticks: { color: ink, maxTicksLimit: 5, callback: (y) => (regression ? number(y) : `${y} %`) },
                    },
                },
            },
        };
    }

    function theme() {
        return document.documentElement.classList.contains("dark") ? "dark" : "light";
    }

    function style(name) {
        return getComputedStyle(page).getPropertyValue(name).trim();
    }

    /* ---- Words and numbers ------------------------------------------------------------------------------------- */

    function whole(count) {
        return count.toLocaleString("en-GB");
    }

    function rate(perSecond) {
        return perSecond < 10 ? perSecond.toFixed(1) : whole(Math.round(perSecond));
    }

    function number(value) {
        return Number(value.toPrecision(4)).toLocaleString("en-GB", { maximumSignificantDigits: 4 });
    }

    function latency(seconds, answers) {
        if (answers === 0) return "–";
        if (seconds === null) return "> 10 s";
        if (seconds >= 1) return `${seconds.toPrecision(2)} s`;
        const milliseconds = 1000 * seconds;
        return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
    }

    function answer(output, unit) {
        if ("scores" in output) return `${output.label} ${output.scores[output.label].toFixed(3)}`;
        if ("value" in output) return `${number(output.value)}${unit ? ` ${unit}` : ""}`;
        return `${output.label} ${output.score.toFixed(3)}`;
    }

    function clock(unixSeconds) {
        return new Date(1000 * unixSeconds).toLocaleTimeString("en-GB");
    }

    /* A link to an address in which the words in capitals stand for something; only text to who may not open it. */
    function link(pattern, parts, text) {
        if (!pattern) return document.createTextNode(text);
        const anchor = document.createElement("a");
        anchor.href = pattern
            .split("/")
            .map((part) => (part in parts ? encodeURIComponent(parts[part]) : part))
            .join("/");
        anchor.textContent = text;
        return anchor;
    }

    /* Leave an equal link where it is: who tabs to it must not lose it each second. */
    function put(place, ...nodes) {
        const text = nodes.map((node) => node.textContent ?? node).join("");
        if (place.textContent !== text) place.replaceChildren(...nodes);
    }

    function cell(name, ...content) {
        const one = document.createElement("td");
        if (name) one.className = name;
        one.append(...content);
        return one;
    }

    /* ---- The page ---------------------------------------------------------------------------------------------- */

    document.addEventListener("visibilitychange", () => {
        if (!document.hidden && !paused) draw();
    });
    pause.addEventListener("click", () => {
        paused = !paused;
        pause.setAttribute("aria-pressed", String(paused));
        pause.textContent = paused ? "Go on" : "Pause";
        if (newest !== null && connection.connected()) take(newest);
    });
    new MutationObserver(() => {
        if (!paused) draw();
    }).observe(document.documentElement, { attributeFilter: ["class"] });
})();
