/* The pages of jobs: they follow what happens, ask before what can't be undone, and show an upload's way. */
"use strict";

(() => {
    const page = document.getElementById("jobs");
    const SETTLE_MS = 300;
    const OVER = new Set(["done", "failed", "cancelled"]);

    /* ---- What happens ------------------------------------------------------------------------------------------ */

    let shownAt = null;
    let connection = null;

    function take(picture) {
        if (picture.type === "lost") {
            connection.say("wait", "The server answers, but can't reach its database. It tries again by itself.");
            return;
        }
        shownAt = new Date().toLocaleTimeString("en-GB");
        connection.say("live", "Live");
        ({ batches: takeList, trainings: takeList, job: takeOne, run: takeOne })[picture.type](picture);
    }

    /* Of a list: bars move; the rows themselves are fetched anew when a job begins or becomes something else. */
    let listed = [];
    const elsewhere = new Set(); // what a list that was fetched anew does not show: it stands on another page

    const rowOf = (id) => document.querySelector(`[data-row="${id}"]`);

    function takeList(picture) {
        listed = picture.jobs ?? picture.runs;
        for (const one of listed) {
            const row = rowOf(one.id);
            if (row === null ? !elsewhere.has(one.id) : row.dataset.mark !== one.mark) renew();
            if (row !== null && one.progress) drawProgress(row, one);
        }
    }

    function takeOne(picture) {
        if (picture.lines) writeLines(picture.lines);
        const part = document.getElementById("jobs-renewed");
        if (part.dataset.mark !== picture.mark) renew();
        if (picture.progress) drawProgress(page, picture);
    }

    function drawProgress(place, one) {
        const bar = place.querySelector("progress");
        const said = place.querySelector("[data-part=said]");
        const errors = place.querySelector("[data-part=errors]");
        if (bar) {
            if (one.progress.rows) {
                bar.max = one.progress.rows;
                bar.value = one.progress.done;
            } else if (!OVER.has(one.state)) bar.removeAttribute("value");
        }
        if (said && said.textContent !== one.said) said.textContent = one.said;
        if (errors) errors.textContent = one.failed;
        for (const [code, count] of Object.entries(one.progress.errors)) {
            const place = document.querySelector(`[data-code="${CSS.escape(code)}"]`);
            if (place) place.textContent = count.toLocaleString("en-GB");
        }
    }

    /* ---- What is fetched anew ---------------------------------------------------------------------------------- */

    let renewing = false;
    let wanted = false;

    async function renew() {
        wanted = true;
        if (renewing) return;
        renewing = true;
        while (wanted) {
            wanted = false;
            await new Promise((done) => setTimeout(done, SETTLE_MS));
            const known = listed.map((one) => one.id);
            try {
                const answer = await fetch(location.href, { cache: "no-store" });
                if (answer.ok && !answer.redirected && swap(await answer.text())) {
                    for (const id of known) if (rowOf(id) === null) elsewhere.add(id);
                }
            } catch {
                // The connection is lost; the next picture that comes asks again.
            }
        }
        renewing = false;
    }

    function swap(text) {
        const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("jobs-renewed");
        const old = document.getElementById("jobs-renewed");
        if (fresh === null || document.querySelector("dialog[open]")) return false;
        const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
        const opened = new Set([...old.querySelectorAll("details[open]")].map((one) => one.id));
        old.replaceWith(fresh);
        for (const one of fresh.querySelectorAll("details")) if (opened.has(one.id)) one.open = true;
        if (focused) document.getElementById(focused)?.focus();
        localise(fresh);
        document.dispatchEvent(new Event("jobs:renewed"));
        return true;
    }

    /* ---- The log ----------------------------------------------------------------------------------------------- */

    const log = document.getElementById("jobs-log");

    function writeLines(lines) {
        if (log === null) return;
        const box = log.parentElement;
        const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 20;
        for (const one of lines) {
            if (one.id <= Number(log.dataset.after)) continue;
            log.dataset.after = one.id;
            const line = document.createElement("li");
            const time = document.createElement("time");
            time.dateTime = one.at;
            time.textContent = new Date(one.at).toLocaleTimeString("en-GB");
            line.append(time, ` ${one.text}`);
            log.append(line);
        }
        document.getElementById("jobs-log-empty")?.toggleAttribute("hidden", log.children.length > 0);
        if (lines.length && atEnd) box.scrollTop = box.scrollHeight;
    }

    /* Times of the log are this browser's, from the beginning. */
    function localise(place) {
        for (const time of place.querySelectorAll("time[data-clock]")) {
            time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
        }
    }

    /* ---- Asking first ------------------------------------------------------------------------------------------ */

    document.addEventListener("submit", (event) => {
        const button = event.submitter;
        if (!button?.dataset.confirm || event.target.elements.sure) return;
        event.preventDefault();
        const dialog = document.getElementById("jobs-confirm");
        dialog.querySelector("p").textContent = button.dataset.confirm;
        const yes = dialog.querySelector("[value=yes]");
        yes.textContent = button.textContent;
        yes.className = button.className;
        dialog.onclose = () => {
            if (dialog.returnValue !== "yes") return;
            const sure = document.createElement("input");
            Object.assign(sure, { type: "hidden", name: "sure", value: "yes" });
            button.form.append(sure);
            button.form.requestSubmit(button);
        };
        dialog.returnValue = "";
        dialog.showModal();
    });

    /* ---- An upload --------------------------------------------------------------------------------------------- */

    // The frame writes the name of every chosen file into a text field that its own widgets have, and this has not.
    document.addEventListener("change", (event) => event.target.type === "file" && event.stopImmediatePropagation(), true);

    document.addEventListener("submit", (event) => {
        const form = event.target;
        const bar = form.querySelector("[data-upload]");
        if (bar === null || event.defaultPrevented) return;
        event.preventDefault();
        const file = form.querySelector("[type=file]");
        if (file.files[0].size > Number(file.dataset.mostBytes)) {
            form.querySelector("[data-part=upload]").textContent = file.dataset.tooLarge;
            return;
        }
        const request = new XMLHttpRequest();
        const button = form.querySelector("[type=submit]");
        const said = form.querySelector("[data-part=upload]");
        button.disabled = true;
        bar.hidden = false;
        request.upload.onprogress = (sent) => {
            bar.max = sent.total;
            bar.value = sent.loaded;
            said.textContent = sent.loaded < sent.total ? "Sending…" : "Sent. The server looks at it…";
        };
        request.onload = () => {
            // The server answers with the job's page, or with this one and what is wrong.
            if (request.responseURL !== form.action) location.assign(request.responseURL);
            else {
                const fresh = new DOMParser().parseFromString(request.responseText, "text/html").getElementById(form.id);
                if (request.getResponseHeader("Content-Type") === "application/problem+json") {
                    fail(JSON.parse(request.responseText).detail);
                    return;
                }
                if (fresh === null) {
                    fail(request.status === 403
                        ? "Nothing was started: you logged in or out since this page was opened, or may no longer do this. Load it anew."
                        : `The server answered ${request.status}. Try again.`);
                    return;
                }
                const files = form.querySelector("[type=file]").files;
                form.replaceWith(fresh);
                fresh.querySelector("[type=file]").files = files;
                fresh.querySelector("[role=alert]")?.focus();
            }
        };
        function fail(text) {
            said.textContent = text;
            button.disabled = false;
            bar.hidden = true;
        }
        request.onerror = () => fail("The connection broke. Nothing was started; try again.");
        request.open("POST", form.action);
        request.send(new FormData(form));
    });

    if (page.dataset.socket) {
        connection = window.follow({
            page,
            state: document.getElementById("jobs-state"),
            again: document.getElementById("jobs-again"),
            address: () => page.dataset.socket + (log === null ? "" : `&after=${log.dataset.after}`),
            take,
            shown: () => shownAt,
            hidden: "You may no longer see this. Ask an administrator.",
        });
    }
    localise(document);
    if (log !== null) log.parentElement.scrollTop = log.parentElement.scrollHeight;
})();
