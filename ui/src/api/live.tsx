/** Live by server-sent events: each event of the site makes what it concerns be asked for again. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";

export type Line = "connecting" | "live" | "lost";

const LineContext = createContext<Line>("connecting");

/** Whether the site tells what happens right now. */
export function useLine(): Line {
  return useContext(LineContext);
}

/** The first part of an event's kind ("run.finished") is the first part of the keys that it makes stale. */
const CONCERNS: Record<string, string[]> = {
  run: ["runs", "home"],
  task: ["runs"],
  tuning: ["tunings", "home"],
  review: ["reviews", "home"],
  pointer: ["models", "services", "home"],
  model: ["models", "home"],
  service: ["services", "home"],
  revision: ["services"],
  alert: ["alerts", "monitoring", "home"],
  window: ["monitoring"],
  rollout: ["services", "home"],
  trigger: ["triggers", "home"],
  firing: ["triggers", "home"],
  feedback: ["monitoring"],
  data: ["data"],
};

/** Many events at once ask once: what is named within a moment is told together. */
export function collected(tell: (keys: Set<string>) => void, wait = 200): (keys: string[]) => void {
  let waiting: Set<string> | null = null;
  return (keys) => {
    if (waiting === null) {
      waiting = new Set();
      setTimeout(() => {
        const ready = waiting ?? new Set<string>();
        waiting = null;
        tell(ready);
      }, wait);
    }
    keys.forEach((key) => waiting?.add(key));
  };
}

export function LiveEvents({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [line, setLine] = useState<Line>("connecting");
  useEffect(() => {
    const source = new EventSource("/api/v1/events/stream");
    source.onopen = () => {
      setLine("live");
      void queries.invalidateQueries();
    };
    source.onerror = () => setLine("lost");
    source.addEventListener("processes", (message) => queries.setQueryData(["processes"], JSON.parse(message.data)));
    const stale = collected((keys) => keys.forEach((key) => void queries.invalidateQueries({ queryKey: [key] })));
    source.addEventListener("site", (message) => {
      const { kind } = JSON.parse(message.data) as { kind: string };
      stale(CONCERNS[kind.split(".")[0] ?? ""] ?? []);
    });
    return () => source.close();
  }, [queries]);
  return <LineContext.Provider value={line}>{children}</LineContext.Provider>;
}
