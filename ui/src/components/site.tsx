/** The processes of the site as people know them, and bars for what is used. */
import { Group, Progress, Text } from "@mantine/core";
import type { ReactNode } from "react";

import type { Schemas } from "../api/client";

type Services = Schemas["ServiceFiguresView"][];

/** A predictor is called by what it answers for: "fuel, revision 2". */
export function processName(name: string, services: Services): string {
  const owner = services.find((one) => name in one.revisions);
  return owner ? `${owner.service}, revision ${owner.revisions[name]}` : name;
}

/** The state of a process in the words that all pages have. */
export const processState = (state: string) => (state === "RUNNING" ? "up" : state);

/** How much of something is used: as a bar that warns, and in words. */
export function Used({ name, share, children }: { name: string; share: number; children: ReactNode }) {
  const color = share >= 0.95 ? "red" : share >= 0.85 ? "orange" : "tide";
  return (
    <div>
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={600}>{name}</Text>
        <Text size="sm">{children}</Text>
      </Group>
      <Progress value={Math.min(100, Math.max(0, share * 100))} color={color} aria-label={name} />
    </div>
  );
}
