/* A socket that shows how things are: it comes back by itself, and the page says how it stands. */
"use strict";

window.follow = (() => {
    const SILENT_MS = 12000; // the server draws at least every 5 s
    const OPEN_MS = 10000;
    const LONGEST_WAIT_MS = 15000;
    const LOGGED_OUT = 4401;
    const NOT_ALLOWED = 4403;
    const LOGIN = "You are logged out. Load the page again to log in.";

    /*
     * page: the element whose `data-state` becomes wait, live, lost or out; state: the one that says so in words;
     * again: the button for the impatient; address(): where to connect; take(picture): a picture came;
     * shown(): of when what is seen is, or null; hidden: the sentence for who may no longer look.
     */
    return ({ page, state, again, address, take, shown, hidden }) => {
        let socket = null;
        let tries = 0;
        let timer = 0;
        let countdown = 0;
        let watchdog = 0;

        function say(name, text) {
            page.dataset.state = name;
            if (state.textContent !== text) state.textContent = text;
            again.hidden = name !== "lost";
        }

        function connect() {
            clearTimeout(timer);
            clearInterval(countdown);
            const scheme = location.protocol === "https:" ? "wss:" : "ws:";
            const mine = new WebSocket(`${scheme}//${location.host}${address()}`);
            let opened = false;
            socket = mine;
            if (shown() === null) say("wait", "Connecting…");
            expectNewsWithin(OPEN_MS);
            mine.onopen = () => {
                opened = true;
                expectNewsWithin(SILENT_MS);
            };
            mine.onmessage = (event) => {
                tries = 0;
                expectNewsWithin(SILENT_MS);
                take(JSON.parse(event.data));
            };
            mine.onclose = (event) => {
                if (socket !== mine) return;
                socket = null;
                clearTimeout(watchdog);
                if (event.code === LOGGED_OUT) leave(LOGIN);
                else if (event.code === NOT_ALLOWED) leave(hidden);
                else if (opened) wait();
                else stillLoggedIn().then((yes) => (yes ? wait() : leave(LOGIN)));
            };
        }

        function expectNewsWithin(milliseconds) {
            clearTimeout(watchdog);
            watchdog = setTimeout(() => {
                // A cable that was pulled closes nothing: give up, and do not wait for the browser to notice.
                const silent = socket;
                socket = null;
                if (silent) silent.close();
                wait();
            }, milliseconds);
        }

        /* Browsers do not tell why a socket was refused; a page that leads to the login does. */
        async function stillLoggedIn() {
            try {
                const options = { method: "HEAD", redirect: "manual", cache: "no-store" };
                return (await fetch(location.pathname, options)).type !== "opaqueredirect";
            } catch {
                return true;
            }
        }

        /* Wait longer after each try, by chance, so that all pages do not come back in the same moment. */
        function wait() {
            tries += 1;
            const most = Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries);
            const until = Date.now() + most / 2 + (Math.random() * most) / 2;
            const tell = () => {
                const left = Math.max(1, Math.ceil((until - Date.now()) / 1000));
                const since = shown() === null ? "" : ` What you see is from ${shown()}.`;
                say("lost", `No connection to the server.${since} Trying again in ${left} s.`);
            };
            tell();
            clearInterval(countdown);
            clearTimeout(timer);
            countdown = setInterval(tell, 1000);
            timer = setTimeout(connect, until - Date.now());
        }

        function leave(text) {
            clearTimeout(timer);
            clearInterval(countdown);
            say("out", text);
        }

        function comeBack() {
            if (page.dataset.state === "lost" && socket === null) connect();
        }

        again.addEventListener("click", comeBack);
        window.addEventListener("online", comeBack);
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden) comeBack();
        });
        connect();
        return { say, connected: () => socket !== null };
    };
})();
