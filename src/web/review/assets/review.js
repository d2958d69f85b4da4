// Keys for those who like them. Every page works without this file.
(() => {
  "use strict";

  const rows = () => [...document.querySelectorAll("[data-row]")].map((row) => row.querySelector("a, button")).filter(Boolean);
  const typing = (element) => element.closest("input, select, textarea, dialog") !== null || element.isContentEditable;
  const keys = document.getElementById("keys");
  let leading = false;

  const step = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const here = all.findIndex((link) => link.closest("[data-row]").contains(document.activeElement));
    const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1);
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  };

  const go = (key) => {
    const link = [...document.querySelectorAll("[data-key]")].find((entry) => entry.dataset.key === key);
    if (link) link.click();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (leading) {
      leading = false;
      go(event.key);
      return;
    }
    switch (event.key) {
      case "j": step(1); break;
      case "k": step(-1); break;
      case "g": leading = true; setTimeout(() => { leading = false; }, 1500); break;
      case "/": {
        const field = document.querySelector("[data-search], .filters select, .filters input");
        if (!field) return;
        field.focus();
        break;
      }
      case "?": keys.showModal(); break;
      default: return;
    }
    event.preventDefault();
  });

  // What is downloaded changes the thing that the page shows, so the page is loaded anew afterwards.
  for (const button of document.querySelectorAll("[data-download]")) {
    button.addEventListener("click", async (event) => {
      event.preventDefault();
      const form = button.form;
      const sent = await fetch(button.formAction, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const file = /filename="([^"]+)"/.exec(sent.headers.get("content-disposition") || "");
      if (!sent.ok || !file) {
        form.action = button.formAction;
        form.submit();
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await sent.blob());
      link.download = file[1];
      link.click();
      location.reload();
    });
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
      button.textContent = "Copied";
    });
  }
})();
