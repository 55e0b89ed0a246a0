/** Which address shows which page; each page is a file that is fetched when it is first shown. */
import { Loader } from "@mantine/core";
import { createBrowserRouter, type RouteObject } from "react-router";

import { Shell } from "./shell";

type PageFile = { default: () => React.ReactNode };
const page = (path: string, load: () => Promise<PageFile>): RouteObject => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
});

export const router = createBrowserRouter([
  {
    element: <Shell />,
    hydrateFallbackElement: <Loader size="sm" m="md" />,
    children: [
      page("/", () => import("./pages/home")),
      page("/experiments", () => import("./pages/experiments")),
      page("/runs", () => import("./pages/runs")),
      page("/compare", () => import("./pages/compare")),
      page("/runs/:id", () => import("./pages/run")),
      page("/runs/:id/mlflow", () => import("./pages/in-mlflow")),
      page("/tunings", () => import("./pages/tunings")),
      page("/tunings/:id", () => import("./pages/tuning")),
      page("/reviews", () => import("./pages/reviews")),
      page("/reviews/:id", () => import("./pages/review")),
      page("/models", () => import("./pages/models")),
      page("/models/:name", () => import("./pages/model")),
      page("/models/:name/mlflow", () => import("./pages/in-mlflow")),
      page("/services", () => import("./pages/services")),
      page("/services/:name", () => import("./pages/service")),
      page("/monitoring", () => import("./pages/monitoring")),
      page("/monitoring/:name", () => import("./pages/watched")),
      page("/health", () => import("./pages/health")),
      page("/triggers", () => import("./pages/triggers")),
      page("/triggers/:name", () => import("./pages/trigger")),
      page("/predictions/:id", () => import("./pages/prediction")),
      page("*", () => import("./pages/nothing")),
    ],
  },
]);
