// The raw WebSocket console: what a device sends and sees, frame by frame.
const MOST_LINES = 200;
const part = (name) => document.getElementById(`stream-${name}`);
const section = document.getElementById("stream");
let socket = null;

function log(sign, text) {
  const list = part("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 20;
  const line = document.createElement("li");
  line.textContent = `${sign} ${text}`;
  list.append(line);
  while (list.children.length > MOST_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function show(text, open) {
  part("state").textContent = text;
  part("connect").disabled = socket !== null;
  part("close").disabled = socket === null;
  part("send").disabled = !open;
}

function connect() {
  const credential = part("credential").value.trim();
  if (!/^ft_[A-Za-z0-9_-]+$/.test(credential)) {
    show("Paste a credential first; it begins with ft_.", false);
    part("credential").focus();
    return;
  }
  let opened = false;
  const mine = new WebSocket(section.dataset.address, ["foretell.v1.json", `foretell.bearer.${credential}`]);
  socket = mine;
  show("Connecting…", false);
  mine.onopen = () => {
    opened = true;
    show("Connected.", true);
  };
  mine.onmessage = (message) => log("<", message.data);
  mine.onclose = (event) => {
    if (socket === mine) socket = null;
    log("×", `closed ${event.code} ${event.reason}`);
    show(opened ? `Closed with ${event.code}.` : "Refused. Is the credential good, and for this endpoint?", false);
  };
}

async function make() {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  part("make").disabled = true;
  try {
    const answer = await fetch(section.dataset.credential, { method: "POST", headers: { "X-CSRFToken": token } });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail);
    part("credential").value = said.token;
    show(`Made; good until ${new Date(said.expires_at).toLocaleTimeString()}.`, false);
    part("connect").focus();
  } catch (error) {
    show(`It could not be made. ${error.message || "Reload the page."}`, false);
  }
  part("make").disabled = false;
}

function send() {
  const text = part("message").value;
  socket.send(text);
  log(">", text);
}

part("connect").addEventListener("click", connect);
part("close").addEventListener("click", () => socket.close(1000));
part("send").addEventListener("click", send);
part("make")?.addEventListener("click", make);
