/** What pages ask the site for. The first part of a key is what an event makes stale. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, told } from "./client";

const MOVING = new Set(["pending", "queued", "running", "canceling", "open", "loading"]);

export const isMoving = (state: string) => MOVING.has(state.toLowerCase());

export type RunFilter = { state?: string; experiment?: string };

const PAGE = 100;

/** The newest runs, with their metrics; `fetchNextPage` asks for older ones. */
export const useRuns = (filter: RunFilter = {}, size = PAGE) =>
  useInfiniteQuery({
    queryKey: ["runs", "list", filter, size],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      told(api.GET("/api/v1/runs", { params: { query: { ...filter, page_size: size, page_token: pageParam, with_metrics: true } } })),
    getNextPageParam: (page) => page.next_page_token,
    select: (all) => all.pages.flatMap((page) => page.items),
  });

export const useRun = (id: string) =>
  useQuery({ queryKey: ["runs", id], queryFn: () => told(api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: id } } })) });

export const useTasks = (id: string) =>
  useQuery({ queryKey: ["runs", id, "tasks"], queryFn: () => told(api.GET("/api/v1/runs/{run_id}/tasks", { params: { path: { run_id: id } } })) });

export const useMetrics = (id: string) =>
  useQuery({ queryKey: ["runs", id, "metrics"], queryFn: () => told(api.GET("/api/v1/runs/{run_id}/metrics", { params: { path: { run_id: id } } })) });

export const useReviews = () =>
  useQuery({ queryKey: ["reviews", "list"], queryFn: () => told(api.GET("/api/v1/reviews", { params: { query: { page_size: 200 } } })) });

export const useReview = (id: string) =>
  useQuery({ queryKey: ["reviews", id], queryFn: () => told(api.GET("/api/v1/reviews/{review_id}", { params: { path: { review_id: id } } })) });

export const useModels = () =>
  useQuery({ queryKey: ["models", "list"], queryFn: () => told(api.GET("/api/v1/models", { params: { query: { page_size: 200 } } })) });

export const useVersions = (model: string) =>
  useQuery({ queryKey: ["models", model], queryFn: () => told(api.GET("/api/v1/models/{model}/versions", { params: { path: { model }, query: { page_size: 200 } } })) });

export const usePointers = () =>
  useQuery({ queryKey: ["models", "pointers"], queryFn: () => told(api.GET("/api/v1/live-pointers")) });

export const useServices = () =>
  useQuery({ queryKey: ["services", "list"], queryFn: () => told(api.GET("/api/v1/services", { params: { query: { page_size: 200 } } })) });

export const useService = (name: string) =>
  useQuery({ queryKey: ["services", name], queryFn: () => told(api.GET("/api/v1/services/{name}", { params: { path: { name } } })) });

export const useTunings = () =>
  useQuery({ queryKey: ["tunings", "list"], queryFn: () => told(api.GET("/api/v1/tunings", { params: { query: { page_size: 200 } } })) });

export const useTuning = (id: string) =>
  useQuery({ queryKey: ["tunings", id], queryFn: () => told(api.GET("/api/v1/tunings/{tuning_id}", { params: { path: { tuning_id: id } } })) });

export const useProcesses = () => useQuery({ queryKey: ["processes"], queryFn: () => told(api.GET("/api/v1/processes")) });

export const useMonitoring = (service: string) =>
  useQuery({
    queryKey: ["monitoring", service],
    enabled: service !== "",
    queryFn: () => told(api.GET("/api/v1/services/{name}/monitoring", { params: { path: { name: service }, query: { page_size: 100 } } })),
    refetchInterval: 15_000,
  });

export const useTraffic = (service: string) =>
  useQuery({
    queryKey: ["services", service, "traffic"],
    queryFn: () => told(api.GET("/api/v1/services/{name}/traffic", { params: { path: { name: service } } })),
    refetchInterval: 5_000,
  });

export const useAlerts = () =>
  useQuery({ queryKey: ["alerts", "list"], queryFn: () => told(api.GET("/api/v1/alerts", { params: { query: { page_size: 100 } } })) });

export const useTriggers = () => useQuery({ queryKey: ["triggers", "list"], queryFn: () => told(api.GET("/api/v1/triggers")) });

export const useFirings = (trigger: string) =>
  useQuery({
    queryKey: ["triggers", trigger, "firings"],
    queryFn: () => told(api.GET("/api/v1/triggers/{name}/firings", { params: { path: { name: trigger } } })),
  });

/** What is used now; the site looks every five seconds. */
export const useFigures = () => useQuery({ queryKey: ["figures", "now"], queryFn: () => told(api.GET("/api/v1/figures")), refetchInterval: 5_000 });

export const useFiguresHistory = (minutes: number) =>
  useQuery({
    queryKey: ["figures", "history", minutes],
    queryFn: () => told(api.GET("/api/v1/figures/history", { params: { query: { minutes, samples: 120 } } })),
    refetchInterval: 15_000,
    placeholderData: (before) => before,
  });

/** Whether the site has an MLflow; this does not start it. */
export const useMlflow = () => useQuery({ queryKey: ["mlflow"], staleTime: Infinity, queryFn: () => told(api.GET("/api/v1/mlflow")) }).data?.on ?? false;
