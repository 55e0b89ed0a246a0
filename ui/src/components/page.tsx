/** The frame of a page: its title, what can be done, and its parts. */
import { Alert, Anchor, Breadcrumbs, Card, Code, CopyButton, Group, Skeleton, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconCopy } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { Link } from "react-router";

import { Refusal } from "../api/client";

type PageProps = { title: string; crumbs?: [string, string][]; beside?: ReactNode; actions?: ReactNode; children: ReactNode };

export function Page({ title, crumbs = [], beside, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Tidemill`;
  }, [title]);
  return (
    <Stack gap="md">
      <div>
        {crumbs.length > 0 && (
          <Breadcrumbs fz="xs" mb={4}>
            {crumbs.map(([name, to]) => (
              <Anchor key={to} component={Link} to={to} fz="xs">{name}</Anchor>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between" gap="xs">
          <Group gap="sm">
            <Title order={1}>{title}</Title>
            {beside}
          </Group>
          <Group gap="xs">{actions}</Group>
        </Group>
      </div>
      {children}
    </Stack>
  );
}

export function Part({ title, beside, children }: { title: string; beside?: ReactNode; children: ReactNode }) {
  return (
    <Card component="section">
      <Group justify="space-between" mb="xs">
        <Title order={2}>{title}</Title>
        {beside}
      </Group>
      {children}
    </Card>
  );
}

export function Problem({ problem, title }: { problem: unknown; title?: string }) {
  const refusal = problem instanceof Refusal ? problem : null;
  return (
    <Alert color={refusal?.status === 0 ? "orange" : "red"} icon={<IconAlertTriangle />} title={title ?? refusal?.place ?? "This did not work"} role="alert">
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{problem instanceof Error ? problem.message : String(problem)}</Text>
      {refusal?.remedy && <Text size="sm" mt={4}>Do: {refusal.remedy}</Text>}
    </Alert>
  );
}

/** What was asked for, once it is there; an outline of it before, the refusal else. */
export function Asked<Told>({ of, children }: { of: UseQueryResult<Told>; children: (told: Told) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.isError) return <Problem problem={of.error} />;
  return (
    <Stack gap="xs" aria-busy>
      <Skeleton height={14} width="60%" />
      <Skeleton height={14} width="80%" />
      <Skeleton height={14} width="40%" />
    </Stack>
  );
}

/** Nothing is here yet: what it would be, and the command that makes the first one. */
export function Empty({ children, command }: { children: ReactNode; command?: string }) {
  return (
    <Stack gap={6} py="lg" align="center">
      <Text c="dimmed" size="sm" ta="center">{children}</Text>
      {command && (
        <CopyButton value={command}>
          {({ copied, copy }) => (
            <UnstyledButton onClick={copy} aria-label={`copy ${command}`}>
              <Group gap={6} wrap="nowrap">
                <Code>{command}</Code>
                {copied ? <Text size="xs" c="dimmed">copied</Text> : <IconCopy size={14} />}
              </Group>
            </UnstyledButton>
          )}
        </CopyButton>
      )}
    </Stack>
  );
}

export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value ?? <span className="muted">–</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Values({ of }: { of: Record<string, unknown> }) {
  const rows = Object.entries(of);
  if (rows.length === 0) return <Text size="sm" c="dimmed">none</Text>;
  return <Facts of={rows.map(([name, value]) => [name, <span className="mono">{typeof value === "string" ? value : JSON.stringify(value)}</span>])} />;
}
