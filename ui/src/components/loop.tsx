/** The loop of a service as a picture: its stations from left to right, each with its state, and back again. */
import { Group, Text } from "@mantine/core";
import { IconArrowBackUp, IconChevronRight } from "@tabler/icons-react";
import { Fragment, type ReactNode } from "react";
import { Link } from "react-router";

import { lookOf } from "./state";

export type Station = { name: string; to: string; state: string; note: ReactNode };

export function Loop({ name, stations }: { name: string; stations: Station[] }) {
  return (
    <nav aria-label={`the loop of ${name}`}>
      <Text size="sm" fw={600} mb={4}>{name}</Text>
      <Group gap={6} align="stretch">
        {stations.map((station, index) => (
          <Fragment key={station.name}>
            {index > 0 && <IconChevronRight size={16} className="muted" style={{ alignSelf: "center" }} aria-hidden />}
            <Stop station={station} />
          </Fragment>
        ))}
        <IconArrowBackUp size={16} className="muted" style={{ alignSelf: "center" }} aria-label="and again" />
      </Group>
    </nav>
  );
}

function Stop({ station }: { station: Station }) {
  const { color, icon: Shape } = lookOf(station.state);
  return (
    <Link to={station.to} className="station" title={`${station.name}: ${station.state.toLowerCase()}`}>
      <Shape size={16} color={`var(--mantine-color-${color}-6)`} aria-hidden />
      <span><strong>{station.name}</strong><br /><span className="muted">{station.note}</span></span>
    </Link>
  );
}
