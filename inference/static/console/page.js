// Buttons that copy the text of another element, by the clipboard or, without a secure context, the old way.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const selection = window.getSelection();
  selection.selectAllChildren(source);
  let copied = false;
  try {
    await navigator.clipboard.writeText(source.textContent);
    copied = true;
  } catch {
    copied = document.execCommand("copy");
  }
  const said = button.textContent;
  button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
  button.disabled = true;
  setTimeout(() => {
    button.textContent = said;
    button.disabled = false;
  }, 1500);
});

// The frame hides the page until its own scripts have run, too late for the browser to look for `autofocus`.
window.addEventListener("load", () => document.querySelector(".ft-page [autofocus]")?.focus());
