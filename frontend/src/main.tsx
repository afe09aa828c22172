import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/page.css";
import "./styles/card.css";
import "./styles/toolbar.css";
import "./styles/dialog.css";
import "./styles/why.css";
import "./styles/quiz.css";
import "./styles/panel.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
