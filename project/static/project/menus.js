/* The framework's menus open at a click on something that is no control. This makes controls of them: named, reached by
   the Tab key, and pressed with Enter or the space bar. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const NAMES = [
        ["sidebarDesktopOpen", "Menu"],
        ["sidebarMobileOpen", "Menu"],
        ["openUserLinks", "Your account: "],
        ["openTheme", "Light or dark"],
    ];
    const OPENED = [
        ["sidebarMobileOpen", "#nav-sidebar-inner ol a"],
        ["openUserLinks", "nav[x-show=openUserLinks] [tabindex], nav[x-show=openUserLinks] a"],
        ["openTheme", "nav[x-show=openTheme] [tabindex]"],
        ["filterOpen", "#changelist-filter :is(input:not([type=hidden]), select:not([tabindex]), [tabindex='0']:not([role=region]))"],
    ];
    const CONTROL = "a[href], button, input, select, textarea, label, summary, [tabindex]";
    const MOST_FRAMES = 30; // that a menu takes to be there
    const clickable = [...document.querySelectorAll("[x-on\\:click]")];

    for (const one of clickable) {
        if (one.matches(CONTROL) || !one.textContent.trim()) continue;
        one.tabIndex = 0;
        one.setAttribute("role", "button");
        const action = one.getAttribute("x-on:click");
        const named = NAMES.find(([state]) => action.startsWith(state));
        if (named) one.setAttribute("aria-label", named[1] + (one.querySelector(".truncate")?.textContent.trim() ?? ""));
        one.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            const opens = OPENED.find(([state]) => action.startsWith(state));
            const closes = opens && shown(opens[1]);
            one.click();
            // What it opened stands elsewhere in the page, so the next Tab would pass it by.
            if (opens && !closes) enter(opens[1], MOST_FRAMES);
        });
    }

    function shown(selector) {
        return [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
    }

    function enter(selector, frames) {
        const target = shown(selector);
        if (target) target.focus();
        else if (frames) requestAnimationFrame(() => enter(selector, frames - 1));
    }
});
