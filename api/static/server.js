// How the page asks the server's routes.
import { $, make, refusal, show, t } from "./dom.js";

export async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw [{ what: t("server.silent"), where: t("server.where"), fix: t("server.silent.fix") }];
  }
  if (answer.status === 401) $("key-form").hidden = false;
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw said.problems || [{ what: t("server.status", { status: answer.status }), where: path, fix: t("server.status.fix") }];
  }
  return answer;
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export const send = (path, content) =>
  askJson(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });

export const problemsOf = (error) =>
  (Array.isArray(error) ? error : [{ what: String(error), where: t("page.where"), fix: t("page.fix") }]);

// Shows the problems of some work where its result would be.
export async function trying(place, work) {
  try {
    return await work();
  } catch (error) {
    show(place, ...refusal(problemsOf(error)));
    return null;
  }
}

// Runs what a form does, with its button off meanwhile.
export function onSubmit(form, place, work) {
  $(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    await trying(place, () => work(event.target));
    button.disabled = false;
  });
}

export function save(blob, file) {
  return make("a", { href: URL.createObjectURL(blob), download: file, class: "button" }, t("save", { file }));
}

// Opens a route in a tab; where a key is needed a link cannot send it, so the file is fetched and saved.
export function opened(text, path, file) {
  const link = make("a", { href: path, target: "_blank", rel: "noopener" }, text);
  link.addEventListener("click", async (event) => {
    if (!sessionStorage.getItem("key")) return;
    event.preventDefault();
    save(await (await ask(path)).blob(), file).click();
  });
  return link;
}
