/** A state by colour and by shape. */
import { Badge } from "@mantine/core";
import {
  IconAlertTriangle, IconArrowBackUp, IconBan, IconCheck, IconCircleDashed, IconClock, IconDatabase, IconLoader2, IconPlayerPause, IconPlayerPlay, IconX, type Icon,
} from "@tabler/icons-react";

type Look = { color: string; icon: Icon; word?: string };

const LOOKS: Record<string, Look> = {
  pending: { color: "gray", icon: IconClock },
  queued: { color: "gray", icon: IconClock },
  running: { color: "blue", icon: IconLoader2 },
  canceling: { color: "orange", icon: IconLoader2 },
  succeeded: { color: "teal", icon: IconCheck },
  cached: { color: "teal", icon: IconDatabase },
  failed: { color: "red", icon: IconX },
  canceled: { color: "gray", icon: IconBan },
  skipped: { color: "gray", icon: IconCircleDashed },
  open: { color: "yellow", icon: IconClock, word: "waiting" },
  approved: { color: "teal", icon: IconCheck },
  rejected: { color: "red", icon: IconX },
  withdrawn: { color: "gray", icon: IconBan },
  superseded: { color: "gray", icon: IconCircleDashed },
  passed: { color: "teal", icon: IconCheck },
  warned: { color: "orange", icon: IconAlertTriangle },
  ready: { color: "teal", icon: IconCheck },
  live: { color: "teal", icon: IconCheck },
  loading: { color: "blue", icon: IconLoader2 },
  standby: { color: "gray", icon: IconPlayerPause },
  up: { color: "teal", icon: IconCheck },
  starting: { color: "blue", icon: IconLoader2 },
  waiting: { color: "orange", icon: IconAlertTriangle, word: "starts again" },
  stopped: { color: "red", icon: IconX },
  idle: { color: "gray", icon: IconPlayerPause },
  paused: { color: "orange", icon: IconPlayerPause },
  degraded: { color: "orange", icon: IconAlertTriangle },
  not_ready: { color: "orange", icon: IconClock },
  raised: { color: "red", icon: IconAlertTriangle },
  acknowledged: { color: "orange", icon: IconAlertTriangle },
  silenced: { color: "gray", icon: IconBan },
  resolved: { color: "teal", icon: IconCheck },
  holding: { color: "blue", icon: IconClock },
  stepping: { color: "blue", icon: IconLoader2 },
  started: { color: "blue", icon: IconLoader2 },
  promoted: { color: "teal", icon: IconCheck },
  rolled_back: { color: "red", icon: IconArrowBackUp },
  refused: { color: "red", icon: IconBan },
  fired: { color: "blue", icon: IconPlayerPlay },
  awaiting_approval: { color: "yellow", icon: IconClock },
  retired: { color: "gray", icon: IconBan },
};
const UNKNOWN: Look = { color: "gray", icon: IconCircleDashed };

/** States are told in capitals by some parts of the site; here they are words. */
export function lookOf(state: string): Look {
  return LOOKS[state.toLowerCase()] ?? UNKNOWN;
}

export function State({ state, cached = false }: { state: string; cached?: boolean }) {
  const word = cached && state.toLowerCase() === "succeeded" ? "cached" : state.toLowerCase();
  const look = lookOf(word);
  const Shape = look.icon;
  return (
    <Badge color={look.color} leftSection={<Shape size={12} aria-hidden />} tt="none">
      {look.word ?? word.replaceAll("_", " ")}
    </Badge>
  );
}
