// The page: its language, its tabs in order, and the form for a key.

import { byId } from "./dom.js";
import * as inside from "./inside.js";
import * as many from "./many.js";
import * as one from "./one.js";
import * as search from "./search.js";
import { restore, run, startTabs } from "./tabs.js";
import { text, translate } from "./texts.js";
import * as two from "./two.js";

const { content: model, dataset } = document.querySelector("meta[name=model]");
const TABS = [two, one, many, ...(dataset.search ? [search] : []), inside];

translate();
byId("model").textContent = text(dataset.language === "en" ? "about_english" : "about", { model });
startTabs(TABS);
for (const tab of TABS) tab.start();
byId("key").addEventListener("submit", (event) => { event.preventDefault(); run(); });
restore();
