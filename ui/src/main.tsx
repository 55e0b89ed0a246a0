/** The dashboard starts here. */
import "@mantine/core/styles.css";
import "@xyflow/react/dist/style.css";
import "./dashboard.css";

import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router";

import { Refusal } from "./api/client";
import { LiveEvents } from "./api/live";
import { router } from "./routes";
import { theme } from "./theme";

const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // what the site refuses it will refuse again; what does not answer may come back
      retry: (count, problem) => !(problem instanceof Refusal && problem.status >= 400 && problem.status < 500) && count < 2,
    },
  },
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <LiveEvents>
          <RouterProvider router={router} />
        </LiveEvents>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
