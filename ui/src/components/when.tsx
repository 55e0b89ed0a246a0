/** Times: relative to read, exact on hover. */
import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";

const STEPS: [number, string][] = [[60, "s"], [60, "min"], [24, "h"], [7, "d"], [4.35, "wk"], [12, "mo"], [Infinity, "y"]];

export function ago(moment: string, now: number): string {
  let value = Math.max(0, (now - Date.parse(moment)) / 1000);
  if (value < 5) return "now";
  for (const [size, unit] of STEPS) {
    if (value < size) return `${Math.floor(value)} ${unit} ago`;
    value /= size;
  }
  return "";
}

export function seconds(value: number | null | undefined): string {
  if (value == null) return "–";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 100) return `${value.toFixed(1)} s`;
  const left = Math.round(value % 60);
  return value < 6000 ? `${Math.floor(value / 60)} min${left === 0 ? "" : ` ${left} s`}` : `${(value / 3600).toFixed(1)} h`;
}

export function between(from: string | null, to: string | null, now: number): string {
  return from === null ? "–" : seconds(((to === null ? now : Date.parse(to)) - Date.parse(from)) / 1000);
}

/** The time now, anew every `every` seconds. */
export function useNow(every = 1): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every * 1000);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export function Ago({ at }: { at: string | null | undefined }) {
  const now = useNow(10);
  if (!at) return <span className="muted">–</span>;
  return (
    <Tooltip label={new Date(at).toLocaleString()}>
      <time dateTime={at}>{ago(at, now)}</time>
    </Tooltip>
  );
}
